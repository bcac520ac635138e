"""Refinement: merges SAM's mask and three alphas into one alpha, in the original frame; it can be exported to ONNX.

Source: Li, Jain and Shi 2023, section 3.3; SHI-Labs/Matting-Anything, utils/util.py, `get_unknown_tensor_from_pred`.
"""

from __future__ import annotations

import functools
import itertools

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


def dilate(mask: Tensor, size: int) -> Tensor:
    """Dilate a mask by an ellipse, with the same result as cv2.dilate.

    Only bools are shifted and combined: a convolution takes five times as long in onnxruntime, and 16 times the memory.

    Args:
        mask: (B, 1, H, W) bool.
        size: 5 or 10 pixels.

    Returns:
        (B, 1, H, W) bool.
    """
    before, after = size // 2, size - 1 - size // 2  # OpenCV's anchor is at (size // 2, size // 2)
    padded = F.pad(mask, (before, after, before, after))
    parts = []
    # Rows of the ellipse with the same columns form a rectangle.
    for (first, last), group in itertools.groupby(range(size), key=_ELLIPSES[size].__getitem__):
        rows = list(group)
        part = _any_of_window(padded, last + 1 - first, 3)
        part = _shorten(part, first, size - 1 - last, 3)
        part = _shorten(part, rows[0], size - 1 - rows[-1], 2)
        parts.append(_any_of_window(part, len(rows), 2))
    return functools.reduce(torch.logical_or, parts)


def _any_of_window(mask: Tensor, size: int, axis: int) -> Tensor:
    """Return whether any of `size` pixels along an axis, from each on, is true; the axis is shorter by size - 1."""
    width = 1
    while width < size:
        step = min(width, size - width)
        mask = _shorten(mask, 0, step, axis) | _shorten(mask, step, 0, axis)
        width += step
    return mask


def _shorten(x: Tensor, start: int, end: int, axis: int) -> Tensor:
    """Cut off pixels at both ends of an axis of (B, 1, H, W)."""
    kept = [slice(None)] * 4
    kept[axis] = slice(start, -end if end else None)
    return x[tuple(kept)]


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
    band = dilate(mask, 5) & ~mask
    inside = _box_interior(binary)
    alpha = torch.where((band & mask_guidance) | (inside & ~mask_guidance), os8, binary)
    alpha = torch.where(_uncertain_band(alpha, 10), os4, alpha)
    return torch.where(_uncertain_band(alpha, 5), os1, alpha)


def _uncertain_band(alpha: Tensor, size: int) -> Tensor:
    """Return the pixels that are not foreground and lie within the dilation of all pixels that are not background."""
    return dilate(~(alpha < LOW), size) & ~(alpha > HIGH)


def _box_interior(binary: Tensor) -> Tensor:
    """Return the mask's bounding box without its last row and column, which the authors' slices exclude too.

    Args:
        binary: (B, 1, H, W) float32 of 0 and 1, the mask.
    """
    h, w = binary.shape[2:]
    # Matrix products count the pixels of each row and column; onnxruntime computes them faster than reductions.
    rows, columns = binary @ binary.new_ones(w, 1), binary.new_ones(1, h) @ binary
    return _after_first_before_last(rows, 2) & _after_first_before_last(columns, 3)


def _after_first_before_last(counts: Tensor, axis: int) -> Tensor:
    """Return where there are pixels here or before, and pixels after, along an axis."""
    hit = (counts > 0).to(counts.dtype)
    until = hit.cumsum(axis)
    return (until > 0) & (hit.sum(axis, keepdim=True) - until > 0)
