"""Where each pixel's colour lies on the line between the colours of the object and of its surroundings close by.

Along hair and other fine edges that is almost the alpha itself, at full resolution, where the two differ.

Source: the matting equation I = alpha F + (1 - alpha) B solved for alpha, as in Ruzon and Tomasi 2000.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mam.nets.resample import resample

_NEAR = 9  # side of the window that colours are averaged over, in pixels of the mask
_REACH = 0.02  # how much a window about three times as wide counts beside it, which decides where the near one is empty
_NOISE = 0.05, 0.5  # squared distance of two colours below which a position is damped, and below which it is uncertain


def colour_line(image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """See the module's docstring.

    Args:
        image: (B, 3, 4h, 4w) float32, normalised, exactly zero where there is no picture.
        mask: (B, 1, h, w) float32, 0 or 1.

    Returns:
        position (B, 1, 4h, 4w) in [0, 1], 0 like the background, 1 like the object; certainty (B, 1, h, w) in [0, 1].
    """
    small = F.avg_pool2d(image, 4)
    smooth = F.avg_pool2d(mask, 5, 1, 2)
    inside = (2 * smooth - 1).relu()
    outside = (1 - 2 * smooth).relu() * (small != 0).any(1, keepdim=True)
    sums = torch.cat([small * inside, inside, small * outside, outside], 1)
    far = resample(F.avg_pool2d(F.avg_pool2d(sums, 4), 3, 1, 1), 4)
    sums = F.avg_pool2d(sums, _NEAR, 1, _NEAR // 2) + _REACH * far
    object_, surroundings = sums[:, 0:3] / (sums[:, 3:4] + 1e-5), sums[:, 4:7] / (sums[:, 7:8] + 1e-5)
    apart = object_ - surroundings
    distance = (apart * apart).sum(1, keepdim=True)
    known = torch.minimum(sums[:, 3:4], sums[:, 7:8])
    certainty = distance / (distance + _NOISE[1]) * known / (known + 1e-3)
    along = apart / (distance + _NOISE[0])
    line = resample(torch.cat([along, (surroundings * along).sum(1, keepdim=True)], 1), 4)
    position = (image * line[:, :3]).sum(1, keepdim=True) - line[:, 3:]
    return position.clamp(0, 1), certainty
