"""Boxes around masks: (x0, y0, x1, y1) in whole pixels; x1 and y1 are exclusive, as in `mask[y0:y1, x0:x1]`."""

from __future__ import annotations

import numpy as np

PixelBox = tuple[int, int, int, int]


def mask_bounds(mask: np.ndarray) -> PixelBox | None:
    """Return the smallest box that contains every true pixel of a mask.

    Args:
        mask: (H, W) bool.

    Returns:
        (x0, y0, x1, y1), ends exclusive; None for an empty mask.
    """
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(ys):
        return None
    return int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1


def full_box(size: tuple[int, int]) -> PixelBox:
    """Return the box around a whole image of this (H, W)."""
    return 0, 0, size[1], size[0]


def pad_box(box: PixelBox, by: int, size: tuple[int, int]) -> PixelBox:
    """Enlarge a box by some pixels on every side, clipped to an image of this (H, W)."""
    x0, y0, x1, y1 = box
    h, w = size
    return max(0, x0 - by), max(0, y0 - by), min(w, x1 + by), min(h, y1 + by)
