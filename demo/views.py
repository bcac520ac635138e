"""What people look at: the picture with their prompts, and the results. Pictures in, pictures out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from demo.session import Session
from mam import Matte
from mam.images import MAX_PIXELS, open_photo

BACKGROUNDS = Path(__file__).parent / "backgrounds"
LONGEST = 1280  # pixels of a picture on the page; downloads are always at full size

ADDED, TAKEN, FRAMED = (38, 166, 91), (214, 48, 49), (9, 132, 227)


def shown(pixels: np.ndarray) -> Image.Image:
    """(H, W, 3 or 4) uint8 -> the picture at the page's size."""
    image = Image.fromarray(pixels)
    scale = LONGEST / max(image.size)
    if scale >= 1:
        return image
    return image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))), Image.Resampling.BOX)


def scale_of(size: tuple[int, int]) -> float:
    """How many pixels of a picture of this (H, W) one pixel on the page stands for."""
    return max(1.0, max(size) / LONGEST)


def annotated(pixels: np.ndarray, session: Session, matte: Matte | None) -> Image.Image:
    """The picture with the matte's surroundings dimmed, the box and the clicks drawn in."""
    scale = scale_of(pixels.shape[:2])
    image = shown(pixels)
    if matte is not None:
        outside = Image.blend(image, Image.new("RGB", image.size, (70, 20, 90)), 0.7)
        image = Image.composite(image, outside, shown(matte.alpha_uint8()))
    draw = ImageDraw.Draw(image)
    unit = max(2, max(image.size) // 250)
    if session.box is not None:
        draw.rectangle([v / scale for v in session.box], outline=FRAMED, width=unit)
    marks = [(x, y, ADDED if label else TAKEN) for x, y, label in session.points]
    if session.corner is not None:
        marks.append((*session.corner, FRAMED))
    for x, y, colour in marks:
        x, y, r = x / scale, y / scale, 2 * unit
        draw.ellipse((x - r, y - r, x + r, y + r), fill=colour, outline="white", width=max(1, unit // 2))
    return image


TRANSPARENT, COLOUR, BLUR, PICTURE, OWN = "Transparent", "Colour", "Blur", "Picture", "Your own picture"


def composed(
    matte: Matte, kind: str, colour: str, strength: float, shipped: str, own: str | None, max_pixels: int = MAX_PIXELS
) -> np.ndarray:
    """The object over the chosen background, full size, uint8; RGBA if transparent, else RGB.

    Raises:
        InputError: no or no usable picture of one's own, or no colour.
    """
    if kind == TRANSPARENT:
        return matte.cutout()
    if kind == BLUR:
        return matte.over_blur(strength)
    if kind == COLOUR:
        return matte.over(_colour(colour))
    path = BACKGROUNDS / f"{shipped}.jpg" if kind == PICTURE else own
    return matte.over("white") if path is None else matte.over(open_photo(path, max_pixels).pixels)


def _colour(text: str) -> str | tuple[int, ...]:
    """Gradio's picker sends "#rrggbb" or "rgba(r, g, b, a)" with fractions."""
    if text.startswith("rgba("):
        return tuple(round(float(v)) for v in text[5:-1].split(",")[:3])
    return text


def shipped_backgrounds() -> list[str]:
    """Names of the backgrounds that come with the page."""
    return sorted(path.stem for path in BACKGROUNDS.glob("*.jpg"))
