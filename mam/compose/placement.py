"""Placement of objects in a frame of their own: its aspect ratio, and where the objects stand in it and how large."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

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
    """

    aspect: float | None = None
    scale: float = 1.0
    offset: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InputError: the aspect ratio or the scale is not a positive number, or the offset is not finite.
        """
        for name, value in (("aspect", self.aspect), ("scale", self.scale)):
            if value is not None and not 0 < value < math.inf:
                raise InputError(f"{name} of the placement is {value}; expected a positive number.")
        if not all(math.isfinite(value) for value in self.offset):
            raise InputError(f"the offset of the placement is {self.offset}; expected two finite numbers.")

    def frame(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the frame's size (H, W) for a photo of a size (H, W).

        Both have the same longest side, unless the frame would have more than twice the photo's pixels.
        """
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
        scale = self.scale
        if self.aspect is not None:
            largest = (1 - 2 * _MARGIN) * np.array(frame) / (np.ptp(y_range), np.ptp(x_range))
            scale *= min(1.0, float(largest.min()))
        starts = [
            round(_start(span, side, room, scale, self.aspect is not None) + shift * room)
            for span, side, room, shift in zip((x_range, y_range), (w, h), frame[::-1], self.offset, strict=True)
        ]
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


def _start(span: np.ndarray, side: int, room: int, scale: float, centre: bool) -> float:
    """Return where the scaled photo begins in the frame, along one axis.

    Args:
        span: first and last + 1 pixel of the objects.
        side: the photo's size.
        room: the frame's size.
        scale: the photo's scale.
        centre: move the objects to the centre, instead of keeping them where they are.
    """
    starts, ends = span[0] == 0, span[1] == side
    if starts != ends:  # cut off at one edge, where they stay
        return 0.0 if starts else room - side * scale
    middle = (span[0] + span[1]) / 2
    return float((room / 2 if centre else middle) - middle * scale)
