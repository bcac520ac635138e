"""The torch network behind the interface of the exported graphs, so that `mam.Matting` can run it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mam.model.contract import IMAGE_ENCODER, InferencePolicy
from mam.model.runtime import Array, Features, to_numpy
from mam.nets.mam import MattingAnything


@dataclass(frozen=True)
class TorchGraphs:
    """A `mam.model.runtime.Graphs` that computes with torch, on the CPU.

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
    def encode(self, image: np.ndarray, /) -> dict[str, np.ndarray]:
        """See `Graphs.encode`."""
        values = self.model.sam.encode(torch.from_numpy(image))
        names = (tensor.name for tensor in IMAGE_ENCODER.outputs)
        return {name: value.numpy() for name, value in zip(names, values, strict=False)}

    @torch.inference_mode()
    def decode(
        self,
        features: Features,
        point_coords: np.ndarray,
        point_labels: np.ndarray,
        mask_input: np.ndarray,
        has_mask_input: np.ndarray,
        /,
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Graphs.decode`."""
        prompts = map(torch.from_numpy, (point_coords, point_labels, mask_input, has_mask_input))
        masks, scores = self.model.sam.predict_masks([*map(as_tensor, features.values())], *prompts)
        return masks.numpy(), scores.numpy()

    @torch.inference_mode()
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
        """See `Graphs.matte`."""
        alpha = self.model.matte(
            as_tensor(image),
            as_tensor(features["image_embeddings"]),
            as_tensor(mask_logits),
            torch.tensor(input_size),
            torch.tensor(original_size),
            torch.tensor(mask_guidance),
        )
        return alpha.numpy()


def as_tensor(values: Array) -> Tensor:
    """Return the same values as a tensor on the CPU."""
    return torch.from_numpy(np.ascontiguousarray(to_numpy(values)))
