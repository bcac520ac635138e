"""Close looks: which part of a picture to encode on its own, so that a small encoder sees the object large.

A crop is (x0, y0, x1, y1) in whole pixels of the original picture, far sides exclusive. The whole picture is a crop too.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from mam.contract import MASK_SIDE
from mam.frames import SIDE, Frame
from mam.segment import Segment

Crop = tuple[int, int, int, int]

_WORTH = 1.25  # enlarging an object by less is not worth another encoding
_SMALLEST = 16  # pixels of the shortest crop
_CLICK = 0.35  # side of the crop around one click, in parts of the picture's longest side
_TOUCHES = 0.15  # of an edge of the crop: an object that covers more of it goes on outside
_OUTSIDE = -8.0  # logit of what an earlier crop did not see


def whole(size: tuple[int, int]) -> Crop:
    """The crop at all of a picture of this (H, W)."""
    return 0, 0, size[1], size[0]


def choose(
    box: np.ndarray | None,
    mask: np.ndarray | None,
    points: np.ndarray,
    previous: Segment | None,
    size: tuple[int, int],
    margin: float,
) -> Crop:
    """The part of a picture to crop at for a prompt.

    Around the box, the mask, or what the round before found, with all points that belong to the object; the same as in
    the round before if that will do; the whole picture if there are only points, or if a closer crop would enlarge little.

    Args:
        box: (4,) or None. mask: (H, W) bool or None. points: (N, 2), those that belong to the object.
        previous: the round before, or None.
        size: (H, W) of the picture.
        margin: what is left on each side, in parts of the longest side of what is looked at.
    """
    full = whole(size)
    if previous is not None:
        if previous.crop != full and _holds(previous.crop, _bounds(box, None, points)):
            return previous.crop
        mask = previous.mask
    if box is None and (mask is None or not mask.any()):
        return full
    x0, y0, x1, y1 = _bounds(box, mask, points)
    grow = max(margin * max(x1 - x0, y1 - y0), (_SMALLEST - min(x1 - x0, y1 - y0)) / 2)
    h, w = size
    crop = (
        max(0, int(x0 - grow)),
        max(0, int(y0 - grow)),
        min(w, int(np.ceil(x1 + grow))),
        min(h, int(np.ceil(y1 + grow))),
    )
    enlarges = max(size) / max(crop[2] - crop[0], crop[3] - crop[1])
    return crop if enlarges >= _WORTH else full


def around_click(point: np.ndarray, size: tuple[int, int]) -> Crop:
    """A square crop around one click, (x, y): 0.35 of the longest side, moved to lie inside."""
    h, w = size
    side = max(_SMALLEST, int(_CLICK * max(size)))
    x0, y0 = (int(np.clip(v - side / 2, 0, max(0, s - side))) for v, s in zip(point, (w, h)))
    return x0, y0, min(w, x0 + side), min(h, y0 + side)


def cut_off(mask: np.ndarray, crop: Crop, size: tuple[int, int]) -> bool:
    """True if what was found in a crop, (h, w) bool of the crop, seems to go on beyond an edge that is not the picture's."""
    h, w = size
    inner = ((crop[1] > 0, mask[0]), (crop[3] < h, mask[-1]), (crop[0] > 0, mask[:, 0]), (crop[2] < w, mask[:, -1]))
    return any(edge.mean() > _TOUCHES for is_inner, edge in inner if is_inner)


def carry(logits: np.ndarray, seen: Crop, crop: Crop) -> np.ndarray:
    """(256, 256) float32 logits of one crop -> the same for another crop at the same picture, bilinear."""
    if seen == crop:
        return logits
    (sx, sy), (tx, ty) = _scales(seen), _scales(crop)
    # For each output pixel, where it lies in the input: Pillow's affine coefficients, between pixel centres.
    a, e = sx / tx, sy / ty
    c, f = (crop[0] - seen[0]) * sx, (crop[1] - seen[1]) * sy
    padded = logits.copy()
    h, w = Frame.of((seen[3] - seen[1], seen[2] - seen[0])).input_size
    padded[-(-h * MASK_SIDE // SIDE) :] = padded[:, -(-w * MASK_SIDE // SIDE) :] = _OUTSIDE
    moved = Image.fromarray(padded).transform(
        logits.shape, Image.Transform.AFFINE, (a, 0, c, 0, e, f), Image.Resampling.BILINEAR, fillcolor=_OUTSIDE
    )
    return np.asarray(moved, np.float32)


def place(part: np.ndarray, crop: Crop, size: tuple[int, int]) -> np.ndarray:
    """What was found in a crop, (h, w), on the whole picture's canvas, (H, W), zero elsewhere."""
    if crop == whole(size):
        return part
    canvas = np.zeros(size, part.dtype)
    canvas[crop[1] : crop[3], crop[0] : crop[2]] = part
    return canvas


def _scales(crop: Crop) -> tuple[float, float]:
    """Pixels of the 256 x 256 logits per original pixel, along x and y."""
    frame = Frame.of((crop[3] - crop[1], crop[2] - crop[0]))
    (h, w), (h0, w0) = frame.input_size, frame.original_size
    return w / w0 * MASK_SIDE / SIDE, h / h0 * MASK_SIDE / SIDE


def _bounds(box: np.ndarray | None, mask: np.ndarray | None, points: np.ndarray) -> tuple[float, float, float, float]:
    """x0, y0, x1, y1 around all that is given; inside out if nothing is."""
    corners = [np.reshape(box, (2, 2))] if box is not None else []
    if mask is not None and mask.any():
        ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        corners.append(np.array([[xs[0], ys[0]], [xs[-1] + 1, ys[-1] + 1]], float))
    together = np.concatenate([*corners, points, np.empty((0, 2))])
    if not len(together):
        return np.inf, np.inf, -np.inf, -np.inf
    return (*together.min(0), *together.max(0))


def _holds(crop: Crop, bounds: tuple[float, float, float, float]) -> bool:
    x0, y0, x1, y1 = bounds
    return crop[0] <= x0 and crop[1] <= y0 and x1 <= crop[2] and y1 <= crop[3]
