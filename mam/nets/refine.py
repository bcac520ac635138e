"""Refinement: merge three alphas and SAM's mask into one, in the original frame, by operations that export to ONNX.

Source: Li, Jain and Shi 2023, section 3.3; SHI-Labs/Matting-Anything, utils/util.py, `get_unknown_tensor_from_pred`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

LOW = float(torch.tensor(1 / 255))
HIGH = float(torch.tensor(1 - 1 / 255))

# OpenCV's getStructuringElement(MORPH_ELLIPSE, (k, k)) as rows of (first, last) columns. The even one is asymmetric.
_ELLIPSES = {
    5: [(2, 2), (0, 4), (0, 4), (0, 4), (2, 2)],
    10: [(5, 5), (2, 8), (1, 9), *[(0, 9)] * 5, (1, 9), (2, 8)],
}


def ellipse(size: int) -> Tensor:
    """OpenCV's elliptic structuring element of 5 or 10 pixels, (size, size) float32 of 0 and 1."""
    columns = torch.arange(size)
    return torch.stack([((columns >= a) & (columns <= b)).float() for a, b in _ELLIPSES[size]])


def dilate(x: Tensor, size: int) -> Tensor:
    """Dilate (B, 1, H, W) float32 of 0 and 1 by `ellipse(size)` -> bool, equal to cv2.dilate."""
    before, after = size // 2, size - 1 - size // 2  # OpenCV's anchor is the element's pixel (size // 2, size // 2)
    padded = F.pad(x, (before, after, before, after))
    return F.conv2d(padded, ellipse(size).to(x).reshape(1, 1, size, size)) > 0


def refine(mask: Tensor, os8: Tensor, os4: Tensor, os1: Tensor, mask_guidance: Tensor) -> Tensor:
    """Merge coarse to fine: a finer alpha counts only in the uncertain band of the coarser result.

    Args:
        mask: (B, 1, H, W) bool, SAM's mask in the original frame.
        os8: (B, 1, H, W) float32 in [0, 1], the alpha at an output stride of 8, resized.
        os4: the same at a stride of 4.
        os1: the same at a stride of 1.
        mask_guidance: () bool. True ("mask", for one of several instances): start from the mask, os8 only in a thin
            band around it. False ("alpha", for the one object of a picture): start from os8 inside the mask's box.

    Returns:
        alpha (B, 1, H, W) float32.
    """
    solid = mask.to(os8.dtype)
    band = dilate(solid, 5) & ~mask
    from_mask = torch.where(band, os8, solid)
    from_alpha = torch.where(_inside_box(mask), os8, solid)
    alpha = torch.where(mask_guidance, from_mask, from_alpha)
    alpha = torch.where(_uncertain(alpha, 10), os4, alpha)
    return torch.where(_uncertain(alpha, 5), os1, alpha)


def _uncertain(alpha: Tensor, size: int) -> Tensor:
    """Pixels near something that is not background and that are not foreground themselves."""
    return dilate((~(alpha < LOW)).to(alpha.dtype), size) & ~(alpha > HIGH)


def _inside_box(mask: Tensor) -> Tensor:
    """Inside the mask's bounding box without its last row and column: the authors' slices end before them."""
    inside = torch.ones_like(mask)
    for axis in (2, 3):
        hit = mask.any(dim=5 - axis, keepdim=True).to(torch.float32)
        # Between the first and the last hit, the last excluded: some hit at or before, some hit strictly after.
        before = hit.cumsum(axis) > 0
        after = hit.sum(axis, keepdim=True) - hit.cumsum(axis) > 0
        inside = inside & before & after
    return inside
