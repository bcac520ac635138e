"""Strokes of a brush on an alpha: what a person erases and restores by hand.

A stroke that snaps stops at the edges of the image: it changes only pixels of the colours along its line. Spots of
other colours are changed too if the brush covers them entirely, as the dark hairs inside an ear.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from reprlib import repr as shorten
from typing import Literal

import numpy as np
from PIL import Image, ImageFilter

from mam.errors import PromptError
from mam.images.boxes import PixelBox
from mam.masks.components import label_regions

_SPACING = 0.25  # of the radius, between the points of a stroke that are used
_LINE = 0.25  # of the radius, within which pixels are on the line
_BIN = 8  # values of a channel, of 256, that count as one
_BINS = 256 // _BIN  # per channel
_COMMON = 0.95  # of the pixels on the line have colours that count; the rarest do not
_LIKE, _UNLIKE = 2, 5  # bins from these colours: up to the first a pixel is changed, from the second on it is not
_GRID = 512  # longest side in cells of the grid on which spots are found
_ALIKE = 0.9  # likeness of a cell that is not part of a spot
_OPAQUE = 254.5 / 255  # alpha that is stored as opaque


@dataclass(frozen=True)
class Stroke:
    """One stroke of a round brush.

    Attributes:
        points: (x, y) in pixels of the image, at least one; they may lie outside it.
        size: diameter of the brush, in pixels of the image.
        softness: from 0, a sharp edge, to 1, fading from the line on.
        effect: "erase" makes the object transparent, "restore" makes it opaque.
        snap: stop at the edges of the image.

    Raises:
        PromptError: a value is outside its range.
    """

    points: Sequence[Sequence[float]]
    size: float
    softness: float = 0.3
    effect: Literal["erase", "restore"] = "erase"
    snap: bool = True

    def __post_init__(self) -> None:
        """Check the values."""
        try:
            points = np.asarray(self.points, np.float64)
        except (TypeError, ValueError):
            points = np.zeros(0)
        if points.ndim != 2 or points.shape[1] != 2 or not len(points) or not np.isfinite(points).all():
            raise PromptError(f"the stroke's points are {shorten(self.points)}; expected numbers, (x, y) per point.")
        if not (0 < self.size < np.inf and 0 <= self.softness <= 1):
            raise PromptError(
                f"the stroke has size {self.size} and softness {self.softness}; expected a size above 0, in pixels, "
                "and a softness from 0 to 1."
            )
        if self.effect not in ("erase", "restore"):
            raise PromptError(f"the stroke's effect is {self.effect!r}; expected 'erase' or 'restore'.")


def paint(
    alpha: np.ndarray, pixels: np.ndarray, strokes: Sequence[Stroke], own: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Apply strokes to an alpha, one after the other.

    Args:
        alpha: (H, W) float32 in [0, 1].
        pixels: (H, W, 3) uint8, the image.
        strokes: in pixels of the image.
        own: (H, W) bool as returned for earlier strokes.

    Returns:
        The alpha, (H, W) float32; and bool (H, W), the pixels that are to keep the image's own colours, because their
        alpha is that of a soft brush: nothing else shows through them.
    """
    alpha, own = alpha.copy(), np.zeros(alpha.shape, bool) if own is None else own.copy()
    flat_alpha, flat_own = alpha.reshape(-1), own.reshape(-1)
    for stroke in strokes:
        at, share, pure = _footprint(stroke, pixels)
        before = flat_alpha[at]
        if stroke.effect == "restore":
            flat_alpha[at] = before + share * (1 - before)
            flat_own[at] |= pure
        else:
            flat_alpha[at] = before * (1 - share)
            flat_own[at] |= pure & (before > _OPAQUE)
    return alpha, own


