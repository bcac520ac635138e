"""Inputs of the graphs as the library feeds them, recorded on photographs: for calibration and for measuring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import onnxruntime as ort

from export.edge_graphs import EdgeGraphs, Feed, Runner
from mam.images import open_photo
from mam.masks.prompts import Prompt
from mam.matting import Matting
from mam.model.contract import GRAPHS, Graph
from mam.model.runtime import OnnxGraphs, load_graphs
from mam.model.steps import Array, Values, to_numpy


def record_feeds(folder: Path, images: Sequence[Path]) -> dict[str, list[Feed]]:
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


def record_edge_feeds(folder: Path, images: Sequence[Path]) -> dict[str, list[Feed]]:
    """Record the same of a folder of `export edge`, by the files' names without ending, for each of its decoders.

    Raises:
        GraphError: the folder is not complete.
    """
    feeds: dict[str, list[Feed]] = {}

    def load(path: Path) -> Runner:
        session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])

        def run(feed: Feed) -> list[np.ndarray]:
            feeds.setdefault(path.stem, []).append(feed)
            outputs: list[np.ndarray] = session.run(None, feed)
            return outputs

        return run

    graphs = EdgeGraphs(folder, load)
    for path in images:
        scene = Matting(graphs).open(open_photo(path).pixels)
        h, w = scene.photo.size
        for n in graphs.points:
            clicks = [((0.3 + 0.4 * k / n) * w, h / 2) for k in range(n - 2)]
            scene.mattes([replace(_box(h, w), points=clicks)], recrop=False)
    return feeds


def _box(h: int, w: int) -> Prompt:
    return Prompt(box=(0.2 * w, 0.1 * h, 0.85 * w, 0.95 * h))


@dataclass(frozen=True, eq=False)
class RecordingGraphs(OnnxGraphs):
    """Graphs that keep the inputs of each call before they compute.

    Attributes:
        feeds: for each graph's name, the inputs of the calls so far.
    """

    feeds: dict[str, list[Feed]] = field(default_factory=lambda: {graph.name: [] for graph in GRAPHS})

    def run(self, graph: Graph, values: Values, /) -> dict[str, Array]:
        """See `OnnxGraphs.run`."""
        read = [tensor.name for tensor in self.sessions[graph.name].get_inputs()]
        self.feeds[graph.name].append({name: to_numpy(values[name]) for name in read})
        return super().run(graph, values)
