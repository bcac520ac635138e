"""Boxes around masks: (x0, y0, x1, y1) in whole pixels; x1 and y1 are exclusive, as in `mask[y0:y1, x0:x1]`."""

from __future__ import annotations

from dataclasses import dataclass

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


def pad_box(box: PixelBox, by: int | tuple[int, int, int, int], size: tuple[int, int]) -> PixelBox:
    """Enlarge a box by some pixels on every side, or at its left, top, right and bottom, clipped to an (H, W)."""
    (x0, y0, x1, y1), (h, w) = box, size
    left, top, right, bottom = (by,) * 4 if isinstance(by, int) else by
    return max(0, x0 - left), max(0, y0 - top), min(w, x1 + right), min(h, y1 + bottom)


@dataclass(frozen=True, eq=False)
class Patch:
    """An array of an image's size that is zero outside a box, of which only the box is stored.

    Attributes:
        values: (h, w), the array inside the box.
        box: the box.
        size: (H, W) of the image.
    """

    values: np.ndarray
    box: PixelBox
    size: tuple[int, int]

    @classmethod
    def of(cls, array: np.ndarray) -> Patch:
        """Store an (H, W) array."""
        x0, y0, x1, y1 = box = mask_bounds(array != 0) or (0, 0, 0, 0)
        return cls(array[y0:y1, x0:x1].copy(), box, (array.shape[0], array.shape[1]))

    def full(self) -> np.ndarray:
        """Return the (H, W) array."""
        array = np.zeros(self.size, self.values.dtype)
        x0, y0, x1, y1 = self.box
        array[y0:y1, x0:x1] = self.values
        return array

    @property
    def nbytes(self) -> int:
        """Memory of the stored values."""
        return self.values.nbytes
