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
from mam.contract import MASK_SIDE
from mam.frames import SIDE, Frame

_LONGEST = 2048  # pixels of the photo on the canvas, enough to zoom in on hair
_THUMB = 112


def picture(studio: Studio, session: Session) -> dict[str, Any]:
    """The photo of a session, for the canvas to keep: its size in original pixels and an address that holds it."""
    photo = studio.scene(session).photo
    h, w = photo.size
    image = shown(photo.pixels, _LONGEST)
    source = _address(image, "JPEG", quality=92, subsampling=0, icc_profile=photo.icc_profile)
    return {"token": session.token, "width": w, "height": h, "source": source}


def answer(matte: Matte, key: str, known: bool, chosen: bool) -> dict[str, Any]:
    """One object's matte, without its pixels if they are known; for the chosen object SAM's other answers too."""
    reply: dict[str, Any] = {"key": key, "chosen": matte.segment.chosen}
    if not known:
        alpha = shown(matte.alpha_uint8(), _LONGEST)
        reply["overlay"] = _address(
            Image.merge("LA", (Image.new("L", alpha.size, 255), alpha)), "PNG", compress_level=1
        )
    if chosen:
        reply["choices"] = _choices(matte)
    return reply


def _choices(matte: Matte) -> list[dict[str, Any]]:
    """SAM's answers 1 to 3 as small pictures of the part of the photo where they are."""
    segment, (x0, y0, x1, y1) = matte.segment, matte.segment.crop
    h, w = (-(-v * MASK_SIDE // SIDE) for v in Frame.of((y1 - y0, x1 - x0)).input_size)
    masks = segment.low_res_masks[1:, :h, :w] > 0
    rows, columns = _part(masks.any(0))
    down, right = (y1 - y0) / h, (x1 - x0) / w
    part = matte.photo.pixels[
        y0 + int(rows.start * down) : y0 + round(rows.stop * down),
        x0 + int(columns.start * right) : x0 + round(columns.stop * right),
    ]
    return [
        {"index": k, "score": round(float(segment.scores[k]), 3), "source": _thumb(part, mask[rows, columns])}
        for k, mask in enumerate(masks, 1)
    ]


def mask(segment: Segment) -> str:
    """An address that holds a small picture of a mask, in its alpha channel."""
    small = shown(np.uint8(segment.mask) * 255, 512)
    return _address(Image.merge("LA", (Image.new("L", small.size, 255), small)), "PNG", compress_level=1)


def _part(mask: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns around a mask, with a little room; all if it is empty."""
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(ys):
        return slice(0, mask.shape[0]), slice(0, mask.shape[1])
    room = 8
    return (
        slice(max(0, int(ys[0]) - room), min(mask.shape[0], int(ys[-1]) + 1 + room)),
        slice(max(0, int(xs[0]) - room), min(mask.shape[1], int(xs[-1]) + 1 + room)),
    )


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
