"""How much each pixel looks like the object rather than like what is not, wherever in the picture it lies.

A mask at a quarter of the resolution fills the gaps between leaves and loses what is thin. Where colours tell object from
surroundings at all, they show both: which colours are whose is counted by the mask, which is right nearly everywhere.

Source: after Rother, Kolmogorov and Blake 2004, "GrabCut", with soft bins as in `mam.nets.evidence`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_STEP = 25  # pixels of the mask between those whose colours are the bins
_SHARP = 12.0  # how fast likeness falls with the distance of colours


def palette(image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Some of the picture's own colours, and whose they are.

    Args:
        image: (1, 3, 4h, 4w) float32, normalised, exactly zero where there is no picture; h, w at least 13.
        mask: (B, 1, h, w) float32, 0 or 1.

    Returns:
        colours (1, 3, M), and from -1, of the surroundings, to 1, of the object, (B, M, 1); nearer to 0 the less colours tell
        the two apart in this picture.
    """
    small = F.avg_pool2d(image, 4)
    colours = small[:, :, _STEP // 2 :: _STEP, _STEP // 2 :: _STEP].flatten(2)
    bins = _bins(small, colours)
    there = (small != 0).any(1, keepdim=True).to(image.dtype)
    inside, outside = (weights.flatten(2) for weights in (mask * there, (1 - mask) * there))
    object_, surroundings = ((weights @ bins + 0.02) / (weights.sum(2, keepdim=True) + 1) for weights in (inside, outside))
    whose = (2 * object_ / (object_ + surroundings) - 1).transpose(1, 2)  # (B, M, 1)
    seen = (bins @ whose).transpose(1, 2)
    shares = (weights / (weights.sum(2, keepdim=True) + 1) for weights in (inside, outside))
    mean_inside, mean_outside = ((seen * share).sum(2, keepdim=True) for share in shares)
    return colours, whose * ((mean_inside - mean_outside) / 2).clamp(0, 1)


def likeness(image: Tensor, colours: Tensor, whose: Tensor) -> Tensor:
    """See the module's docstring.

    Args:
        image: (1, 3, 2h, 2w), the picture of the palette or a part of it. colours, whose: from `palette`.

    Returns:
        (B, 1, h, w) from -1 to 1; 0 where colours do not tell.
    """
    half = F.avg_pool2d(image, 2)
    there = (half != 0).any(1, keepdim=True).to(image.dtype)
    looks = (_bins(half, colours) @ whose).transpose(1, 2)
    return looks.reshape(-1, 1, *half.shape[2:]) * there


def _bins(picture: Tensor, colours: Tensor) -> Tensor:
    """How far each of N pixels falls into each of M bins, (1, N, M), sums over M are 1."""
    middles = _SHARP * colours
    # Less half the squared distance, but for what is the same in all bins.
    bias = -(middles * middles).sum(1, keepdim=True) / 2
    pixels = F.pad(_SHARP * picture.flatten(2), (0, 0, 0, 1), value=1.0)
    return (pixels.transpose(1, 2) @ torch.cat([middles, bias], 1)).softmax(-1)
