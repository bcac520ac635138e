"""The largest object of a picture, for work without a person who points: the mask that many clicks agree on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from mam.frames import Frame
from mam.matting import Scene
from mam.prompts import Prompt
from mam.segment import Segment

_ACROSS = 6  # clicks along each side of the grid
_LONGEST = 512  # pixels of the masks that are compared
_SURE = 0.85  # a mask counts with at least this share of the best predicted IoU
_BACKGROUND = 0.85  # a mask that covers more of the picture is no object
_SIDES = 3  # nor is one that runs along so many sides of it


def find_main_object(scene: Scene) -> tuple[int, int, int, int] | None:
    """The tight box x0, y0, x1, y1 of the largest object, in pixels of the picture; None if nothing looks like one.

    Clicks on a regular grid, answered together; of what SAM is sure of, and what is no background, the largest mask.
    """
    full, scene = scene.photo.size, _smaller(scene)
    h, w = scene.photo.size
    at = (np.arange(_ACROSS) + 0.5) / _ACROSS
    prompts = [Prompt(points=[(x * w, y * h)]) for y in at for x in at]
    found = [segment for segment in scene.segment(prompts, recrop=False) if _is_object(segment)]
    if not found:
        return None
    best = max(segment.score for segment in found)
    largest = max((s for s in found if s.score >= _SURE * best), key=lambda segment: segment.mask.sum())
    ys, xs = np.flatnonzero(largest.mask.any(1)), np.flatnonzero(largest.mask.any(0))
    down, right = full[0] / h, full[1] / w
    return int(xs[0] * right), int(ys[0] * down), round((xs[-1] + 1) * right), round((ys[-1] + 1) * down)


def _smaller(scene: Scene) -> Scene:
    """The same encoded scene as if of a small picture, so that so many masks cost little."""
    image = Image.fromarray(scene.photo.pixels)
    image.thumbnail((_LONGEST, _LONGEST), Image.Resampling.BOX)
    photo = replace(scene.photo, pixels=np.asarray(image))
    return replace(scene, photo=photo, frame=Frame.of(photo.size))


def _is_object(segment: Segment) -> bool:
    mask = segment.mask
    sides = (mask[0], mask[-1], mask[:, 0], mask[:, -1])
    return 0.005 < mask.mean() < _BACKGROUND and sum(side.mean() > 0.5 for side in sides) < _SIDES
