"""Selection of boxes from the logits of a grounding graph: thresholds, phrases, non-maximum suppression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from mam.text.phrases import Phrases

# The values of Grounding DINO's demo.
BOX_THRESHOLD, TEXT_THRESHOLD, NMS_THRESHOLD = 0.25, 0.25, 0.5


@dataclass(frozen=True)
class FoundBox:
    """One box found for a text prompt.

    Attributes:
        box: (x0, y0, x1, y1) in pixels of the image.
        score: the model's confidence, in (0, 1).
        phrase: the phrase that the box matches best; empty if no phrase passes the text threshold.
        point: (x, y) of the pixel with this score; None from a model that scores whole boxes.
    """

    box: tuple[float, float, float, float]
    score: float
    phrase: str
    point: tuple[float, float] | None = None


@dataclass(frozen=True)
class FoundBoxes(Sequence[FoundBox]):
    """The boxes found for a text prompt, best first; false if there are none.

    Attributes:
        boxes: the boxes that passed the thresholds.
        best_score: the highest score of all boxes, also of boxes that did not pass.
        text: the prompt as the model reads it.
        readings: phrases that the model reads as something more general, with what it reads: "the red car" as "car".
    """

    boxes: tuple[FoundBox, ...]
    best_score: float
    text: str
    readings: tuple[tuple[str, str], ...] = ()

    def __len__(self) -> int:
        return len(self.boxes)

    @overload
    def __getitem__(self, index: int) -> FoundBox: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[FoundBox, ...]: ...

    def __getitem__(self, index: int | slice) -> FoundBox | tuple[FoundBox, ...]:
        return self.boxes[index]

    def __str__(self) -> str:
        if not self.boxes:
            return (
                f"nothing found for {self.text!r} (best score {self.best_score:.2f}); try another text, or give a box"
            )
        return "; ".join(
            f"{found.phrase or '?'} {found.score:.2f} at {tuple(round(v) for v in found.box)}" for found in self.boxes
        )


def select_boxes(
    logits: np.ndarray,
    boxes: np.ndarray,
    phrases: Phrases,
    size: tuple[int, int],
    *,
    box_threshold: float,
    text_threshold: float,
    nms_threshold: float,
) -> FoundBoxes:
    """Select the boxes that pass the thresholds, best first.

    The score of a box is the probability of its best token; its phrase is the one with the best token.

    Args:
        logits: (Q, T) float32, one per box and token.
        boxes: (Q, 4) float32, (cx, cy, w, h) as fractions of the image.
        phrases: the phrases of the T tokens.
        size: (H, W) of the image.
        box_threshold: as for `Grounding.find`.
        text_threshold: as for `Grounding.find`.
        nms_threshold: as for `Grounding.find`.
    """
    with np.errstate(over="ignore"):  # exp overflows to infinity, which gives the correct probability 0
        probabilities = 1 / (1 + np.exp(-logits))
    scores = probabilities.max(1)
    by_phrase = np.stack([probabilities[:, phrases.token_phrase == k].max(1) for k in range(len(phrases.names))], 1)
    best_phrase = by_phrase.argmax(1)
    corners = _to_corners(boxes, size)
    found: list[FoundBox] = []
    kept: dict[int, list[np.ndarray]] = {}
    for i in np.argsort(-scores, kind="stable"):
        if not scores[i] > box_threshold:
            break
        phrase = int(best_phrase[i])
        rivals = kept.setdefault(phrase, [])
        if all(_iou(corners[i], rival) <= nms_threshold for rival in rivals):
            rivals.append(corners[i])
            name = phrases.names[phrase] if by_phrase[i, phrase] > text_threshold else ""
            x0, y0, x1, y1 = corners[i].tolist()
            found.append(FoundBox((x0, y0, x1, y1), float(scores[i]), name))
    return FoundBoxes(tuple(found), float(scores.max()), phrases.text)


def _to_corners(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return (Q, 4) float64, x0, y0, x1, y1 in pixels, clipped to the image and at least one pixel wide and high."""
    scale = np.array(size[::-1], np.float64)
    low = np.clip((boxes[:, :2] - boxes[:, 2:] / 2) * scale, 0, scale - 1)
    high = np.clip((boxes[:, :2] + boxes[:, 2:] / 2) * scale, low + 1, scale)
    return np.concatenate([low, high], 1)


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    w, h = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return w * h / (sum(areas) - w * h)
