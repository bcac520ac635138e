"""Simulated users: a first prompt for the object, then a correction per round where the matte is most wrong.

The protocol is DFIMat's (Guo et al. 2024): five rounds, the first with a box, a click or a scribble, the others with a click or
a scribble in the largest wrong region, each round starting from the matte of the one before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from scipy import ndimage

from mam.evaluation.metrics import largest_region

First = Literal["box", "click", "scribble"]
Correction = Literal["click", "scribble"]


@dataclass
class User:
    """What one user has given so far for one object; `arguments` are those of `Scene.matte`.

    Attributes:
        box: (x0, y0, x1, y1) in pixels, or None.
        points, labels: clicks (x, y), 1 on the object and 0 off it.
        scribbles, scribble_labels: strokes of (x, y), likewise.
    """

    box: tuple[float, float, float, float] | None = None
    points: list[tuple[float, float]] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    scribbles: list[list[tuple[float, float]]] = field(default_factory=list)
    scribble_labels: list[int] = field(default_factory=list)

    def start(self, first: First, truth: np.ndarray) -> None:
        """Ask for an object, (H, W) bool and not empty."""
        if first == "box":
            self.box = tight_box(truth)
        elif first == "click":
            self.points.append(deepest(truth))
            self.labels.append(1)
        else:
            self.scribbles.append(stroke(truth))
            self.scribble_labels.append(1)

    def correct(self, kind: Correction, predicted: np.ndarray, truth: np.ndarray) -> bool:
        """Mark the largest wrong region of the prediction, (H, W) bool; False if there is nothing wrong."""
        missing, extra = largest_region(truth & ~predicted), largest_region(predicted & ~truth)
        label = int(missing.sum() >= extra.sum())
        wrong = missing if label else extra
        if not wrong.any():
            return False
        if kind == "click":
            self.points.append(deepest(wrong))
            self.labels.append(label)
        else:
            self.scribbles.append(stroke(wrong))
            self.scribble_labels.append(label)
        return True

    def arguments(self) -> dict:
        """Keyword arguments for `Scene.matte` or `Prompt`."""
        return {
            "box": self.box,
            "points": list(self.points),
            "labels": list(self.labels),
            "scribbles": list(self.scribbles),
            "scribble_labels": list(self.scribble_labels),
        }


def tight_box(mask: np.ndarray) -> tuple[float, float, float, float]:
    """x0, y0, x1, y1 in pixels around a (H, W) bool mask that is not empty, a pixel wide at least.

    The far sides lie on the last pixels, not behind them: so the authors' benchmarks ask.
    """
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return float(xs[0]), float(ys[0]), float(max(xs[-1], xs[0] + 1)), float(max(ys[-1], ys[0] + 1))


def middle(mask: np.ndarray) -> tuple[float, float]:
    """The centre of the tight box, (x, y): the benchmark's one click; it may miss the object."""
    x0, y0, x1, y1 = tight_box(mask)
    return (x0 + x1) / 2, (y0 + y1) / 2


def deepest(mask: np.ndarray) -> tuple[float, float]:
    """The middle of the pixel farthest from the edge of a (H, W) bool mask that is not empty, (x, y)."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    return float(x) + 0.5, float(y) + 0.5


def stroke(mask: np.ndarray, points: int = 8) -> list[tuple[float, float]]:
    """A stroke along the longest straight way inside the mask through its deepest point, as (x, y)."""
    x, y = deepest(mask)
    best: list[tuple[float, float]] = [(x, y)]
    for angle in np.linspace(0, np.pi, 12, endpoint=False):
        step = np.array([np.cos(angle), np.sin(angle)])
        ends = []
        for way in (-1, 1):
            reach = np.arange(max(mask.shape)) * way
            xs, ys = (x + reach * step[0]).astype(int), (y + reach * step[1]).astype(int)
            inside = (xs >= 0) & (ys >= 0) & (xs < mask.shape[1]) & (ys < mask.shape[0])
            inside[inside] = mask[ys[inside], xs[inside]]
            stop = int(np.argmin(inside)) if not inside.all() else len(inside)
            ends.append(way * max(0, stop - 1) * 0.8)  # people stop short of the edge
        if ends[1] - ends[0] > np.hypot(best[-1][0] - best[0][0], best[-1][1] - best[0][1]):
            best = [(float(x + t * step[0]), float(y + t * step[1])) for t in np.linspace(ends[0], ends[1], points)]
    return best
