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
from mam.model.contract import IMAGE_ENCODER, MASK_DECODER, InferencePolicy
from mam.model.runtime import Features, to_numpy

Feed = dict[str, np.ndarray]
"""The inputs of one call, by name."""


class Runner(Protocol):
    """One loaded graph."""

    def __call__(self, feed: Feed, /) -> list[np.ndarray]:
        """Run it: inputs by name -> outputs in the file's order."""


def is_edge_folder(folder: Path) -> bool:
    """Return whether a folder was written by `export edge` for a runtime."""
    return any((folder / f"refinement{ending}").is_file() for ending in (".onnx", ".ort"))


class EdgeGraphs:
    """`mam.model.runtime.Graphs` of static graphs: one prompt per call, filled up with padding points.

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

    def encode(self, image: np.ndarray, /) -> Features:
        """See `mam.model.runtime.Graphs.encode`."""
        return self._run(IMAGE_ENCODER.name, {"image": image})

    def decode(
        self,
        features: Features,
        point_coords: np.ndarray,
        point_labels: np.ndarray,
        mask_input: np.ndarray,
        has_mask_input: np.ndarray,
        /,
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `mam.model.runtime.Graphs.decode`."""
        name, spare = self._decoder(point_labels.shape[1])
        points = self.manifest["points"]
        coords = np.pad(point_coords, ((0, 0), (0, spare), (0, 0)))
        labels = np.pad(point_labels, ((0, 0), (0, spare)), constant_values=points["labels"]["padding"])
        answers = []
        for i in range(len(point_labels)):
            prompt = {
                "point_coords": coords[i : i + 1],
                "point_labels": labels[i : i + 1],
                "mask_input": mask_input[i : i + 1],
                "has_mask_input": has_mask_input[i : i + 1],
            }
            found = self._run(name, {**features, **prompt})
            answers.append((found["low_res_masks"][0], found["iou_predictions"][0]))
        masks, scores = zip(*answers, strict=True)
        return np.stack(masks), np.stack(scores)

    def matte(
        self,
        image: np.ndarray,
        features: Features,
        mask_logits: np.ndarray,
        input_size: tuple[int, int],
        original_size: tuple[int, int],
        mask_guidance: bool,
        /,
    ) -> np.ndarray:
        """See `mam.model.runtime.Graphs.matte`."""
        sizes = {
            "input_size": np.array(input_size, np.int32),
            "original_size": np.array(original_size, np.int32),
            "mask_guidance": np.array([mask_guidance], np.float32),
        }
        alphas = []
        for i in range(len(mask_logits)):
            logits = {"mask_logits": mask_logits[i : i + 1]}
            found = self._run("m2m", {**features, "image": image, **logits})
            alphas.append(self._run("refinement", {**found, **logits, **sizes})["alpha"])
        return np.concatenate(alphas)

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

    def _run(self, name: str, values: Features) -> dict[str, np.ndarray]:
        described = self.files[name]
        feed = {tensor["name"]: to_numpy(values[tensor["name"]]) for tensor in described["inputs"]}
        outputs = self.runners[name](feed)
        return {tensor["name"]: output for tensor, output in zip(described["outputs"], outputs, strict=True)}
