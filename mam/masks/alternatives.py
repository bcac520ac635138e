"""Other answers to a prompt: what visitors may have meant instead, parts of the answer and what contains it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mam.masks.segment import Segment

SAME = 0.9  # IoU from which two answers look the same
_WITHIN = 0.9  # of the smaller mask lies in the larger one
_SMALLEST = 0.02  # of the answer's area
_LIKELY = 0.5  # least predicted IoU
_MOST = 3  # answers
_GRID = 256  # longest side of the masks that are compared
_PARTS, _LARGER = ("part", "larger_part"), ("whole", "more")
ALTERNATIVES = (*_PARTS, *_LARGER)
"""Names of what a prompt may have meant, smallest first: a single part is the first, all that is larger the third."""


def choose_alternatives(answer: Segment, parts: Iterable[Segment], larger: Iterable[Segment]) -> dict[str, Segment]:
    """Choose answers that differ from one another and from the given one by an IoU under 0.9.

    Args:
        answer: the given answer.
        parts: candidates for parts of it, the likeliest first; read only as far as needed.
        larger: the same for what contains it. What is neither a part nor larger is left out.

    Returns:
        At most three by their names, of `ALTERNATIVES` and in this order; a second part comes before a second larger
        one.
    """
    shown = [(answer, _shrink(answer))]
    inside = _distinct(shown, parts, True, len(_PARTS))
    beyond = _distinct(shown, larger, False, min(len(_LARGER), _MOST - len(inside)))
    return {
        name: one
        for names, group in ((_PARTS, inside), (_LARGER, beyond))
        for name, one in zip(names, sorted(group, key=lambda one: one.stored_mask.values.sum()), strict=False)
    }


def _distinct(
    shown: list[tuple[Segment, np.ndarray]], candidates: Iterable[Segment], is_part: bool, most: int
) -> list[Segment]:
    """Return up to `most` parts of the first one that is shown, or what contains it; they join those shown."""
    found: list[Segment] = []
    answer = shown[0][1]
    for candidate in candidates:
        mask = _shrink(candidate)
        smaller, larger = (mask, answer) if is_part else (answer, mask)
        fits = (mask & answer).sum() >= _WITHIN * smaller.sum() and smaller.sum() > _SMALLEST * larger.sum()
        if fits and candidate.score >= _LIKELY and all(_iou(mask, other) < SAME for _, other in shown):
            shown.append((candidate, mask))
            found.append(candidate)
        if len(found) == most:
            break
    return found


def _shrink(segment: Segment) -> np.ndarray:
    step = max(1, -(-max(segment.stored_mask.size) // _GRID))
    return segment.mask[::step, ::step]


def _iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / max(1, (one | other).sum()))
