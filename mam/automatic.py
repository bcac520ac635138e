"""Find the main object of an image without a prompt.

A model that learnt it answers the empty prompt. Of SAM's answers to a grid of clicks, the largest good one is taken.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mam.boxes import full_box
from mam.decoding import decode_prompts
from mam.encoding import EncodedCrop
from mam.frames import Frame
from mam.prompts import CheckedPrompt, Prompt
from mam.runtime import Graphs
from mam.segment import Segment

_GRID_SIDE = 6  # clicks along each side of the grid
_LONGEST_SIDE = 512  # of the masks that are compared, in pixels
_MIN_RELATIVE_SCORE = 0.85  # a mask counts with at least this fraction of the best predicted IoU
_OBJECT_AREA = (0.005, 0.85)  # fractions of the image; a larger mask is background
_MAX_SIDES = 2  # a mask that covers more than half of more sides of the image is background
_EMPTY_PROMPT = CheckedPrompt(None, np.zeros((0, 2)), np.zeros(0, np.int64), None, None)


def find_main_object(graphs: Graphs, whole: EncodedCrop) -> Segment:
    """Segment the main object.

    Args:
        graphs: the model.
        whole: the whole image, encoded.

    Returns:
        The object; its mask is empty if there is none.
    """
    prompt = _EMPTY_PROMPT if graphs.policy.main_object else _best_click(graphs, whole)
    (segment,) = decode_prompts(graphs, whole, [prompt], whole.frame.original_size)
    return segment


def _best_click(graphs: Graphs, whole: EncodedCrop) -> CheckedPrompt:
    """Return the click of a regular grid that selects the largest object; the empty prompt if none selects one.

    All clicks are answered in one call. Of the masks with a high predicted IoU that are not background, the largest is
    the main object.
    """
    h, w = whole.frame.original_size
    scale = min(1.0, _LONGEST_SIDE / max(h, w))
    small = max(1, round(h * scale)), max(1, round(w * scale))
    centres = (np.arange(_GRID_SIDE) + 0.5) / _GRID_SIDE
    clicks = [(x, y) for y in centres for x in centres]
    prompts = [Prompt(points=[(x * small[1], y * small[0])]).check(small) for x, y in clicks]
    # As if the encoded image were small, so that 36 masks at full size are not needed.
    encoded = replace(whole, box=full_box(small), frame=Frame.of(small))
    segments = decode_prompts(graphs, encoded, prompts, small)
    found = [i for i, segment in enumerate(segments) if _is_object(segment)]
    if not found:
        return _EMPTY_PROMPT
    best = max(segments[i].score for i in found)
    confident = (i for i in found if segments[i].score >= _MIN_RELATIVE_SCORE * best)
    x, y = clicks[max(confident, key=lambda i: segments[i].mask.sum())]
    return Prompt(points=[(x * w, y * h)]).check((h, w))


def _is_object(segment: Segment) -> bool:
    mask = segment.mask
    sides = (mask[0], mask[-1], mask[:, 0], mask[:, -1])
    smallest, largest = _OBJECT_AREA
    return smallest < mask.mean() < largest and sum(side.mean() > 0.5 for side in sides) <= _MAX_SIDES
