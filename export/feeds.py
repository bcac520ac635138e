"""Inputs of the graphs as the library feeds them, recorded on photographs: for calibration and for measuring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mam.contract import GRAPHS, IMAGE_ENCODER, MASK_DECODER, MATTE, Graph, InferencePolicy
from mam.images import open_photo
from mam.matting import Matting
from mam.prompts import Prompt
from mam.runtime import Embeddings, Graphs, load_graphs, to_numpy

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
    recording = RecordingGraphs(load_graphs(folder, "cpu"))
    for path in images:
        scene = Matting(recording).open(open_photo(path).pixels)
        h, w = scene.photo.size
        for prompt in (Prompt(box=(0.2 * w, 0.1 * h, 0.85 * w, 0.95 * h)), Prompt(points=[(w / 2, h / 2)])):
            scene.mattes([prompt], recrop=False)
    return recording.feeds


@dataclass(frozen=True, eq=False)
class RecordingGraphs:
    """A `mam.runtime.Graphs` that keeps the inputs of each call before it passes them on.

    Attributes:
        graphs: the graphs that compute.
        feeds: for each graph's name, the inputs of the calls so far.
    """

    graphs: Graphs
    feeds: dict[str, list[Feed]] = field(default_factory=lambda: {graph.name: [] for graph in GRAPHS})

    @property
    def variant(self) -> str:
        """The model's name."""
        return self.graphs.variant

    @property
    def folder(self) -> Path:
        """Where the graphs came from."""
        return self.graphs.folder

    @property
    def provider(self) -> str:
        """The execution provider that runs them."""
        return self.graphs.provider

    @property
    def note(self) -> str:
        """Why that provider."""
        return self.graphs.note

    @property
    def policy(self) -> InferencePolicy:
        """The crops and the mask candidates that the model was made for."""
        return self.graphs.policy

    def encode(self, image: np.ndarray, /) -> Embeddings:
        """`image` -> `image_embeddings`."""
        self._keep(IMAGE_ENCODER, image)
        return self.graphs.encode(image)

    def decode(
        self,
        image_embeddings: Embeddings,
        point_coords: np.ndarray,
        point_labels: np.ndarray,
        mask_input: np.ndarray,
        has_mask_input: np.ndarray,
        /,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Embeddings and prompts -> `low_res_masks` and `iou_predictions`."""
        prompts = (point_coords, point_labels, mask_input, has_mask_input)
        self._keep(MASK_DECODER, image_embeddings, *prompts)
        return self.graphs.decode(image_embeddings, *prompts)

    def matte(
        self,
        image: np.ndarray,
        image_embeddings: Embeddings,
        mask_logits: np.ndarray,
        input_size: tuple[int, int],
        original_size: tuple[int, int],
        mask_guidance: bool,
        /,
    ) -> np.ndarray:
        """Masks -> `alpha`."""
        sizes = np.asarray(input_size, np.int64), np.asarray(original_size, np.int64)
        self._keep(MATTE, image, image_embeddings, mask_logits, *sizes, np.asarray(mask_guidance))
        return self.graphs.matte(image, image_embeddings, mask_logits, input_size, original_size, mask_guidance)

    def _keep(self, graph: Graph, *values: Embeddings) -> None:
        arrays = [to_numpy(value) for value in values]
        names = [tensor.name for tensor in graph.inputs]
        self.feeds[graph.name].append(dict(zip(names, arrays, strict=True)))
