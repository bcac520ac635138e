"""Images inside canvas messages: the photo, mattes, previews and candidate thumbnails as data URLs."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageOps

from demo.canvas.protocol import CandidateMessage, MatteMessage, PhotoMessage
from mam import Matte, Segment
from mam.images import Photo, open_photo
from mam.images.boxes import full_box, mask_bounds, pad_box
from mam.images.resize import downsample
from mam.model.contract import MASK_SIDE
from mam.model.frames import SIDE, Frame

_LONGEST = 2048  # pixels of the photo on the canvas, enough to zoom in on hair
_MASK_LONGEST = 1024  # of a mask that a matte replaces soon
_PREVIEW = 512
_THUMBNAIL = 112
_SAME = 0.9  # IoU from which two answers look the same
_THUMBNAIL_MARGIN = 8  # pixels of the low-resolution masks


def photo_message(photo: Photo, shown: object = None) -> PhotoMessage:
    """Return the photo for the canvas to keep.

    Args:
        photo: The photo.
        shown: The size (width, height) of the browser's own image of the file, which is as good if the shape is the
            same and nothing is transparent: the browser applies EXIF and profiles as `open_photo` does. None without.
    """
    h, w = photo.size
    if photo.alpha is None and isinstance(shown, list) and len(shown) == 2 and all(type(v) is int for v in shown):
        width, height = shown
        if abs(width * h - height * w) <= max(width, height, w, h):
            return {"width": w, "height": h}
    image = Image.fromarray(downsample(photo.pixels, _LONGEST))
    source = _data_url(image, "JPEG", quality=92, subsampling=0, icc_profile=photo.icc_profile)
    return {"width": w, "height": h, "source": source}


def thumbnail_url(path: Path, side: int) -> str:
    """Return a data URL of a square thumbnail, cut from the middle of a photo."""
    square = ImageOps.fit(Image.fromarray(open_photo(path).pixels), (side, side), Image.Resampling.LANCZOS)
    return _data_url(square, "JPEG", quality=85)


def matte_message(
    matte: Matte | Segment, photo: Photo, key: str, *, with_pixels: bool, with_candidates: bool
) -> MatteMessage:
    """Return one object's matte, or its mask in place of it.

    Args:
        matte: The matte, or the segment.
        photo: It belongs to this photo.
        key: The browser keeps its pixels under this name.
        with_pixels: Send them; the browser does not have them yet.
        with_candidates: Send SAM's other answers too.
    """
    segment = matte.segment if isinstance(matte, Matte) else matte
    message: MatteMessage = {"key": key, "chosen": segment.chosen}
    if with_pixels and isinstance(matte, Matte):
        message["overlay"] = _alpha_url(matte.alpha_uint8(), _LONGEST)
    elif with_pixels:
        message["overlay"] = _alpha_url(segment.mask.astype(np.uint8) * 255, _MASK_LONGEST)
    if with_candidates:
        message["candidates"] = _candidates(segment, photo)
    return message


def preview_url(segment: Segment) -> str:
    """Return a data URL of a small white image with a mask as its alpha channel."""
    return _alpha_url(segment.mask.astype(np.uint8) * 255, _PREVIEW)


def reading_messages(photo: Photo, segments: Mapping[Literal["add", "only"], Segment]) -> list[CandidateMessage]:
    """Return thumbnails of the possible meanings of a click, all of the same part of the photo."""
    masks = {reading: segment.mask for reading, segment in segments.items()}
    union = np.logical_or.reduce(list(masks.values()))
    x0, y0, x1, y1 = pad_box(mask_bounds(union) or full_box(photo.size), max(photo.size) // 32, photo.size)
    part = photo.pixels[y0:y1, x0:x1]
    return [{"reading": name, "source": _thumbnail_url(part, mask[y0:y1, x0:x1])} for name, mask in masks.items()]


def _candidates(segment: Segment, photo: Photo) -> list[CandidateMessage]:
    """Those of SAM's answers 1 to 3 that differ from the chosen one and from each other.

    Each is a thumbnail of the part of the photo where any answer is. The chosen one is among them if it is one of 1 to
    3, so that it can be chosen again.
    """
    x0, y0, x1, y1 = segment.crop
    h, w = (-(-v * MASK_SIDE // SIDE) for v in Frame.of((y1 - y0, x1 - x0)).input_size)
    masks = segment.low_res_masks[:, :h, :w] > 0
    union = np.asarray(masks.any(0))
    left, top, right, bottom = pad_box(mask_bounds(union) or full_box(union.shape), _THUMBNAIL_MARGIN, union.shape)
    y_scale, x_scale = (y1 - y0) / h, (x1 - x0) / w
    part = photo.pixels[
        y0 + int(top * y_scale) : y0 + round(bottom * y_scale), x0 + int(left * x_scale) : x0 + round(right * x_scale)
    ]
    shown = [segment.chosen]
    for k in (1, 2, 3):
        if masks[k].any() and all(_overlap(masks[k], masks[other]) < _SAME for other in shown):
            shown.append(k)
    return [
        {"index": k, "source": _thumbnail_url(part, masks[k][top:bottom, left:right])}
        for k in sorted(shown)
        if k > 0 and len(shown) > 1
    ]


def _overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Return the IoU of two masks."""
    return float((one & other).sum() / max(1, (one | other).sum()))


def _thumbnail_url(pixels: np.ndarray, mask: np.ndarray) -> str:
    """Return a part of the photo, dark outside the mask."""
    photo = Image.fromarray(downsample(pixels, _THUMBNAIL))
    inside = Image.fromarray(mask.astype(np.uint8) * 255).resize(photo.size, Image.Resampling.BOX)
    dark = Image.blend(photo, Image.new("RGB", photo.size, (20, 24, 48)), 0.8)
    return _data_url(Image.composite(photo, dark, inside), "JPEG", quality=80)


def _alpha_url(alpha: np.ndarray, longest: int) -> str:
    """Return a white image with this alpha channel."""
    small = Image.fromarray(downsample(alpha, longest))
    return _data_url(Image.merge("LA", (Image.new("L", small.size, 255), small)), "PNG", compress_level=1)


def _data_url(image: Image.Image, kind: str, **options: Any) -> str:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(stream.getvalue()).decode()}"
