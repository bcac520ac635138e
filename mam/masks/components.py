"""Connected regions of a mask, in numpy."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from mam.images.boxes import PixelBox, mask_bounds

_GRID = 256  # longest side of the mask in which islands are found
_ISLAND = 0.1  # of the mask's area
_GAP = 5  # in pixels of that mask, between separate objects


def label_regions(mask: np.ndarray) -> np.ndarray:
    """Number the connected regions of a mask; pixels are connected by their sides.

    Args:
        mask: (H, W) bool.

    Returns:
        (H, W) int32: 0 outside the mask, 1, 2, ... in its regions.
    """
    h, w = mask.shape
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    first_of_row = np.searchsorted(rows, np.arange(h + 1))
    parent = list(range(len(rows)))

    def find(run: int) -> int:
        while parent[run] != run:
            parent[run] = parent[parent[run]]
            run = parent[run]
        return run

    begin, end = starts.tolist(), ends.tolist()
    for row in range(1, h):  # join the runs of pixels of neighbouring rows that touch
        above, below = first_of_row[row - 1], first_of_row[row]
        last_above, last_below = below, first_of_row[row + 1]
        while above < last_above and below < last_below:
            if begin[above] < end[below] and begin[below] < end[above]:
                parent[find(below)] = find(above)
            if end[above] < end[below]:
                above += 1
            else:
                below += 1
    roots = np.array([find(run) for run in range(len(rows))], np.int64)
    numbers = np.unique(roots, return_inverse=True)[1].astype(np.int32) + 1
    labels = np.zeros((h, w), np.int32)
    for row, start, stop, number in zip(rows.tolist(), begin, end, numbers.tolist(), strict=True):
        labels[row, start:stop] = number
    return labels


def bounds_without_islands(mask: np.ndarray) -> PixelBox | None:
    """Return the smallest box around a mask without its islands, the regions under a tenth of it.

    Pixels are sampled, at most 256 along the longest side, so the box may be off by the distance between them.

    Args:
        mask: (H, W) bool.

    Returns:
        (x0, y0, x1, y1), ends exclusive; around all regions if every one is so small; None for an empty mask.
    """
    (h, w), step = mask.shape, max(1, -(-max(mask.shape) // _GRID))
    labels = label_regions(mask[::step, ::step])
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    is_kept = areas >= _ISLAND * max(1, areas.sum())
    bounds = mask_bounds(is_kept[labels])
    if bounds is None:
        return mask_bounds(mask)
    x0, y0, x1, y1 = (side * step for side in bounds)
    return x0, y0, min(w, x1), min(h, y1)


def are_apart(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether two (H, W) bool masks are separate objects: the gap is over 2% of the image's longest side."""
    step = max(1, -(-max(one.shape) // _GRID))
    grown = Image.fromarray(one[::step, ::step]).convert("L").filter(ImageFilter.MaxFilter(2 * _GAP + 1))
    return not (np.asarray(grown) > 0)[other[::step, ::step]].any()
