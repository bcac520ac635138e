"""What the canvas is told: a photo to show, and for each object its matte, its score and SAM's other answers."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from demo.session import Session
from demo.studio import Studio
from demo.views import shown
from mam import Matte, Segment

_LONGEST = 2048  # pixels of the photo on the canvas, enough to zoom in on hair
_THUMB = 112


def picture(studio: Studio, session: Session) -> dict[str, Any]:
    """The photo of a session, for the canvas to keep: its size in original pixels and an address that holds it."""
    photo = studio.scene(session).photo
    h, w = photo.size
    image = shown(photo.pixels, _LONGEST)
    return {"token": session.token, "width": w, "height": h, "source": _address(image, "JPEG", quality=92, subsampling=0)}


def answer(studio: Studio, session: Session, segment: Segment, matte: Matte, key: str, known: bool) -> dict[str, Any]:
    """One object's matte and the answers to choose from; without the matte's pixels if the canvas has them."""
    reply = {"key": key, "score": round(matte.score, 3), "chosen": segment.chosen}
    if not known:
        alpha = shown(matte.alpha_uint8(), _LONGEST)
        reply["overlay"] = _address(Image.merge("LA", (Image.new("L", alpha.size, 255), alpha)), "PNG", compress_level=1)
    scene = studio.scene(session)
    others = scene.alternatives(segment)[1:]
    part = _part(np.logical_or.reduce([other.mask for other in others]))
    reply["choices"] = [
        {"index": other.chosen, "score": round(other.score, 3), "source": _thumb(scene.photo.pixels[part], other.mask[part])}
        for other in others
    ]
    return reply


def mask(segment: Segment) -> str:
    """An address that holds a small picture of a mask, in its alpha channel."""
    small = shown(np.uint8(segment.mask) * 255, 512)
    return _address(Image.merge("LA", (Image.new("L", small.size, 255), small)), "PNG", compress_level=1)


def _part(mask: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns around a mask, with a little room."""
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(ys):
        return slice(None), slice(None)
    room = max(8, max(mask.shape) // 30)
    return slice(max(0, ys[0] - room), ys[-1] + room), slice(max(0, xs[0] - room), xs[-1] + room)


def _thumb(pixels: np.ndarray, mask: np.ndarray) -> str:
    """A part of the photo, dark where the mask is not."""
    photo = shown(pixels, _THUMB)
    inside = Image.fromarray(np.uint8(mask) * 255).resize(photo.size, Image.Resampling.BOX)
    dark = Image.blend(photo, Image.new("RGB", photo.size, (20, 24, 48)), 0.8)
    return _address(Image.composite(photo, dark, inside), "JPEG", quality=80)


def _address(image: Image.Image, kind: str, **options: Any) -> str:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(stream.getvalue()).decode()}"
