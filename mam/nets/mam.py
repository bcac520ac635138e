"""Matting Anything (MAM) in torch: SAM's embedding and mask, M2M's three alphas, refinement.

This file is the place to start reading `mam.nets`. It is used for training, export and comparisons; applications use
`mam.Matting`, which runs the exported graphs.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mam.model.frames import SIDE
from mam.model.variants import Variant
from mam.nets.build import build_m2m, build_sam
from mam.nets.m2m import fold_spectral_norm
from mam.nets.refine import refine
from mam.nets.resample import resample
from mam.nets.sam import CELL


class MattingAnything(nn.Module):
    """SAM, M2M and refinement.

    Args:
        variant: the sizes of SAM and M2M.
    """

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.variant = variant
        self.sam = build_sam(variant)
        self.m2m = build_m2m(variant)

    def forward(
        self,
        image: Tensor,
        point_coords: Tensor,
        point_labels: Tensor,
        input_size: Tensor,
        original_size: Tensor,
        mask_guidance: Tensor,
    ) -> Tensor:
        """Predict B alphas at the original size from one normalised image and B prompts.

        Args:
            image: (1, 3, 1024, 1024) float32; see `mam.model.frames`.
            point_coords: (B, N, 2) float32, x and y in the input frame; see `Sam.embed_prompts`.
            point_labels: (B, N) float32; see `Sam.embed_prompts`.
            input_size: (2,) int64, (h, w) of the image in the input frame.
            original_size: (2,) int64, (H, W) of the image in the original frame.
            mask_guidance: () bool; see `mam.nets.refine.refine`.

        Returns:
            alpha (B, 1, H, W) float32 in [0, 1].
        """
        features = self.sam.encode(image)
        b, side = len(point_coords), 4 * features[0].shape[-1]
        none, no = image.new_zeros(b, 1, side, side), image.new_zeros(b)
        masks, quality = self.sam.predict_masks(features, point_coords, point_labels, none, no)
        return self.matte(
            image, features[0], self.sam.select_single_mask(masks, quality), input_size, original_size, mask_guidance
        )

    def matte(
        self,
        image: Tensor,
        image_embeddings: Tensor | None,
        mask_logits: Tensor,
        input_size: Tensor,
        original_size: Tensor,
        mask_guidance: Tensor,
    ) -> Tensor:
        """Predict B alphas from B masks; M2M runs on a crop around the masks, which changes results by rounding only.

        Args:
            image: (1, 3, 1024, 1024) float32, normalised.
            image_embeddings: (1, 256, 64, 64) float32; None for an M2M that does not use them.
            mask_logits: (B, 1, 256, 256) float32, of the chosen candidates.
            input_size: (2,) int64, as in `forward`.
            original_size: (2,) int64, as in `forward`.
            mask_guidance: () bool, as in `forward`.

        Returns:
            alpha (B, 1, H, W) float32 in [0, 1]; zero where a mask is empty.
        """
        logits, alphas = self.predict_alphas(image, image_embeddings, mask_logits, input_size, original_size)
        os8, os4, os1 = alphas
        return refine(logits > 0, os8, os4, os1, mask_guidance)

    def predict_alphas(
        self,
        image: Tensor,
        image_embeddings: Tensor | None,
        mask_logits: Tensor,
        input_size: Tensor,
        original_size: Tensor,
    ) -> tuple[Tensor, list[Tensor]]:
        """Compute the inputs of refinement, at the original size; arguments as for `matte`.

        Returns:
            SAM's logits, and alpha_os8, alpha_os4, alpha_os1, all (B, 1, H, W) float32.
        """
        b = mask_logits.shape[0]
        h, w = input_size[0], input_size[1]
        size = (original_size[0], original_size[1])
        y0, y1, x0, x1 = crop_cells((mask_logits > 0).any(0, keepdim=True), self.m2m.margin)
        crop = image[:, :, y0 * CELL : y1 * CELL, x0 * CELL : x1 * CELL].expand(b, -1, -1, -1)
        inputs: tuple[Tensor, ...] = crop, mask_logits[:, :, y0 * 4 : y1 * 4, x0 * 4 : x1 * 4]
        if self.m2m.uses_embeddings:
            assert image_embeddings is not None
            inputs = image_embeddings[:, :, y0:y1, x0:x1].expand(b, -1, -1, -1), *inputs
        # The alphas are channels of one tensor, which is padded and cropped once.
        alphas = torch.cat(self.m2m(*inputs), dim=1)
        cells = SIDE // CELL
        padding = (x0 * CELL, (cells - x1) * CELL, y0 * CELL, (cells - y1) * CELL)
        alphas = F.pad(alphas, padding)  # type: ignore[arg-type]  # tensors, so that a trace stays dynamic
        return to_original_frame(mask_logits, alphas, (h, w), size)

    def with_folded_spectral_norm(self) -> MattingAnything:
        """Copy the network with plain convolutions in M2M, for inference and export; both share SAM."""
        folded = copy.copy(self)
        folded._modules = self._modules | {"m2m": fold_spectral_norm(self.m2m)}
        return folded


def to_original_frame(
    mask_logits: Tensor, alphas: Tensor, input_size: tuple[Tensor, Tensor], original_size: tuple[Tensor, Tensor]
) -> tuple[Tensor, list[Tensor]]:
    """Take SAM's logits and M2M's alphas from the input frame to the original one, bilinearly.

    Args:
        mask_logits: (B, 1, 256, 256) float32.
        alphas: (B, 3, 1024, 1024) float32.
        input_size: h and w, () int64, of the image in the input frame.
        original_size: H and W, likewise, in the original frame.

    Returns:
        The logits, and the three alphas, all (B, 1, H, W).
    """
    h, w = input_size
    alphas = alphas[:, :, :h, :w]
    logits = _resize(resample(mask_logits, 4)[:, :, :h, :w], original_size)
    # Resized one by one, so that onnxruntime has no more of them in memory than refinement needs at a time.
    return logits, [_resize(alphas[:, i : i + 1], original_size) for i in range(3)]


def _resize(x: Tensor, size: tuple[Tensor, Tensor]) -> Tensor:
    """Resize (B, C, h, w) to (B, C, *size), bilinear."""
    return F.interpolate(x, size, mode="bilinear", align_corners=False)  # type: ignore[arg-type]  # tensors, as above


def crop_cells(mask: Tensor, margin: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the crop around a mask, in cells of the embedding.

    Args:
        mask: (1, 1, 256, 256) bool. An empty mask gives a small crop without meaning.
        margin: cells on each side of the mask.

    Returns:
        y0, y1, x0, x1 as int64 scalars, ends exclusive.
    """
    cells = F.max_pool2d(mask.float(), 4)
    sides = []
    for axis in (3, 2):  # the maximum over columns gives rows, that over rows gives columns
        hit = cells.amax(axis).flatten()
        first = hit.argmax()
        last = len(hit) - 1 - hit.flip(0).argmax()
        sides += [(first - margin).clamp(min=0), (last + 1 + margin).clamp(max=len(hit))]
    return sides[0], sides[1], sides[2], sides[3]
