"""Simulated users for interactive matting: a first prompt, then one correction of the largest error per round.

The first prompt is a box, a click, a scribble, a rough mask, a text, or none. Each later round adds a click or a
scribble in the largest region where mask and truth differ, and starts from the matte of the round before.

Source: Guo et al. 2024, "DFIMat".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from scipy import ndimage

from training.evaluation.metrics import largest_region

First = Literal["none", "box", "click", "scribble", "mask", "text"]
Correction = Literal["click", "scribble"]


@dataclass
class User:
    """The prompts that a simulated user has given for one object, in pixels of the original frame.

    Attributes:
        box: (x0, y0, x1, y1), or None.
        points: clicks, (x, y).
        labels: (N,) 1 for clicks on the object, 0 for clicks on the background.
        scribbles: strokes, lists of (x, y).
        scribble_labels: the same for the strokes.
        mask: a rough mask, (H, W) bool; None after the first round, whose matte replaces it.
        text: the name of the object; None after a round in which nothing was found.
    """

    box: tuple[float, float, float, float] | None = None
    points: list[tuple[float, float]] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    scribbles: list[list[tuple[float, float]]] = field(default_factory=list)
    scribble_labels: list[int] = field(default_factory=list)
    mask: np.ndarray | None = None
    text: str | None = None

    def start(self, first: First, truth: np.ndarray, text: str | None = None) -> None:
        """Give the first prompt.

        Args:
            first: its kind.
            truth: (H, W) bool, the object's mask, not empty.
            text: the object's name.
        """
        if first == "box":
            self.box = tight_box(truth)
        elif first == "click":
            self.points.append(innermost_point(truth))
            self.labels.append(1)
        elif first == "scribble":
            self.scribbles.append(longest_stroke(truth))
            self.scribble_labels.append(1)
        elif first == "mask":
            self.mask = rough_mask(truth)
        elif first == "text":
            self.text = text

    def correct(self, kind: Correction, predicted: np.ndarray, truth: np.ndarray) -> bool:
        """Mark the largest region where the prediction differs from the truth.

        Args:
            kind: the correction's kind.
            predicted: (H, W) bool mask.
            truth: (H, W) bool mask.

        Returns:
            True if a prompt was added, False if the masks are equal.
        """
        wrong, label = largest_error(predicted, truth)
        if not wrong.any():
            return False
        self.mask = None
        if kind == "click":
            self.points.append(innermost_point(wrong))
            self.labels.append(label)
        else:
            self.scribbles.append(longest_stroke(wrong))
            self.scribble_labels.append(label)
        return True

    def arguments(self) -> dict[str, Any]:
        """Return the prompts as keyword arguments of `Scene.matte` or `Prompt`."""
        return {
            "box": self.box,
            "points": list(self.points),
            "labels": list(self.labels),
            "scribbles": list(self.scribbles),
            "scribble_labels": list(self.scribble_labels),
            "mask": self.mask,
            "text": None if self.text is None else [self.text],
        }


def largest_error(predicted: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the largest region, (H, W) bool, where two masks differ, and 1 if it is missing, 0 if it is too much."""
    missing, extra = largest_region(truth & ~predicted), largest_region(predicted & ~truth)
    return (missing, 1) if missing.sum() >= extra.sum() else (extra, 0)


def tight_box(mask: np.ndarray) -> tuple[float, float, float, float]:
    """Return the box (x0, y0, x1, y1) around a mask, in pixels, at least one pixel wide and high.

    x1 and y1 are the last column and row of the mask, not the ones after them, as in the authors' benchmarks.

    Args:
        mask: (H, W) bool, not empty.
    """
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return float(xs[0]), float(ys[0]), float(max(xs[-1], xs[0] + 1)), float(max(ys[-1], ys[0] + 1))


def rough_mask(mask: np.ndarray, cells: int = 24) -> np.ndarray:
    """Return the squares, `cells` along the longest side, that a mask covers by half; the mask itself if there is none.

    Args:
        mask: (H, W) bool.
        cells: the number of squares.
    """
    step = max(1, -(-max(mask.shape) // cells))
    h, w = mask.shape
    padded = np.pad(mask, ((0, -h % step), (0, -w % step)))
    covered = padded.reshape(padded.shape[0] // step, step, -1, step).mean((1, 3)) >= 0.5
    rough = np.kron(covered, np.ones((step, step), bool))[:h, :w]
    return rough if rough.any() else mask


def box_centre(mask: np.ndarray) -> tuple[float, float]:
    """Return the centre (x, y) of a mask's tight box, the authors' point prompt; it may lie outside the mask.

    Args:
        mask: (H, W) bool, not empty.
    """
    x0, y0, x1, y1 = tight_box(mask)
    return (x0 + x1) / 2, (y0 + y1) / 2


def innermost_point(mask: np.ndarray) -> tuple[float, float]:
    """Return the centre (x, y) of the pixel that is farthest from the mask's edge.

    Args:
        mask: (H, W) bool, not empty.
    """
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    return float(x) + 0.5, float(y) + 0.5


def longest_stroke(mask: np.ndarray, points: int = 8) -> list[tuple[float, float]]:
    """Return a stroke, points (x, y), along the longest straight line through the mask's innermost point.

    Args:
        mask: (H, W) bool, not empty.
        points: number of points on the stroke.
    """
    x, y = innermost_point(mask)
    best: list[tuple[float, float]] = [(x, y)]
    for angle in np.linspace(0, np.pi, 12, endpoint=False):
        step = np.array([np.cos(angle), np.sin(angle)])
        ends = []
        for sign in (-1, 1):
            distance = np.arange(max(mask.shape)) * sign
            xs, ys = (x + distance * step[0]).astype(int), (y + distance * step[1]).astype(int)
            inside = (xs >= 0) & (ys >= 0) & (xs < mask.shape[1]) & (ys < mask.shape[0])
            inside[inside] = mask[ys[inside], xs[inside]]
            stop = int(np.argmin(inside)) if not inside.all() else len(inside)
            ends.append(sign * max(0, stop - 1) * 0.8)  # users stop before they reach the edge
        if ends[1] - ends[0] > np.hypot(best[-1][0] - best[0][0], best[-1][1] - best[0][1]):
            best = [(float(x + t * step[0]), float(y + t * step[1])) for t in np.linspace(ends[0], ends[1], points)]
    return best
