"""The three steps of the model, written once above `Graphs.run`: encode an image, decode prompts, compute mattes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from mam.model import contract


class DeviceArray(Protocol):
    """An array in the memory of a device, such as `onnxruntime.OrtValue`."""

    def numpy(self) -> np.ndarray:
        """Copy it to main memory."""


Array = np.ndarray | DeviceArray
"""An array in main memory, or left in the memory of the GPU."""

Values = Mapping[str, Array]
"""Inputs or outputs of a graph by the contract's names. The encoder's outputs for one image, `image_embeddings`
(1, 256, 64, 64) float32 and the high-resolution features of a variant that has them, are passed on as they are."""


class Graphs(Protocol):
    """A model: three graphs, whatever runs them. `OnnxGraphs` is one; others run on a server or in torch.

    Attributes:
        variant: the model's name.
        folder: where the graphs were loaded from.
        provider: the execution provider that runs them.
        note: a sentence that explains the choice of provider; empty if it needs none.
        policy: the crops and the mask candidates that the model was made for.
    """

    @property
    def variant(self) -> str: ...  # noqa: D102 - described above, as are the next four

    @property
    def folder(self) -> Path: ...  # noqa: D102

    @property
    def provider(self) -> str: ...  # noqa: D102

    @property
    def note(self) -> str: ...  # noqa: D102

    @property
    def policy(self) -> contract.InferencePolicy: ...  # noqa: D102

    def run(self, graph: contract.Graph, values: Values, /) -> Values:
        """Run one graph.

        Args:
            graph: one of `contract.GRAPHS`.
            values: its inputs, and others, which are ignored.

        Returns:
            Its outputs.
        """


def to_numpy(values: Array) -> np.ndarray:
    """Copy an array to main memory if it is not there already."""
    return values if isinstance(values, np.ndarray) else values.numpy()


def encode(graphs: Graphs, image: np.ndarray) -> Values:
    """Encode an image, (1, 3, 1024, 1024) float32, input frame; the outputs stay on the GPU if that runs the graphs."""
    return graphs.run(contract.IMAGE_ENCODER, {"image": image})


def decode(
    graphs: Graphs,
    features: Values,
    point_coords: np.ndarray,
    point_labels: np.ndarray,
    mask_input: np.ndarray,
    has_mask_input: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Answer B prompts for one image.

    Args:
        graphs: the model.
        features: from `encode`.
        point_coords: (B, N, 2) float32, x and y in the input frame.
        point_labels: (B, N) float32, see `contract.POINT_LABELS`.
        mask_input: (B, 1, 256, 256) float32 logits.
        has_mask_input: (B,) float32, 1 where `mask_input` counts, else 0.

    Returns:
        `low_res_masks` (B, 4, 256, 256) float32 logits and `iou_predictions` (B, 4) float32.
    """
    prompts = {
        "point_coords": point_coords,
        "point_labels": point_labels,
        "mask_input": mask_input,
        "has_mask_input": has_mask_input,
    }
    found = graphs.run(contract.MASK_DECODER, {**features, **prompts})
    return to_numpy(found["low_res_masks"]), to_numpy(found["iou_predictions"])


def matte(
    graphs: Graphs,
    image: np.ndarray,
    features: Values,
    mask_logits: np.ndarray,
    input_size: tuple[int, int],
    original_size: tuple[int, int],
    mask_guidance: bool,
) -> np.ndarray:
    """Compute the mattes of B masks of one image.

    Args:
        graphs: the model.
        image: as for `encode`; not read where `features` hold it already, on the GPU.
        features: from `encode`.
        mask_logits: (B, 1, 256, 256) float32.
        input_size: (h, w) of the unpadded image in the input frame.
        original_size: (H, W) of the result.
        mask_guidance: whether refinement starts from the mask instead of the coarsest alpha.

    Returns:
        (B, 1, H, W) float32 in [0, 1], original frame.
    """
    inputs = {
        "image": image,
        "mask_logits": mask_logits,
        "input_size": np.asarray(input_size, np.int64),
        "original_size": np.asarray(original_size, np.int64),
        "mask_guidance": np.asarray(mask_guidance),
    }
    return to_numpy(graphs.run(contract.MATTE, {**inputs, **features})["alpha"])
