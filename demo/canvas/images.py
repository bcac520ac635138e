"""Images inside canvas messages: the photo, mattes, previews and candidate thumbnails as data URLs."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image, ImageOps

from demo.canvas.protocol import MatteMessage, Offer, OfferMessage, PhotoMessage
from mam import Matte, Segment
from mam.images import Photo, open_photo
from mam.images.boxes import full_box, mask_bounds, pad_box
from mam.images.resize import downsample

_LONGEST = 2048  # pixels of the photo on the canvas, enough to zoom in on hair
_MASK_LONGEST = 1024  # of a mask that a matte replaces soon
_PREVIEW = 512
_THUMBNAIL = 112


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


def matte_message(matte: Matte | Segment, key: str, *, with_pixels: bool) -> MatteMessage:
    """Return one object's matte, or its mask in place of it.

    Args:
        matte: The matte, or the segment.
        key: The browser keeps its pixels under this name.
        with_pixels: Send them; the browser does not have them yet.
    """
    message: MatteMessage = {"key": key}
    if with_pixels and isinstance(matte, Matte):
        message["overlay"] = _alpha_url(matte.alpha_uint8(), _LONGEST)
    elif with_pixels:
        message["overlay"] = _alpha_url(matte.mask.astype(np.uint8) * 255, _MASK_LONGEST)
    return message


def preview_url(segment: Segment) -> str:
    """Return a data URL of a small white image with a mask as its alpha channel."""
    return _alpha_url(segment.mask.astype(np.uint8) * 255, _PREVIEW)


def offer_messages(photo: Photo, answer: Segment, offers: Mapping[str, Segment]) -> list[OfferMessage]:
    """Return thumbnails of what a prompt may have meant, all of the same part of the photo."""
    masks = {name: segment.mask for name, segment in offers.items()}
    union = np.logical_or.reduce([answer.mask, *masks.values()])
    x0, y0, x1, y1 = pad_box(mask_bounds(union) or full_box(photo.size), max(photo.size) // 32, photo.size)
    part = photo.pixels[y0:y1, x0:x1]
    return [
        {"name": cast(Offer, name), "source": _thumbnail_url(part, mask[y0:y1, x0:x1])} for name, mask in masks.items()
    ]


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
