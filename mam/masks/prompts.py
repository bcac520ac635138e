"""Prompts for one object, checked and converted to the decoder's inputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from reprlib import repr as shorten

import numpy as np
from PIL import Image

from mam.errors import InputError, PromptError
from mam.images import MAX_PIXELS, ImageSource, open_mask
from mam.masks import crops
from mam.masks.components import bounds_without_islands
from mam.masks.segment import Segment
from mam.model.contract import POINT_LABELS
from mam.model.frames import MASK_SIDE, Frame

MAX_POINTS = 512  # 64 strokes of 8 points, which the canvas allows for one object
MASK_LOGIT = 8.0  # of the pixels of a mask that the user gives


@dataclass(frozen=True, eq=False)
class Prompt:
    """The prompts for one object. All coordinates are (x, y) in pixels of the original image.

    Attributes:
        box: (x0, y0, x1, y1), or None.
        points: (N, 2) clicks.
        labels: (N,) 1 foreground, 0 background; all 1 if left out.
        scribbles: strokes, each (K, 2).
        scribble_labels: 1 or 0 for each stroke; all 1 if left out.
        mask: a mask of the image's (H, W): bools, numbers, or what `mam.images.open_mask` opens; or None. Without
            points and scribbles it is taken as it is; with them, as a rough mask that they correct.
        previous: the answer of the previous round, the `segment` of a `Matte` of the same image; or None.
    """

    box: Sequence[float] | None = None
    points: Sequence[Sequence[float]] = ()
    labels: Sequence[int] | None = None
    scribbles: Sequence[Sequence[Sequence[float]]] = ()
    scribble_labels: Sequence[int] | None = None
    mask: ImageSource | None = None
    previous: Segment | None = field(default=None, repr=False)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is given; malformed values are left to `check`."""
        several = [values for values in (self.points, self.scribbles) if values is not None]
        counts = [len(values) if hasattr(values, "__len__") else 1 for values in several]
        return self.box is None and self.mask is None and self.previous is None and not any(counts)

    def check(self, size: tuple[int, int]) -> CheckedPrompt:
        """Return the prompt as arrays, checked against an image of this (H, W).

        A box may extend beyond the image (it is clipped); everything else must lie inside.

        Raises:
            PromptError: empty, reversed, outside, not a number, wrong shape, or labels that do not match.
        """
        given, scribbles = (() if values is None else values for values in (self.points, self.scribbles))
        points = _array(given, "points")
        _check_inside(points, size, "points")
        labels = _labels(self.labels, len(points), "labels", "points")
        if not isinstance(scribbles, (list, tuple, np.ndarray)):
            raise PromptError(f"scribbles are {shorten(scribbles)}; expected a list of strokes, each of shape (K, 2).")
        strokes = [_spread(_array(s, f"scribbles[{i}]"), size, f"scribbles[{i}]") for i, s in enumerate(scribbles)]
        stroke_labels = _labels(self.scribble_labels, len(strokes), "scribble_labels", "scribbles")
        points = np.concatenate([points, *strokes])
        labels = np.concatenate([labels, *[np.full(len(s), v) for s, v in zip(strokes, stroke_labels, strict=True)]])
        if len(points) > MAX_POINTS:
            raise PromptError(f"{len(points)} points; at most {MAX_POINTS} are accepted.")
        box = None if self.box is None else _box(self.box, size)
        mask = None if self.mask is None else _mask(self.mask, size)
        previous = self.previous
        if not isinstance(previous, (Segment, type(None))):
            raise PromptError(
                f"previous is of type {type(previous).__name__}; expected the segment of an earlier answer."
            )
        if previous is not None and previous.stored_mask.size != size:
            raise PromptError(
                f"the previous round is of an image of (H, W) {previous.stored_mask.size}; this image is {size}."
            )
        if mask is not None and previous is not None:
            raise PromptError(
                "both a mask and a previous round were given, but the model has one input for them: choose one."
            )
        if box is None and not len(points) and mask is None:
            raise PromptError("the prompt is empty; give a box, at least one point, a scribble or a mask.")
        if box is None and mask is None and not (labels == 1).any() and previous is None:
            raise PromptError("all points are labelled as background; give a point on the object, or a box.")
        return CheckedPrompt(box, points, labels, mask, previous, has_own_box=box is not None)


