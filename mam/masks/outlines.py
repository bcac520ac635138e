"""Masks as COCO's run-length encoding and as polygons, and back."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from reprlib import repr as shorten

import numpy as np

from mam.errors import InputError
from mam.images.boxes import full_box, mask_bounds
from mam.masks.components import label_regions

_SPECK = 0.001  # of the mask's area; smaller regions get no polygon


def encode_rle(mask: np.ndarray) -> str:
    """Return the `counts` of COCO's compressed run-length encoding of an (H, W) bool mask.

    Runs go down the columns, beginning with zeros; each is written as its difference to the run before the last one,
    in groups of five bits. Source: `rleToString` of the COCO API.
    """
    flat = np.concatenate([[False], mask.T.ravel(), [not mask[-1, -1]]])
    runs = np.diff(np.flatnonzero(np.diff(flat)), prepend=0).tolist()
    text = []
    for i, run in enumerate(runs):
        value, more = run - (runs[i - 2] if i > 2 else 0), True
        while more:
            bits, value = value & 31, value >> 5
            more = value != (-1 if bits & 16 else 0)
            text.append(chr(bits + 32 * more + 48))
    return "".join(text)


def decode_rle(size: tuple[int, int], counts: str | Sequence[int]) -> np.ndarray:
    """Return the (H, W) bool mask of a run-length encoding, compressed or as a list of runs.

    Raises:
        InputError: it is no such encoding, or the runs do not add up to the size.
    """
    try:
        runs = _read_runs(counts) if isinstance(counts, str) else [operator.index(run) for run in counts]
    except (TypeError, ValueError):
        raise InputError(
            f"{shorten(counts)} is no run-length encoding; expected COCO's text or whole numbers."
        ) from None
    h, w = size
    if min(runs, default=-1) < 0 or sum(runs) != h * w:
        raise InputError(f"a run-length encoding does not fill its {h} x {w} pixels.")
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(w, h).T


def _read_runs(text: str) -> list[int]:
    """Read what `encode_rle` writes; ValueError if it is something else."""
    runs: list[int] = []
    value, shift = 0, 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise ValueError
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            value -= (bits & 16) << (shift - 4)
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value, shift = 0, 0
    return runs


def draw_polygons(polygons: Sequence[Sequence[Sequence[float]]], size: tuple[int, int]) -> np.ndarray:
    """Return the (H, W) bool mask of the pixels whose centres lie in a polygon, each (N, 2) of (x, y) in pixels."""
    mask = np.zeros(size, bool)
    for polygon in polygons:
        starts = np.asarray(polygon, np.float64)
        ends = np.roll(starts, -1, 0)
        first, last = np.clip(np.round([starts[:, 1].min(), starts[:, 1].max()]), 0, size[0]).astype(int)
        for row in range(first, last):
            y = row + 0.5
            (x0, y0), (x1, y1) = (side[(starts[:, 1] <= y) != (ends[:, 1] <= y)].T for side in (starts, ends))
            crossings = np.sort(x0 + (y - y0) * (x1 - x0) / (y1 - y0))
            columns = np.clip(np.ceil(crossings - 0.5), 0, size[1]).astype(int)
            for left, right in zip(columns[::2], columns[1::2], strict=True):
                mask[row, left:right] = True
    return mask


def find_polygons(mask: np.ndarray, tolerance: float = 1.0) -> list[np.ndarray]:
    """Return a polygon around each region of a mask, without its holes, the largest region first.

    Args:
        mask: (H, W) bool.
        tolerance: how far the polygon may be from the edges of pixels, in pixels.

    Returns:
        (N, 2) float64 of (x, y) each; regions under 0.1% of the mask are left out.
    """
    labels = label_regions(mask)
    areas = np.bincount(labels.ravel())[1:]
    kept = [number + 1 for number in np.argsort(-areas) if areas[number] >= max(1, _SPECK * areas.sum())]
    polygons = []
    for number in kept:
        x0, y0, x1, y1 = mask_bounds(labels == number) or full_box(mask.shape)
        outline = np.add(_trace(labels[y0:y1, x0:x1] == number), (x0, y0))
        polygons.append(_simplify(outline, tolerance))
    return polygons


def _trace(region: np.ndarray) -> np.ndarray:
    """Return the corners of the pixels along the outer edge of a region, clockwise, (N, 2) of (x, y)."""
    padded = np.pad(region, 1)
    inner = padded[1:-1, 1:-1]
    following: dict[tuple[int, int], list[tuple[int, int]]] = {}
    sides = (
        (padded[:-2, 1:-1], (0, 0), (1, 0)),
        (padded[1:-1, 2:], (1, 0), (1, 1)),
        (padded[2:, 1:-1], (1, 1), (0, 1)),
        (padded[1:-1, :-2], (0, 1), (0, 0)),
    )
    for beyond, (x0, y0), (x1, y1) in sides:
        for y, x in np.argwhere(inner & ~beyond).tolist():
            following.setdefault((x + x0, y + y0), []).append((x + x1, y + y1))
    largest, most = np.zeros((0, 2)), -1.0
    while following:
        loop = [next(iter(following))]
        while not (len(loop) > 1 and loop[-1] == loop[0]):
            ends = following[loop[-1]]
            loop.append(ends.pop())
            if not ends:
                del following[loop[-2]]
        points = np.array(loop, np.float64)
        x, y = points.T
        area = abs(float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum())) / 2
        if area > most:
            largest, most = points[:-1], area
    return largest


def _simplify(points: np.ndarray, tolerance: float) -> np.ndarray:
    """Leave out points that are no farther than `tolerance` from the line without them (Douglas and Peucker 1973)."""
    far = int(np.hypot(*(points - points[0]).T).argmax())
    closed, kept = np.concatenate([points, points[:1]]), {0, far}
    stack = [(0, far), (far, len(points))]
    while stack:
        start, end = stack.pop()
        if end - start < 2:
            continue
        (x, y), (dx, dy) = closed[start], closed[end] - closed[start]
        offsets = closed[start + 1 : end] - (x, y)
        distance = np.abs(offsets[:, 0] * dy - offsets[:, 1] * dx) / (np.hypot(dx, dy) or 1)
        if dx == dy == 0:
            distance = np.hypot(*offsets.T)
        worst = int(distance.argmax())
        if distance[worst] > tolerance:
            middle = start + 1 + worst
            kept.add(middle)
            stack += [(start, middle), (middle, end)]
    return points[sorted(kept)] if len(kept) > 2 else points  # of a region of a few pixels, a line would be left
