"""Removal of what nobody asked for in an alpha: small holes inside the object, and specks far from it.

Mask-to-Matte follows colours, so it can open holes where the mask is whole, as in a cat's dark pupil, and leave specks
of similar colour elsewhere. Holes that show the background are kept: large ones, those that the mask has as well, such
as inside a cup's handle, those of the background's colours, and those of objects with many holes.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from mam.masks.components import label_regions

_GRID = 256  # longest side in cells of the grid on which regions are found
_FAINT = 0.05  # alpha from which a cell counts as visible
_LARGEST_HOLE = 0.02  # of the object's area
_MOST_HOLES = 4  # an object with more, such as a basket, is meant to have them
_SIMILAR = 20  # largest difference of a channel, of 255, between a hole and what lies outside the object
_SHARE = 0.01  # of the outside, from which a hole of this colour counts as see-through
_SPECKS = ((0.002, 3), (0.05, 8))  # largest area, of the object's, and the cells between a speck and the rest


def clean_up(
    alpha: np.ndarray, pixels: np.ndarray, mask: np.ndarray, points: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """Fill holes and remove specks, unless they were clicked on.

    A hole to fill is enclosed by the object, smaller than 2% of it, mostly inside the mask, one of at most four, and of
    a colour that is rare outside the object. A speck is smaller than 0.2% of the object and at least three cells, of
    256 along the longest side, away from it; or smaller than 5% and at least eight cells away.

    Args:
        alpha: (H, W) float32 in [0, 1].
        pixels: (H, W, 3) uint8, the image.
        mask: (H, W) bool, the mask that the alpha was made from.
        points: (N, 2) clicks, x and y in pixels of the image: a background click keeps its hole, a foreground click its
            speck.
        labels: (N,) 1 foreground, 0 background.

    Returns:
        (H, W) float32; `alpha` itself if there is nothing to change.
    """
    step = max(1, -(-max(alpha.shape) // _GRID))
    coarse = _pool(alpha, step)
    cells = np.clip(points // step, 0, np.array(coarse.shape[::-1]) - 1).astype(int)
    clicked = np.zeros((2, *coarse.shape), bool)
    clicked[labels.astype(int), cells[:, 1], cells[:, 0]] = True
    holes = _find_holes(coarse, pixels, mask, clicked[0], step)
    specks = _find_specks(coarse, clicked[1])
    if holes.any():
        alpha = np.where(_enlarge(holes, step, alpha.shape), np.float32(1), alpha)
    if specks.any():
        alpha = np.where(_enlarge(specks, step, alpha.shape), np.float32(0), alpha)
    return alpha


def _find_holes(alpha: np.ndarray, pixels: np.ndarray, mask: np.ndarray, clicked: np.ndarray, step: int) -> np.ndarray:
    """Return the cells to fill, bool; alpha and clicks are given by cells, pixels and mask at full size."""
    empty = alpha < 0.5
    labels = label_regions(empty)
    count = labels.max() + 1
    areas = np.bincount(labels.ravel(), minlength=count)
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    is_hole = areas > 0
    is_hole[edge] = False
    is_hole[0] = False
    outside = empty & ~is_hole[labels]
    is_hole &= areas < _LARGEST_HOLE * (~empty).sum()
    is_hole[labels[clicked]] = False
    if not is_hole.any():
        return is_hole[labels]
    covered = _pool(mask.astype(np.uint8) * 255, step) / 255
    is_hole &= np.bincount(labels.ravel(), covered.ravel(), count) > areas / 2
    if not is_hole.any() or is_hole.sum() > _MOST_HOLES:
        return np.zeros_like(empty)
    colours = _pool(pixels, step)
    seen = colours[outside][:: max(1, outside.sum() // 2000)]
    if len(seen):
        for number in np.flatnonzero(is_hole):
            distances = np.abs(seen - colours[labels == number].mean(0)).max(1)
            is_hole[number] = np.mean(distances < _SIMILAR) < _SHARE
    # The soft edge of a hole reaches into the cells around it; cells beside what stays empty keep their alpha.
    filled = is_hole[labels]
    return _dilate(filled, 2) & ~_dilate(empty & ~filled, 1)


def _find_specks(alpha: np.ndarray, clicked: np.ndarray) -> np.ndarray:
    """Return the cells to clear, bool."""
    visible = alpha > _FAINT
    labels = label_regions(visible)
    areas = np.bincount(labels.ravel(), alpha.ravel())
    areas[0] = 0
    is_speck = np.zeros(len(areas), bool)
    for largest, far in _SPECKS:
        is_small = areas < largest * areas.max()
        is_small[labels[clicked]] = False
        is_small[0] = False
        near = _dilate(visible & ~is_small[labels], far)
        is_small[labels[near]] = False
        is_speck |= is_small
    return _dilate(is_speck[labels], 1)


def _pool(values: np.ndarray, step: int) -> np.ndarray:
    """Average (H, W) or (H, W, 3) values over cells of step x step pixels; cells at the end may be smaller."""
    return np.asarray(Image.fromarray(values).reduce(step), np.float32)


def _dilate(cells: np.ndarray, reach: int) -> np.ndarray:
    return np.asarray(Image.fromarray(cells).convert("L").filter(ImageFilter.MaxFilter(2 * reach + 1))) > 0


def _enlarge(cells: np.ndarray, step: int, size: tuple[int, ...]) -> np.ndarray:
    return np.repeat(np.repeat(cells, step, 0), step, 1)[: size[0], : size[1]]
