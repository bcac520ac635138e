"""Find the main object of an image without a prompt: the largest mask among the answers to a grid of clicks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mam.boxes import PixelBox, full_box, mask_bounds
from mam.decoding import decode_prompts
from mam.frames import Frame
from mam.prompts import Prompt
from mam.scene import Scene
from mam.segment import Segment

_GRID_SIDE = 6  # clicks along each side of the grid
_LONGEST_SIDE = 512  # of the masks that are compared, in pixels
_MIN_RELATIVE_SCORE = 0.85  # a mask counts with at least this fraction of the best predicted IoU
_OBJECT_AREA = (0.005, 0.85)  # fractions of the image; a larger mask is background
_MAX_SIDES = 2  # a mask that covers more than half of more sides of the image is background


def find_main_object(scene: Scene) -> PixelBox | None:
    """Return the tight box of the largest object, x0, y0, x1, y1 in pixels of the image; None if there is none.

    Clicks on a regular grid are answered in one call, on the whole image. Of the masks with a high predicted IoU that
    are not background, the largest is the main object.
    """
    h, w = _reduced_size(scene)
    centres = (np.arange(_GRID_SIDE) + 0.5) / _GRID_SIDE
    prompts = [Prompt(points=[(x * w, y * h)]).check((h, w)) for y in centres for x in centres]
    # As if the encoded image were small, so that 36 masks at full size are not needed.
    encoded = replace(scene.whole, box=full_box((h, w)), frame=Frame.of((h, w)))
    found = [s for s in decode_prompts(scene.graphs, encoded, prompts, (h, w)) if _is_object(s)]
    if not found:
        return None
    best = max(segment.score for segment in found)
    confident = (segment for segment in found if segment.score >= _MIN_RELATIVE_SCORE * best)
    bounds = mask_bounds(max(confident, key=lambda segment: segment.mask.sum()).mask)
    assert bounds is not None
    x0, y0, x1, y1 = bounds
    height, width = scene.photo.size
    return int(x0 * width / w), int(y0 * height / h), round(x1 * width / w), round(y1 * height / h)


def _reduced_size(scene: Scene) -> tuple[int, int]:
    """Return the (H, W) of the masks that are compared."""
    h, w = scene.photo.size
    scale = min(1.0, _LONGEST_SIDE / max(h, w))
    return max(1, round(h * scale)), max(1, round(w * scale))


def _is_object(segment: Segment) -> bool:
    mask = segment.mask
    sides = (mask[0], mask[-1], mask[:, 0], mask[:, -1])
    smallest, largest = _OBJECT_AREA
    return smallest < mask.mean() < largest and sum(side.mean() > 0.5 for side in sides) <= _MAX_SIDES
