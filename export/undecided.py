"""Which pixels' alpha depends on a threshold that rounding decides: comparisons of two runtimes leave these out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from export.torch_graphs import as_tensor
from mam.model.frames import SIDE
from mam.model.steps import Values
from mam.nets.mam import MattingAnything
from mam.nets.refine import HIGH, LOW

ALPHA_ROUNDING = 3e-5
"""Of an alpha, between two runtimes that resize in another order; 2e-5 was the largest seen."""

LOGIT_ROUNDING = 1e-5
"""Of a logit, relative to the largest; 9.3e-6 was the largest seen."""

PLACE_ROUNDING = 1e-4
"""Of the place that resizing reads from, in pixels: float32 counts to 1024 in steps of 6e-5."""

# Distances in pixels. Refinement dilates three times, one after the other, by 2 + 5 + 2 from a mask and by 5 + 2 from
# an alpha; Mask-to-Matte reacts to a changed mask up to 12 low-resolution pixels away (48 of the input frame, three
# cells).
_MASK_REACH, _ALPHA_REACH, _NETWORK_REACH = 9, 7, 12


@dataclass(frozen=True)
class Undecided:
    """Undecided pixels of B mattes.

    Attributes:
        matte: (B, H, W) bool, for the matte graph alone on equal inputs: around each logit of the mask within
            rounding of 0, and each alpha within rounding of 1/255 or 254/255, as far as refinement's dilations reach.
        chain: (B, H, W) bool, for the whole chain, where the low-resolution logits differ by rounding too: these, and
            all that Mask-to-Matte computes near a low-resolution logit within rounding of 0.
    """

    matte: np.ndarray
    chain: np.ndarray


@torch.inference_mode()
def undecided_pixels(
    model: MattingAnything,
    image: np.ndarray,
    features: Values,
    mask_logits: np.ndarray,
    input_size: tuple[int, int],
    original_size: tuple[int, int],
) -> Undecided:
    """Find the pixels where alpha may differ between two correct runtimes by more than rounding.

    Args:
        model: in eval mode; the other arguments are the inputs of the matte graph.
        image: (1, 3, 1024, 1024) float32, input frame.
        features: the encoder's outputs.
        mask_logits: (B, 1, 256, 256) float32.
        input_size: (h, w) of the image in the input frame.
        original_size: (H, W).
    """
    low_res = as_tensor(mask_logits)
    sizes = torch.tensor(input_size), torch.tensor(original_size)
    logits, alphas = model.predict_alphas(as_tensor(image), as_tensor(features["image_embeddings"]), low_res, *sizes)
    slope = (F.max_pool2d(logits, 3, 1, 1) + F.max_pool2d(-logits, 3, 1, 1)) / 2  # logits per pixel
    near = _dilate(logits.abs() < LOGIT_ROUNDING * logits.abs().amax() + PLACE_ROUNDING * slope, _MASK_REACH)
    for threshold in (LOW, HIGH):
        doubtful = (torch.cat(alphas[:2], 1) - threshold).abs() < ALPHA_ROUNDING
        doubtful = doubtful.any(1, keepdim=True)
        near = near | _dilate(doubtful, _ALPHA_REACH)
    crossing = _dilate(low_res.abs() < LOGIT_ROUNDING * low_res.abs().amax(), _NETWORK_REACH)
    seen = F.interpolate(crossing.float(), SIDE, mode="nearest")[..., : input_size[0], : input_size[1]]
    seen = F.interpolate(seen, original_size, mode="nearest") > 0
    return Undecided(near[:, 0].numpy(), (near | seen)[:, 0].numpy())


def _dilate(pixels: Tensor, reach: int) -> Tensor:
    """(B, 1, H, W) bool, dilated by a square that reaches so far on every side."""
    return F.max_pool2d(pixels.float(), 2 * reach + 1, 1, reach) > 0
