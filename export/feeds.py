"""Inputs of the graphs as the library feeds them, recorded on photographs: for calibration and for measuring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import onnxruntime as ort

from mam.errors import GraphError
from mam.images import open_photo
from mam.masks.prompts import Prompt
from mam.matting import Matting
from mam.model.contract import GRAPHS, IMAGE_ENCODER, MASK_DECODER, MATTE, Graph, InferencePolicy
from mam.model.runtime import OnnxGraphs, load_graphs
from mam.model.steps import Array, Values, to_numpy


def record_feeds(folder: Path, images: Sequence[Path]) -> dict[str, list[dict[str, np.ndarray]]]:
    """Record the inputs of a set's graphs for a box and for a click on each image, by the graphs' names.

    Args:
        folder: a set of graphs.
        images: photographs.

    Raises:
        GraphError: `folder` is no complete set.
    """
    recording = RecordingGraphs(**vars(load_graphs(folder, "cpu")))
    for path in images:
        scene = Matting(recording).open(open_photo(path).pixels)
        h, w = scene.photo.size
        for prompt in (_box(h, w), Prompt(points=[(w / 2, h / 2)])):
            scene.mattes([prompt], recrop=False)
    return recording.feeds


def record_edge_feeds(folder: Path, images: Sequence[Path]) -> dict[str, list[dict[str, np.ndarray]]]:
    """Record the same of a folder of `export edge`, by the files' names without ending, for each of its decoders.

    Raises:
        GraphError: the folder is not complete.
    """
    graphs = EdgeGraphs(folder)
    for path in images:
        scene = Matting(graphs).open(open_photo(path).pixels)
        h, w = scene.photo.size
        for n in graphs.points:
            clicks = [((0.3 + 0.4 * k / n) * w, h / 2) for k in range(n - 2)]
            scene.mattes([replace(_box(h, w), points=clicks)], recrop=False)
    return graphs.feeds


def is_edge_folder(folder: Path) -> bool:
    """Return whether a folder was written by `export edge` for a runtime."""
    return any((folder / f"refinement{ending}").is_file() for ending in (".onnx", ".ort"))


def _box(h: int, w: int) -> Prompt:
    return Prompt(box=(0.2 * w, 0.1 * h, 0.85 * w, 0.95 * h))


@dataclass(frozen=True, eq=False)
class RecordingGraphs(OnnxGraphs):
    """Graphs that keep the inputs of each call before they compute.

    Attributes:
        feeds: for each graph's name, the inputs of the calls so far.
    """

    feeds: dict[str, list[dict[str, np.ndarray]]] = field(default_factory=lambda: {graph.name: [] for graph in GRAPHS})

    def run(self, graph: Graph, values: Values, /) -> dict[str, Array]:
        """See `OnnxGraphs.run`."""
        read = [tensor.name for tensor in self.sessions[graph.name].get_inputs()]
        self.feeds[graph.name].append({name: to_numpy(values[name]) for name in read})
        return super().run(graph, values)


class EdgeGraphs:
    """`mam.model.steps.Graphs` of a folder of `export edge`, for one prompt per call; keeps the inputs of each call.

    Attributes:
        feeds: for each file's name without ending, the inputs of the calls so far.
    """

    provider, note = "edge", ""

    def __init__(self, folder: Path) -> None:
        paths = [path for path in sorted(folder.glob("*.o*")) if path.suffix in (".onnx", ".ort")]
        self.sessions = {path.stem: ort.InferenceSession(path, providers=["CPUExecutionProvider"]) for path in paths}
        if not {IMAGE_ENCODER.name, "m2m", "refinement"} <= self.sessions.keys() or not self.points:
            raise GraphError(f"{folder} is not what `python -m export edge` writes, or not all of it.")
        stamp = self.sessions["m2m"].get_modelmeta().custom_metadata_map
        self.folder, self.variant, self.policy = folder, stamp["mam_variant"], InferencePolicy.from_stamp(stamp)
        self.feeds: dict[str, list[dict[str, np.ndarray]]] = {}

    @property
    def points(self) -> list[int]:
        """The numbers of points that there are decoders for."""
        return sorted(int(name.rpartition("_")[2]) for name in self.sessions if name.startswith(MASK_DECODER.name))

    def run(self, graph: Graph, values: Values, /) -> dict[str, np.ndarray]:
        """See `mam.model.steps.Graphs.run`; shorter prompts are filled up with padding points."""
        if graph == IMAGE_ENCODER:
            return self._run(graph.name, values)
        if graph == MATTE:
            sizes = {name: to_numpy(values[name]).astype(np.int32) for name in ("input_size", "original_size")}
            guidance = np.asarray(to_numpy(values["mask_guidance"]), np.float32).reshape(1)
            return self._run("refinement", {**values, **self._run("m2m", values), **sizes, "mask_guidance": guidance})
        coords, labels = to_numpy(values["point_coords"]), to_numpy(values["point_labels"])
        n = next((n for n in self.points if n >= labels.shape[1]), self.points[-1])
        spare = (0, n - labels.shape[1])
        padded = {
            "point_coords": np.pad(coords, ((0, 0), spare, (0, 0))),
            "point_labels": np.pad(labels, ((0, 0), spare), constant_values=-1),
        }
        return self._run(f"{MASK_DECODER.name}_{n}", {**values, **padded})

    def _run(self, name: str, values: Values) -> dict[str, np.ndarray]:
        session = self.sessions[name]
        feed = {tensor.name: to_numpy(values[tensor.name]) for tensor in session.get_inputs()}
        self.feeds.setdefault(name, []).append(feed)
        return dict(zip([output.name for output in session.get_outputs()], session.run(None, feed), strict=True))
