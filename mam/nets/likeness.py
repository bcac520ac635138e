"""How much each pixel looks like the object rather than like what is not, wherever in the picture it lies.

A mask at a quarter of the resolution fills small gaps and loses thin structures. Where object and background differ in
colour, colour histograms counted by the mask show both. Narrow bins separate similar colours better, and more of them
are needed.

Source: after Rother, Kolmogorov and Blake 2004, "GrabCut", with soft bins as in `mam.nets.evidence`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

BROAD = (
    25,
    12.0,
)  # pixels between those whose colours are the bins, and how fast a bin ends with the distance of colours
NARROW = 5, 32.0  # of a picture `in_steps` and then half as large


def in_steps(picture: Tensor) -> Tensor:
    """Round colours to steps of half a level of brightness.

    Squares of means of four such colours, and their products with powers of 2, are exact in float32. In narrow bins
    most digits of a distance cancel out.
    """
    return (128 * picture).round() / 128


def palette(picture: Tensor, mask: Tensor, step: int, sharp: float) -> tuple[Tensor, Tensor]:
    """Some of a picture's own colours, and whose they are.

    Args:
        picture: (B or 1, 3, h, w) float32, normalised, exactly zero where there is none.
        mask: (B, 1, h, w) float32 from 0 to 1.
        step: of `BROAD` or `NARROW`; h and w are more than half a step.
        sharp: of the same.

    Returns:
        Both are for `likeness`: colours (B or 1, 4, M), ready to be multiplied; and (B, M, 1) from -1, background, to
        1, object, nearer to 0 the less the colours of the two differ in this image.
    """
    middles = sharp * picture[:, :, step // 2 :: step, step // 2 :: step].flatten(2)
    # Less half the squared distance, but for what is the same in all bins.
    bias = -(middles * middles).sum(1, keepdim=True) / 2
    colours = torch.cat([sharp * middles, bias], 1)
    bins = _bins(picture, colours)
    there = (picture != 0).any(1, keepdim=True).to(picture.dtype)
    weights = torch.cat([mask * there, (1 - mask) * there], 1)  # (B, 2, h, w), inside and outside
    total = _sum(weights).unsqueeze(2) + 1  # (B, 2, 1)
    # Row by row of the picture first: a sum of so many loses digits.
    rows = weights.transpose(1, 2) @ bins.reshape(bins.shape[0], -1, picture.shape[3], bins.shape[2])  # (B, h, 2, M)
    object_, surroundings = ((rows.sum(1) + 0.02) / total).split(1, 1)
    whose = (2 * object_ / (object_ + surroundings) - 1).transpose(1, 2)  # (B, M, 1)
    seen = (bins @ whose).reshape(-1, 1, *picture.shape[2:])
    inside, outside = (_sum(seen * weights).unsqueeze(2) / total).split(1, 1)
    return colours, whose * ((inside - outside) / 2).clamp(0, 1)


def likeness(picture: Tensor, colours: Tensor, whose: Tensor) -> Tensor:
    """See the module's docstring.

    Args:
        picture: (B or 1, 3, h, w), that of the palette or a part of it, in any size.
        colours: from `palette`.
        whose: from `palette`.

    Returns:
        (B, 1, h, w) from -1 to 1; 0 where colours do not tell.
    """
    there = (picture != 0).any(1, keepdim=True).to(picture.dtype)
    looks = (_bins(picture, colours) @ whose).transpose(1, 2)
    return looks.reshape(-1, 1, *picture.shape[2:]) * there


def _bins(picture: Tensor, colours: Tensor) -> Tensor:
    """How far each of N pixels falls into each of M bins, (b, N, M), sums over M are 1."""
    pixels = F.pad(picture.flatten(2), (0, 0, 0, 1), value=1.0)
    return (pixels.transpose(1, 2) @ colours).softmax(-1)


def _sum(x: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, C), rows first."""
    return x.sum(3).sum(2)
