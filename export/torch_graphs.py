"""The torch network behind the interface of the exported graphs, so that `mam.Matting` can run it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mam.model.contract import IMAGE_ENCODER, MASK_DECODER, Graph, InferencePolicy
from mam.model.steps import Array, Values, to_numpy
from mam.nets.mam import MattingAnything


@dataclass(frozen=True)
class TorchGraphs:
    """A `mam.model.steps.Graphs` that computes with torch, on the CPU.

    Attributes:
        model: in eval mode.
    """

    model: MattingAnything

    folder, provider, note = Path(), "torch", ""

    @property
    def variant(self) -> str:
        """The model's name."""
        return self.model.variant.name

    @property
    def policy(self) -> InferencePolicy:
        """The crops and the mask candidates that the model was made for."""
        return self.model.variant.policy

    @torch.inference_mode()
    def run(self, graph: Graph, values: Values, /) -> dict[str, np.ndarray]:
        """See `Graphs.run`."""
        known = graph.having(values.keys() | {tensor.name for tensor in graph.outputs})
        tensors = [as_tensor(values[tensor.name]) for tensor in known.inputs]
        sam = self.model.sam
        if graph == IMAGE_ENCODER:
            outputs = sam.encode(*tensors)
        elif graph == MASK_DECODER:
            prompts = [tensor.name for tensor in known.inputs].index("point_coords")
            outputs = sam.predict_masks(tensors[:prompts], *tensors[prompts:])
        else:
            outputs = (self.model.matte(*tensors),)
        return {tensor.name: output.numpy() for tensor, output in zip(graph.outputs, outputs, strict=False)}


def as_tensor(values: Array) -> Tensor:
    """Return the same values as a tensor on the CPU."""
    return torch.from_numpy(np.ascontiguousarray(to_numpy(values)))
