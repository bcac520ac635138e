"""Placement of objects in a frame of their own: its aspect ratio, and where the objects stand in it and how large."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from mam.compose.head import find_head
from mam.errors import InputError

_MARGIN = 0.05  # of the frame, kept free around objects that are made smaller to fit
_VISIBLE = 8  # of 255; fainter pixels do not count for the objects' bounding box


@dataclass(frozen=True)
class Placement:
    """Where objects stand in a new frame.

    Attributes:
        aspect: width / height of the frame; None for the photo's own frame.
        scale: size of the objects, relative to the photo. In a frame of another aspect ratio, objects that do not
            fit are made smaller first.
        offset: (x, y) by which the objects are moved to the right and down, in fractions of the frame.
        size: (H, W) of the frame in pixels, instead of an aspect ratio.
        fill: the part of the frame's height or width that the objects take, before `scale`; None for the photo's size.
        position: (x, y) from 0, at the left or top, to 1: where the objects stand in what they leave free; None
            centres them in a frame of another shape, and else keeps their place.
        part: "head" of a person, which `fill` and `position` are about then, and of which `fill` is the height; or
            "all" of the objects.
    """

    aspect: float | None = None
    scale: float = 1.0
    offset: tuple[float, float] = (0.0, 0.0)
    size: tuple[int, int] | None = None
    fill: float | None = None
    position: tuple[float, float] | None = None
    part: Literal["all", "head"] = "all"

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InputError: a number is not positive, or an offset or position is not finite.
        """
        numbers = {"aspect": self.aspect, "scale": self.scale, "fill": self.fill, "size": self.size and min(self.size)}
        for name, value in numbers.items():
            if value is not None and not 0 < value < math.inf:
                raise InputError(f"{name} of the placement is {value}; expected a positive number.")
        for name, place in (("offset", self.offset), ("position", self.position or (0.0, 0.0))):
            if not all(math.isfinite(value) for value in place):
                raise InputError(f"the {name} of the placement is {place}; expected two finite numbers.")

    def frame(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the frame's size (H, W) for a photo of a size (H, W).

        Both have the same longest side, unless the frame would have more than twice the photo's pixels.
        """
        if self.size is not None:
            return self.size
        if self.aspect is None:
            return size
        longest = max(size)
        h, w = (longest / self.aspect, longest) if self.aspect >= 1 else (longest, longest * self.aspect)
        shrink = min(1.0, (2 * size[0] * size[1] / (h * w)) ** 0.5)
        return max(1, round(h * shrink)), max(1, round(w * shrink))

    def place(self, cutout: np.ndarray) -> np.ndarray:
        """Place a cut-out in the frame.

        In a frame of another aspect ratio the objects are centred; those that reach one edge of the photo, where they
        are cut off, stay at this edge.

        Args:
            cutout: (H, W, 4) uint8 RGBA, not premultiplied.

        Returns:
            (H', W', 4) uint8 RGBA of the frame's size, transparent around the objects.
        """
        if self == Placement():
            return cutout
        (h, w), frame = cutout.shape[:2], self.frame(cutout.shape[:2])
        visible = cutout[..., 3] > _VISIBLE
        if not visible.any():
            return np.zeros((*frame, 4), np.uint8)
        y_range, x_range = (np.flatnonzero(visible.any(axis))[[0, -1]] + (0, 1) for axis in (1, 0))
        scale, is_reshaped = self.scale, self.aspect is not None or self.size is not None
        bottom = int(y_range[1])
        if self.part == "head" and (cutout[..., 3] > 127).any():
            x0, y0, x1, y1 = find_head(cutout[..., 3] > 127)
            x_range, y_range = np.array((x0, x1)), np.array((y0, y1))
        fits = np.array(frame) / (np.ptp(y_range), np.ptp(x_range))  # scales that fill the frame's height and width
        filling = float(fits[0] if self.part == "head" else fits.min())
        if self.fill is not None:
            scale *= self.fill * filling
        elif is_reshaped:
            scale *= min(1.0, (1 - 2 * _MARGIN) * filling)
        starts = [
            round(_start(span, side, room, scale, is_reshaped, place) + shift * room)
            for span, side, room, shift, place in zip(
                (x_range, y_range), (w, h), frame[::-1], self.offset, self.position or (None, None), strict=True
            )
        ]
        if self.part == "head" and bottom == h:  # a bust, which ends where the photo does, stands on the frame's edge
            starts[1] = max(starts[1], frame[0] - round(h * scale))
        # Only what is inside the frame is resized: enlarged photos would need many times the memory.
        edges = [
            (max(0, start), min(room, start + round(side * scale)))
            for start, side, room in zip(starts, (w, h), frame[::-1], strict=True)
        ]
        placed = Image.new("RGBA", frame[::-1])
        if all(end > begin for begin, end in edges):
            (left, right), (top, bottom) = edges
            part = tuple(
                min(side, (edge - start) / scale)
                for edge, start, side in zip((left, top, right, bottom), starts * 2, (w, h) * 2, strict=True)
            )
            size = right - left, bottom - top
            placed.paste(Image.fromarray(cutout).resize(size, Image.Resampling.BILINEAR, part), (left, top))
        return np.asarray(placed)


def _start(span: np.ndarray, side: int, room: int, scale: float, centre: bool, place: float | None) -> float:
    """Return where the scaled photo begins in the frame, along one axis.

    Args:
        span: first and last + 1 pixel of the objects.
        side: the photo's size.
        room: the frame's size.
        scale: the photo's scale.
        centre: move the objects to the centre, instead of keeping them where they are.
        place: their position from 0 to 1 in the free space, instead of both.
    """
    if place is not None:
        return float(place * (room - np.ptp(span) * scale) - span[0] * scale)
    starts, ends = span[0] == 0, span[1] == side
    if starts != ends:  # cut off at one edge, where they stay
        return 0.0 if starts else room - side * scale
    middle = (span[0] + span[1]) / 2
    return float((room / 2 if centre else middle) - middle * scale)