@dataclass(frozen=True, eq=False)
class CheckedPrompt:
    """A prompt that fits its image.

    Attributes:
        box: (4,).
        points: (N, 2).
        labels: (N,).
        mask: (H, W) bool.
        previous: the answer that this prompt corrects.
        has_own_box: whether the user gave the box; otherwise it surrounds an earlier answer.
    """

    box: np.ndarray | None
    points: np.ndarray
    labels: np.ndarray
    mask: np.ndarray | None
    previous: Segment | None
    has_own_box: bool = False

    @property
    def is_ambiguous(self) -> bool:
        """Whether this is a single box or click: then SAM's masks 1 to 3 are better than mask 0, its single answer."""
        given = len(self.points) + (self.box is not None)
        return given == 1 and self.previous is None and self.mask is None

    @property
    def is_vague(self) -> bool:
        """Whether this is a single click or nothing at all."""
        return len(self.points) <= 1 and self.box is None and self.previous is None and self.mask is None

    @property
    def is_believed(self) -> bool:
        """Whether this is a mask without clicks, which needs no decoder."""
        return self.mask is not None and not len(self.points)

    def boxed(self, around: Segment | None) -> CheckedPrompt:
        """Return the prompt as a correction of an answer, with the box around its mask and the foreground points.

        A box that was given stays. Islands, regions under a tenth of the mask, are left out of the box.

        Args:
            around: the answer; the prompt is returned unchanged if it is None or empty.
        """
        if around is None or self.box is not None:
            return self
        bounds = bounds_without_islands(around.mask)
        if bounds is None:
            return self
        corners = np.concatenate([np.reshape(bounds, (2, 2)), self.points[self.labels == 1]])
        return replace(self, box=np.concatenate([corners.min(0), corners.max(0)]).astype(np.float64), previous=around)

    def to_input(self, frame: Frame, *, sam2: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return the decoder's inputs for this one prompt.

        Args:
            frame: the frame of the part of the image that is encoded; points outside it are left out.
            sam2: for a model with this policy.

        Returns:
            point_coords (N, 2) and point_labels (N,) float32, input frame; mask_input (1, 256, 256) float32;
            has_mask_input () float32. The order is SAM's: clicks, then the corners of the box; without a box, and of
            SAM 2 always, one padding point (0, 0) labelled -1, because they were trained so.
        """
        x0, y0, x1, y1 = frame.box
        inside = ((self.points >= (x0, y0)) & (self.points <= (x1, y1))).all(1)
        points, labels = self.points[inside], self.labels[inside]
        if self.box is not None:
            points = np.concatenate([points, self.box.reshape(2, 2)])
            labels = np.append(labels, (POINT_LABELS["box_top_left"], POINT_LABELS["box_bottom_right"]))
        coords = frame.to_input(points)
        if self.box is None or sam2:
            coords = np.concatenate([coords, np.zeros((1, 2), np.float32)])
            labels = np.append(labels, POINT_LABELS["padding"])
        mask_input = np.zeros((1, MASK_SIDE, MASK_SIDE), np.float32)
        if self.previous is not None:
            mask_input[0] = crops.transfer_logits(self.previous.logits, self.previous.frame, frame)
        elif self.mask is not None:
            mask_input[0] = _mask_to_logits(self.mask[y0:y1, x0:x1], frame)
        has_mask = np.array(self.previous is not None or self.mask is not None, np.float32)
        return coords, labels.astype(np.float32), mask_input, has_mask


def check_prompts(prompts: Sequence[Prompt], size: tuple[int, int]) -> list[CheckedPrompt]:
    """Check prompts against an image of this (H, W).

    Raises:
        PromptError: as `Prompt.check`; the message counts prompts from 1 if there are several.
    """
    checked = []
    for number, prompt in enumerate(prompts, 1):
        try:
            checked.append(prompt.check(size))
        except PromptError as error:
            raise PromptError(f"prompt {number}: {error}" if len(prompts) > 1 else str(error)) from None
    return checked


def _array(values: object, name: str) -> np.ndarray:
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise PromptError(f"{name} are not numbers ({shorten(str(error))}); expected shape (N, 2).") from None
    if array.size == 0:
        return np.zeros((0, 2))
    if array.ndim != 2 or array.shape[1] != 2:
        raise PromptError(f"{name} have shape {array.shape}; expected (N, 2), x and y per point.")
    if not np.isfinite(array).all():
        raise PromptError(f"{name} contain NaN or infinity; expected pixels of the image.")
    return array


def _labels(values: Sequence[int] | None, count: int, name: str, of: str) -> np.ndarray:
    if values is None:
        return np.ones(count, np.int64)
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise PromptError(f"{name} are {shorten(values)}; expected one 1 or 0 for each of the {count} {of}.") from None
    if array.shape != (count,):
        raise PromptError(f"{array.size} {name} for {count} {of}; expected one 1 or 0 for each.")
    if not np.isin(array, (0, 1)).all():
        raise PromptError(f"{name} are {shorten(array.tolist())}; expected 1 (foreground) or 0 (background).")
    return array.astype(np.int64)


def _check_inside(points: np.ndarray, size: tuple[int, int], name: str) -> None:
    h, w = size
    outside = ((points < 0) | (points > (w, h))).any(1)
    if outside.any():
        x, y = points[outside][0]
        raise PromptError(f"{name} lie outside the image: ({x:g}, {y:g}); x goes from 0 to {w}, y from 0 to {h}.")


def _box(values: Sequence[float], size: tuple[int, int]) -> np.ndarray:
    try:
        box = np.asarray(values, np.float64).reshape(-1)
    except (TypeError, ValueError, OverflowError):
        box = np.zeros(0)
    if box.shape != (4,):
        raise PromptError(f"the box is {shorten(values)}; expected four numbers x0, y0, x1, y1.")
    if not np.isfinite(box).all():
        raise PromptError(f"the box {box.tolist()} contains NaN or infinity; expected pixels of the image.")
    x0, y0, x1, y1 = box
    if x1 <= x0 or y1 <= y0:
        kind = "reversed" if x1 < x0 or y1 < y0 else "empty"
        raise PromptError(f"the box {box.tolist()} is {kind}; expected x0 < x1 and y0 < y1.")
    h, w = size
    cut = np.clip(box, 0, (w, h, w, h))
    if cut[2] - cut[0] < 1 or cut[3] - cut[1] < 1:
        raise PromptError(
            f"the box {box.tolist()} does not cover a pixel of the image, which is {w} wide and {h} high."
        )
    return cut


def _mask(source: ImageSource, size: tuple[int, int]) -> np.ndarray:
    try:
        # An image of another size is refused below, with both sizes.
        mask = open_mask(np.asarray(source) if isinstance(source, list) else source, max(MAX_PIXELS, math.prod(size)))
    except (InputError, ValueError) as error:  # ValueError: lists of different lengths
        raise PromptError(f"the mask cannot be used: {error}") from None
    if mask.shape != size:
        raise PromptError(f"the mask has shape {mask.shape}; expected the image's (H, W), {size}.")
    if not mask.any():
        raise PromptError("the mask is empty; expected at least one pixel of the object.")
    return mask


def _spread(stroke: np.ndarray, size: tuple[int, int], name: str) -> np.ndarray:
    """Place points at equal distances along a stroke: about one per twelfth of the image, at least 2, at most 8."""
    if not len(stroke):
        raise PromptError(f"{name} is empty; a stroke needs at least one point.")
    _check_inside(stroke, size, name)
    steps = np.hypot(*np.diff(stroke, axis=0).T) if len(stroke) > 1 else np.zeros(0)
    along = np.concatenate([[0.0], steps.cumsum()])
    if along[-1] < 2:
        return stroke[:1]
    count = min(8, max(2, math.ceil(along[-1] / (max(size) / 12))))
    # Midpoints of equal parts, because the ends of a quick stroke often cross the object's edge.
    at = (np.arange(count) + 0.5) / count * along[-1]
    return np.stack([np.interp(at, along, stroke[:, 0]), np.interp(at, along, stroke[:, 1])], axis=1)


def _mask_to_logits(mask: np.ndarray, frame: Frame) -> np.ndarray:
    h, w = frame.mask_size
    inner = (max(1, round(w)), max(1, round(h)))
    share = Image.fromarray(mask.astype(np.float32)).resize(inner, Image.Resampling.BOX)
    logits = np.full((MASK_SIDE, MASK_SIDE), -MASK_LOGIT, np.float32)
    logits[: inner[1], : inner[0]] = (2 * np.asarray(share) - 1) * MASK_LOGIT
    return logits
