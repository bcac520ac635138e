"""Inputs of the graphs as the library feeds them, recorded on photographs: for calibration and for measuring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mam.contract import GRAPHS, Graph
from mam.images import open_photo
from mam.matting import Matting
from mam.prompts import Prompt
from mam.runtime import DeviceArray, Features, OnnxGraphs, load_graphs, to_numpy

Feed = dict[str, np.ndarray]
"""The inputs of one call, by the contract's names."""


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
        for prompt in (Prompt(box=(0.2 * w, 0.1 * h, 0.85 * w, 0.95 * h)), Prompt(points=[(w / 2, h / 2)])):
            scene.mattes([prompt], recrop=False)
    return recording.feeds


@dataclass(frozen=True, eq=False)
class RecordingGraphs(OnnxGraphs):
    """Graphs that keep the inputs of each call before they compute.

    Attributes:
        feeds: for each graph's name, the inputs of the calls so far.
    """

    feeds: dict[str, list[Feed]] = field(default_factory=lambda: {graph.name: [] for graph in GRAPHS})

    def run(self, graph: Graph, values: Features) -> dict[str, DeviceArray]:
        """See `OnnxGraphs.run`."""
        read = [tensor.name for tensor in self.sessions[graph.name].get_inputs()]
        self.feeds[graph.name].append({name: to_numpy(values[name]) for name in read})
        return super().run(graph, values)
