"""Choose the crop of an image to encode for a prompt, and move masks and logits between crops.

A small encoder sees an object in more detail when only the part of the image around it is encoded. A crop is a box in
whole pixels of the original image; the whole image is a crop too.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from mam.images.boxes import PixelBox, full_box, mask_bounds, pad_box
from mam.masks.segment import Segment
from mam.model.frames import Frame

MIN_ZOOM = 1.25  # a crop that enlarges an object by less is not worth another encoding
MIN_SIDE = 16  # of a crop, in pixels
CLICK_SIDE = 0.35  # side of the crop around one click, as a fraction of the image's longest side
EDGE_CONTACT = 0.03  # an object that covers more than this fraction of an edge continues beyond it
UNSEEN_LOGIT = -8.0  # of pixels that an earlier crop did not contain


def choose_crop(
    box: np.ndarray | None,
    mask: np.ndarray | None,
    points: np.ndarray,
    previous: Segment | None,
    size: tuple[int, int],
    margin: float,
) -> PixelBox:
    """Choose the crop for a prompt.

    It surrounds the box, the mask or the previous round's mask, and all foreground points. The previous round's crop
    is kept if it contains the new prompts. The whole image is used if there are only points, or if a crop would
    enlarge the object by less than 1.25.

    Args:
        box: (4,) x0, y0, x1, y1, original frame; or None.
        mask: (H, W) bool; or None.
        points: (N, 2) x and y of the foreground points, original frame.
        previous: the previous round's answer; or None.
        size: (H, W) of the image.
        margin: space on each side, as a fraction of the longest side of what the crop surrounds.
    """
    full = full_box(size)
    if previous is not None:
        if previous.crop != full and contains(previous.crop, _bounds(box, None, points)):
            return previous.crop
        mask = previous.mask
    if box is None and (mask is None or not mask.any()):
        return full
    x0, y0, x1, y1 = _bounds(box, mask, points)
    grow = max(margin * max(x1 - x0, y1 - y0), (MIN_SIDE - min(x1 - x0, y1 - y0)) / 2)
    h, w = size
    crop = (
        max(0, int(x0 - grow)),
        max(0, int(y0 - grow)),
        min(w, int(np.ceil(x1 + grow))),
        min(h, int(np.ceil(y1 + grow))),
    )
    return crop if _zoom(crop, size) >= MIN_ZOOM else full


def crop_around_click(point: np.ndarray, size: tuple[int, int], zoom: int = 1) -> PixelBox:
    """Return a square crop around one click (x, y), moved to lie inside an image of this (H, W); smaller by `zoom`."""
    h, w = size
    side = max(MIN_SIDE, int(CLICK_SIDE / zoom * max(size)))
    x0, y0 = (int(np.clip(v - side / 2, 0, max(0, s - side))) for v, s in zip(point, (w, h), strict=True))
    return x0, y0, min(w, x0 + side), min(h, y0 + side)


def enlarge(crop: PixelBox, size: tuple[int, int]) -> PixelBox:
    """Return a crop twice as large around a crop, or the whole image, (H, W), where that would enlarge little."""
    x0, y0, x1, y1 = crop
    larger = pad_box(crop, max(x1 - x0, y1 - y0) // 2, size)
    return larger if _zoom(larger, size) >= MIN_ZOOM else full_box(size)


def is_cut_off(mask: np.ndarray, crop: PixelBox) -> bool:
    """Return whether an object probably continues beyond its crop.

    Args:
        mask: (H, W) bool, of the image.
        crop: the crop; the object cannot continue beyond the image's own edges.
    """
    (h, w), (x0, y0, x1, y1) = mask.shape, crop
    part = mask[y0:y1, x0:x1]
    inner = ((y0 > 0, part[0]), (y1 < h, part[-1]), (x0 > 0, part[:, 0]), (x1 < w, part[:, -1]))
    return any(edge.mean() > EDGE_CONTACT for is_inner, edge in inner if is_inner)


def transfer_logits(logits: np.ndarray, source: Frame, target: Frame) -> np.ndarray:
    """Resample (256, 256) float32 logits of one frame for another frame of the same image, bilinearly."""
    if source == target:
        return logits
    (sx, sy), (tx, ty) = _scales(source), _scales(target)
    # For each output pixel, its position in the input: Pillow's affine coefficients, between pixel centres.
    a, e = sx / tx, sy / ty
    c, f = (target.box[0] - source.box[0]) * sx, (target.box[1] - source.box[1]) * sy
    padded = logits.copy()
    h, w = map(math.ceil, source.mask_size)
    padded[h:] = padded[:, w:] = UNSEEN_LOGIT
    moved = Image.fromarray(padded).transform(
        logits.shape, Image.Transform.AFFINE, (a, 0, c, 0, e, f), Image.Resampling.BILINEAR, fillcolor=UNSEEN_LOGIT
    )
    return np.asarray(moved, np.float32)


def place_on_canvas(part: np.ndarray, crop: PixelBox, size: tuple[int, int]) -> np.ndarray:
    """Return the (h, w) array of a crop on a canvas of the image's (H, W), zero elsewhere."""
    if crop == full_box(size):
        return part
    canvas = np.zeros(size, part.dtype)
    canvas[crop[1] : crop[3], crop[0] : crop[2]] = part
    return canvas


def _zoom(crop: PixelBox, size: tuple[int, int]) -> float:
    """Return how much larger a crop of an image of this (H, W) is encoded than in the whole image."""
    return max(size) / max(crop[2] - crop[0], crop[3] - crop[1])


def _scales(frame: Frame) -> tuple[float, float]:
    """Return the pixels of the 256 x 256 logits per original pixel, along x and y."""
    (h, w), (h0, w0) = frame.mask_size, frame.original_size
    return w / w0, h / h0


def _bounds(box: np.ndarray | None, mask: np.ndarray | None, points: np.ndarray) -> tuple[float, float, float, float]:
    """Return x0, y0, x1, y1 around everything given; an empty range, from inf to -inf, if nothing is."""
    corners = [] if box is None else [np.reshape(box, (2, 2))]
    if mask is not None and (bounds := mask_bounds(mask)) is not None:
        corners.append(np.reshape(np.array(bounds, float), (2, 2)))
    together = np.concatenate([*corners, points, np.empty((0, 2))])
    if not len(together):
        return np.inf, np.inf, -np.inf, -np.inf
    (x0, y0), (x1, y1) = together.min(0), together.max(0)
    return float(x0), float(y0), float(x1), float(y1)


def contains(crop: PixelBox, bounds: tuple[float, float, float, float]) -> bool:
    """Return whether a crop contains the box of these x0, y0, x1, y1."""
    x0, y0, x1, y1 = bounds
    return crop[0] <= x0 and crop[1] <= y0 and x1 <= crop[2] and y1 <= crop[3]