def _footprint(stroke: Stroke, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return indices of N pixels, row by row, shares in [0, 1] float32, and whether the edge is the brush's, each (N,).

    All distances are float64, so that demo/canvas/js/painting.js computes exactly the same.
    """
    radius = stroke.size / 2
    points = _space_out(np.asarray(stroke.points, np.float64), _SPACING * radius)
    h, w = pixels.shape[:2]
    left, top = np.clip(np.floor(points.min(0) - radius - 1), 0, (w, h)).astype(int).tolist()
    right, bottom = np.clip(np.ceil(points.max(0) + radius + 1), 0, (w, h)).astype(int).tolist()
    squared = _squared_distances(points, radius, (left, top, right, bottom))
    y, x = np.nonzero(squared < (radius + 0.5) ** 2)
    distance = np.sqrt(squared.reshape(-1).take(y * squared.shape[1] + x))
    share = np.clip((radius + 0.5 - distance) / max(1.0, stroke.softness * radius), 0, 1)
    share *= share * (3 - 2 * share)
    at = (y + top) * w + (x + left)
    if not (stroke.snap and len(y)):
        return at, share.astype(np.float32), np.ones(len(y), bool)
    on_line = distance <= max(1.0, _LINE * radius)
    at_frame = (y == -top) | (y == h - 1 - top) | (x == -left) | (x == w - 1 - left)
    like = _smooth(_likeness(pixels.reshape(-1, 3).take(at, 0), on_line), y, x, squared.shape)
    like = _fill_spots(like, (distance > radius - 1.5) | at_frame, y, x, squared.shape)
    return at, (share * like).astype(np.float32), like == 1


def _space_out(points: np.ndarray, spacing: float) -> np.ndarray:
    """Drop points nearer than `spacing` to the last one; divide gaps of over 16 times as much, for speed, (K, 2)."""
    kept = [points[0]]
    for point in points[1:]:
        last = kept[-1]
        length = np.sqrt(((point - last) ** 2).sum())
        if length >= spacing:
            parts = math.ceil(length / (16 * spacing))
            kept += [last + (point - last) * k / parts for k in range(1, parts + 1)]
    return np.array([*kept, points[-1]])


def _squared_distances(points: np.ndarray, radius: float, box: PixelBox) -> np.ndarray:
    """Return the squared distances of a box's pixels from the line through points, (h, w); some beyond are infinite."""
    x0, y0, x1, y1 = box
    squared = np.full((y1 - y0, x1 - x0), np.inf)
    for a, b in itertools.pairwise(points):
        left, top = np.clip(np.floor(np.minimum(a, b) - radius - 1), (x0, y0), (x1, y1)).astype(int)
        right, bottom = np.clip(np.ceil(np.maximum(a, b) + radius + 1), (x0, y0), (x1, y1)).astype(int)
        dx, dy = b - a
        x = np.arange(left, right) + 0.5 - a[0]
        y = (np.arange(top, bottom) + 0.5 - a[1])[:, None]
        along = np.clip((x * dx + y * dy) / max(1e-9, dx * dx + dy * dy), 0, 1)
        x, y = x - along * dx, y - along * dy
        part = squared[top - y0 : bottom - y0, left - x0 : right - x0]
        np.minimum(part, x * x + y * y, out=part)
    return squared


def _likeness(colours: np.ndarray, on_line: np.ndarray) -> np.ndarray:
    """Return how much each of N colours, (N, 3) uint8, is like those on the line, (N,) bool: 0 to 1, (N,) float64."""
    bins = np.zeros(len(colours), np.intp)
    for channel in range(3):
        bins = bins * _BINS + colours[:, channel] // _BIN
    counts = np.bincount(bins[on_line], minlength=_BINS**3)
    ordered = np.sort(counts)[::-1]
    least = max(1, ordered[np.searchsorted(ordered.cumsum(), _COMMON * ordered.sum())])
    squared = np.where(counts >= least, 0, _UNLIKE**2).reshape(_BINS, _BINS, _BINS)
    for axis in range(3):  # the squared distance in bins, up to `_UNLIKE`
        padded = np.pad(squared, [(_UNLIKE, _UNLIKE) if k == axis else (0, 0) for k in range(3)], "edge")
        near = (
            padded.take(range(_UNLIKE + by, _UNLIKE + by + _BINS), axis) + by**2 for by in range(1 - _UNLIKE, _UNLIKE)
        )
        squared = functools.reduce(np.minimum, near)
    like = np.clip((_UNLIKE - np.sqrt(squared)) / (_UNLIKE - _LIKE), 0, 1)
    return like.reshape(-1)[bins]


def _smooth(like: np.ndarray, y: np.ndarray, x: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Average over 3 x 3 pixels under the brush, against noise; arguments as for `_fill_spots`, (N,)."""
    columns = size[1] + 2
    # One uint16 holds a sum of at most 9 x 255 and, from 4096 on, the count.
    grid = np.zeros((size[0] + 2, columns), np.uint16)
    grid.reshape(-1)[(y + 1) * columns + (x + 1)] = (like * 255 + 0.5).astype(np.uint16) + np.uint16(4096)
    grid = grid[:-2] + grid[1:-1] + grid[2:]
    grid = grid[:, :-2] + grid[:, 1:-1] + grid[:, 2:]
    values = grid.reshape(-1).take(y * size[1] + x)
    return (values & 4095) / (255.0 * (values >> 12))


def _fill_spots(
    like: np.ndarray, open_sides: np.ndarray, y: np.ndarray, x: np.ndarray, size: tuple[int, ...]
) -> np.ndarray:
    """Set the likeness to 1 in unlike spots that reach no open side.

    Args:
        like: (N,) from 0 to 1, of the pixels under the brush.
        open_sides: (N,) bool, the pixels where an unlike region continues beyond the brush.
        y: (N,) rows of the pixels within the window.
        x: (N,) columns.
        size: (h, w) of the window.
    """
    step = -(-max(size) // _GRID)
    rows, columns = -(-size[0] // step), -(-size[1] // step)
    cells = y // step * columns + x // step
    areas = np.bincount(cells, minlength=rows * columns)
    unlike = np.bincount(cells, like, rows * columns) < _ALIKE * areas
    labels = label_regions(unlike.reshape(rows, columns)).reshape(-1)
    is_spot = np.ones(labels.max() + 1, bool)
    is_spot[0] = is_spot[labels[cells[open_sides]]] = False
    spots = Image.fromarray(is_spot[labels].reshape(rows, columns)).convert("L")
    with_edges = np.asarray(spots.filter(ImageFilter.MaxFilter(3))).reshape(-1) > 0
    return np.where(with_edges[cells], 1.0, like)
