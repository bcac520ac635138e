"""Refinement: merges SAM's mask and three alphas into one alpha, in the original frame; it can be exported to ONNX.

Source: Li, Jain and Shi 2023, section 3.3; SHI-Labs/Matting-Anything, utils/util.py, `get_unknown_tensor_from_pred`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

LOW = float(torch.tensor(1 / 255))
HIGH = float(torch.tensor(1 - 1 / 255))

# OpenCV's getStructuringElement(MORPH_ELLIPSE, (k, k)): first and last column of each row. k = 10 is asymmetric.
_ELLIPSES = {
    5: [(2, 2), (0, 4), (0, 4), (0, 4), (2, 2)],
    10: [(5, 5), (2, 8), (1, 9), *[(0, 9)] * 5, (1, 9), (2, 8)],
}


def ellipse(size: int) -> Tensor:
    """Return OpenCV's elliptic structuring element.

    Args:
        size: 5 or 10 pixels.

    Returns:
        (size, size) float32 of 0 and 1.
    """
    columns = torch.arange(size)
    return torch.stack([((columns >= a) & (columns <= b)).float() for a, b in _ELLIPSES[size]])


def dilate(x: Tensor, size: int) -> Tensor:
    """Dilate a mask by `ellipse(size)`, with the same result as cv2.dilate.

    Args:
        x: (B, 1, H, W) float32 of 0 and 1.
        size: 5 or 10 pixels.

    Returns:
        (B, 1, H, W) bool.
    """
    before, after = size // 2, size - 1 - size // 2  # OpenCV's anchor is at (size // 2, size // 2)
    padded = F.pad(x, (before, after, before, after))
    return F.conv2d(padded, ellipse(size).to(x).reshape(1, 1, size, size)) > 0


def refine(mask: Tensor, os8: Tensor, os4: Tensor, os1: Tensor, mask_guidance: Tensor) -> Tensor:
    """Merge alphas from coarse to fine: a finer one replaces the coarser result in its uncertain band.

    Args:
        mask: (B, 1, H, W) bool, SAM's mask in the original frame.
        os8: (B, 1, H, W) float32 in [0, 1], the alpha at an output stride of 8, resized to the original frame.
        os4: the same at an output stride of 4.
        os1: the same at an output stride of 1.
        mask_guidance: () bool. True ("mask", for one of several instances) starts from the mask and uses os8 in a thin
            band around it. False ("alpha", for the one object of an image) starts from os8 inside the mask's box.

    Returns:
        alpha (B, 1, H, W) float32 in [0, 1].
    """
    binary = mask.to(os8.dtype)
    band = dilate(binary, 5) & ~mask
    from_mask = torch.where(band, os8, binary)
    from_alpha = torch.where(_box_interior(mask), os8, binary)
    alpha = torch.where(mask_guidance, from_mask, from_alpha)
    alpha = torch.where(_uncertain_band(alpha, 10), os4, alpha)
    return torch.where(_uncertain_band(alpha, 5), os1, alpha)


def _uncertain_band(alpha: Tensor, size: int) -> Tensor:
    """Return the pixels that are not foreground and lie within the dilation of those that are not background."""
    return dilate((~(alpha < LOW)).to(alpha.dtype), size) & ~(alpha > HIGH)


def _box_interior(mask: Tensor) -> Tensor:
    """Return the mask's bounding box without its last row and column, which the authors' slices exclude too."""
    inside = torch.ones_like(mask)
    for axis in (2, 3):
        hit = mask.any(dim=5 - axis, keepdim=True).to(torch.float32)
        # A row or column is inside if the mask has pixels in it or before it, and in one after it.
        before = hit.cumsum(axis) > 0
        after = hit.sum(axis, keepdim=True) - hit.cumsum(axis) > 0
        inside = inside & before & after
    return inside
