"""A folder of `export edge` behind the interface of an ordinary set, so that `mam.Matting` can run it.

It runs nothing but what the folder holds, by the rules in its manifest: a reference for programs in other languages.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from export.manifest import MANIFEST
from mam.errors import GraphError
from mam.model.contract import IMAGE_ENCODER, MASK_DECODER, Graph, InferencePolicy
from mam.model.steps import Values, to_numpy

Feed = dict[str, np.ndarray]
"""The inputs of one call, by name."""

_PROMPT = ("point_coords", "point_labels", "mask_input", "has_mask_input")


class Runner(Protocol):
    """One loaded graph."""

    def __call__(self, feed: Feed, /) -> list[np.ndarray]:
        """Run it: inputs by name -> outputs in the file's order."""


def is_edge_folder(folder: Path) -> bool:
    """Return whether a folder was written by `export edge` for a runtime."""
    return any((folder / f"refinement{ending}").is_file() for ending in (".onnx", ".ort"))


class EdgeGraphs:
    """`mam.model.steps.Graphs` of static graphs: one prompt per call, filled up with padding points.

    Args:
        folder: written by `export.edge`.
        load: file -> its runner.

    Raises:
        GraphError: the folder is not complete.
    """

    provider, note = "edge", ""

    def __init__(self, folder: Path, load: Callable[[Path], Runner]) -> None:
        try:
            self.manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text("utf-8"))
            self.files = {Path(described["file"]).stem: described for described in self.manifest["files"]}
            self.runners = {name: load(folder / described["file"]) for name, described in self.files.items()}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise GraphError(f"{folder} is not what `python -m export edge` writes ({error!r}).") from error
        self.folder, self.variant = folder, self.manifest["variant"]
        crop, masks = self.manifest["crop"], self.manifest["masks"]
        margin = None if crop is None else crop["margin"]
        self.policy = InferencePolicy(margin, masks["multimask"], self.manifest["main_object"])

    def run(self, graph: Graph, values: Values, /) -> dict[str, np.ndarray]:
        """See `mam.model.steps.Graphs.run`."""
        if graph == IMAGE_ENCODER:
            return self._run(graph.name, values)
        step, each = (self._decode, _PROMPT) if graph == MASK_DECODER else (self._matte, ("mask_logits",))
        several = {name: to_numpy(values[name]) for name in each}
        count = len(several[each[0]])
        answers = [step({**values, **{n: v[i : i + 1] for n, v in several.items()}}) for i in range(count)]
        return {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}

    def _decode(self, values: Values) -> dict[str, np.ndarray]:
        labels = to_numpy(values["point_labels"])
        name, spare = self._decoder(labels.shape[1])
        padding = self.manifest["points"]["labels"]["padding"]
        coords = np.pad(to_numpy(values["point_coords"]), ((0, 0), (0, spare), (0, 0)))
        labels = np.pad(labels, ((0, 0), (0, spare)), constant_values=padding)
        return self._run(name, {**values, "point_coords": coords, "point_labels": labels})

    def _matte(self, values: Values) -> dict[str, np.ndarray]:
        sizes = {name: to_numpy(values[name]).astype(np.int32) for name in ("input_size", "original_size")}
        guidance = np.asarray(to_numpy(values["mask_guidance"]), np.float32).reshape(1)
        found = self._run("m2m", values)
        return self._run("refinement", {**values, **found, **sizes, "mask_guidance": guidance})

    @property
    def points(self) -> list[int]:
        """The numbers of points that there are decoders for."""
        return sorted(int(name.rpartition("_")[2]) for name in self.files if name.startswith(MASK_DECODER.name))

    def _decoder(self, points: int) -> tuple[str, int]:
        """Return the decoder for a number of points, and how many padding points it needs."""
        written = self.points
        fitting = [n for n in written if n == points or (n > points and self.manifest["points"]["fill_up"])]
        if not fitting:
            raise GraphError(
                f"{self.folder} has decoders for {', '.join(map(str, written))} points; the prompt has {points}. "
                f"Export the folder again with --points {' '.join(map(str, sorted({*written, points})))}."
            )
        return f"{MASK_DECODER.name}_{fitting[0]}", fitting[0] - points

    def _run(self, name: str, values: Values) -> dict[str, np.ndarray]:
        described = self.files[name]
        feed = {tensor["name"]: to_numpy(values[tensor["name"]]) for tensor in described["inputs"]}
        outputs = self.runners[name](feed)
        return {tensor["name"]: output for tensor, output in zip(described["outputs"], outputs, strict=True)}
