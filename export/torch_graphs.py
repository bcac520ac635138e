"""The torch network behind the interface of the exported graphs, so that `mam.Matting` can run it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mam.contract import InferencePolicy
from mam.nets.mam import MattingAnything
from mam.runtime import Embeddings, to_numpy


@dataclass(frozen=True)
class TorchGraphs:
    """A `mam.runtime.Graphs` that computes with torch, on the CPU.

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
    def encode(self, image: np.ndarray, /) -> np.ndarray:
        """`image` -> `image_embeddings`, as `mam.contract` defines them."""
        return self.model.sam.image_encoder(torch.from_numpy(image)).numpy()

    @torch.inference_mode()
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
        prompts = map(torch.from_numpy, (point_coords, point_labels, mask_input, has_mask_input))
        masks, scores = self.model.sam.predict_masks(as_tensor(image_embeddings), *prompts)
        return masks.numpy(), scores.numpy()

    @torch.inference_mode()
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
        alpha = self.model.matte(
            as_tensor(image),
            as_tensor(image_embeddings),
            as_tensor(mask_logits),
            torch.tensor(input_size),
            torch.tensor(original_size),
            torch.tensor(mask_guidance),
        )
        return alpha.numpy()


def as_tensor(values: Embeddings) -> Tensor:
    """Return the same values as a tensor on the CPU."""
    return torch.from_numpy(np.ascontiguousarray(to_numpy(values)))
