"""Where the head of a person is, from the outline alone."""

from __future__ import annotations

import numpy as np

from mam.images.boxes import PixelBox

_NECK = 0.8  # greatest width of a neck, as a fraction of the head's
_SHOULDERS = 1.2  # least width of shoulders, as a multiple of the neck's
_HEIGHT = 0.55  # height of a head with a hidden neck, as a fraction of the shoulders' width


def find_head(mask: np.ndarray) -> PixelBox:
    """Return the box around a head and its hair, for a person who stands or sits upright.

    From the top, rows get wider, then narrower at the neck, then wider at the shoulders. Where hair hides the neck, the
    height follows from the shoulders' width.

    Args:
        mask: (H, W) bool, not empty.
    """
    rows = np.flatnonzero(mask.any(1))
    top, end = int(rows[0]), int(rows[-1]) + 1
    counts = mask[top:end].sum(1).astype(np.float64)
    window = max(1, len(counts) // 40)
    widths = np.convolve(np.pad(counts, window, "edge"), np.ones(2 * window + 1) / (2 * window + 1), "valid")
    height = _neck(widths) or max(1, min(len(widths), round(_HEIGHT * widths.max())))
    columns = np.flatnonzero(mask[top : top + height].any(0))
    return int(columns[0]), top, int(columns[-1]) + 1, top + height


def _neck(widths: np.ndarray) -> int:
    """Return the row of the neck; 0 if there is none."""
    head = np.maximum.accumulate(widths)
    for y in np.flatnonzero(widths < _NECK * head):
        rest = widths[y:]
        wider = np.flatnonzero(rest > _SHOULDERS * np.minimum.accumulate(rest))
        if len(wider):
            return int(y + np.argmin(rest[: wider[0] + 1]))
    return 0
