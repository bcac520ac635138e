"""Compositing: backgrounds, shadows and edges, as functions of numpy arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageColor, ImageFilter, ImageOps

from mam.errors import InputError
from mam.images.resize import downsample, to_uint8

Colour = str | Sequence[int]

_FINE_BLUR = 8.0  # pixels of radius, above which a smaller image that is blurred by this much gives the same picture


def over(foreground: np.ndarray, alpha: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Compose colours over a background by the compositing equation, I = alpha F + (1 - alpha) B.

    Args:
        foreground: (H, W, 3) uint8.
        alpha: (H, W) float32 in [0, 1].
        background: (H, W, 3) uint8.

    Returns:
        (H, W, 3) uint8.
    """
    a = alpha[..., None].astype(np.float32)
    return (foreground * a + background * (1 - a) + 0.5).astype(np.uint8)


def fit_image(
    image: np.ndarray,
    size: tuple[int, int],
    *,
    whole: bool = False,
    centre: tuple[float, float] = (0.5, 0.5),
) -> np.ndarray:
    """Scale an image to cover a frame, and crop it.

    Args:
        image: (h, w, 3) uint8 RGB.
        size: (H, W) of the frame in pixels.
        whole: show the whole image instead, on a blurred copy that covers the frame.
        centre: (x, y) from 0 (left or top) to 1: which part of the image is kept, or where the whole image is placed.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    h, w = size
    picture = Image.fromarray(image)
    covering = ImageOps.fit(picture, (w, h), Image.Resampling.LANCZOS, centering=centre)
    if whole:
        scale = min(w / picture.width, h / picture.height)
        inner_size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        inner = picture.resize(inner_size, Image.Resampling.LANCZOS)
        covering = covering.filter(ImageFilter.GaussianBlur(max(w, h) / 40))
        covering.paste(inner, (round((w - inner.width) * centre[0]), round((h - inner.height) * centre[1])))
    return np.asarray(covering)


def is_colour(value: object) -> bool:
    """Whether a value is a colour: a name or code that Pillow knows, or three values from 0 to 255."""
    try:
        _parse_colour(value)
    except InputError:
        return False
    return True


def fill(colour: Colour, size: tuple[int, int]) -> np.ndarray:
    """Make an area of one colour, ("white", "#20a0ff", (32, 160, 255)), (H, W, 3) uint8 RGB.

    Raises:
        InputError: it is not a colour.
    """
    return np.broadcast_to(np.array(_parse_colour(colour), np.uint8), (*size, 3))


def gradient(top: Colour, bottom: Colour, size: tuple[int, int]) -> np.ndarray:
    """Make a vertical gradient between two colours.

    Args:
        top: a colour, as for `fill`.
        bottom: likewise.
        size: (H, W) in pixels.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        InputError: one of them is not a colour.
    """
    h, w = size
    fraction = np.linspace(0, 1, h)[:, None]
    column = np.asarray(_parse_colour(top)) * (1 - fraction) + np.asarray(_parse_colour(bottom)) * fraction
    return np.broadcast_to((column + 0.5).astype(np.uint8)[:, None], (h, w, 3))


def _parse_colour(colour: object) -> tuple[int, ...]:
    try:
        values = ImageColor.getrgb(colour)[:3] if isinstance(colour, str) else tuple(map(int, colour))  # type: ignore[call-overload]
        if len(values) != 3 or not all(0 <= v <= 255 for v in values):
            raise ValueError("three values from 0 to 255 are needed")
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the background {str(colour)[:100]!r} is neither an image nor a colour ({error}); "
            "expected a name like 'white', a code like '#20a0ff', three values 0..255, or an image."
        ) from None
    return values


def add_shadow(background: np.ndarray, alpha: np.ndarray, strength: float = 0.5) -> np.ndarray:
    """Darken a background by the object's soft shadow, which is shifted to the right and down.

    Args:
        background: (H, W, 3) uint8.
        alpha: (H, W) float32 in [0, 1], the object's.
        strength: from 0, no shadow, to 1, a black shadow.

    Returns:
        (H, W, 3) uint8.
    """
    h, w = alpha.shape
    radius = 0.02 * max(h, w)
    shadow = Image.new("L", (w, h))
    shadow.paste(Image.fromarray(to_uint8(alpha)), (round(radius / 2), round(radius)))
    darkness = np.asarray(shadow.filter(ImageFilter.GaussianBlur(radius)), np.float32)[..., None] / 255
    return (background * (1 - strength * darkness) + 0.5).astype(np.uint8)


def add_outline(cutout: np.ndarray, width: float) -> np.ndarray:
    """Add a white outline with round corners around the objects, as of a sticker.

    Args:
        cutout: (H, W, 4) uint8 RGBA, not premultiplied.
        width: in thousandths of the longest side.

    Returns:
        (H, W, 4) uint8 RGBA.
    """
    radius = width / 1000 * max(cutout.shape[:2])
    solid = Image.fromarray(np.where(cutout[..., 3] > 127, np.uint8(255), np.uint8(0)))
    # Beside a straight edge, a Gaussian blur has fallen to 10% at 1.28 standard deviations.
    near = np.asarray(solid.filter(ImageFilter.GaussianBlur(radius / 1.28)), np.float32) / 255
    slope = 0.175 * 1.28 / radius  # of the blur there, per pixel
    alpha = np.clip((near - 0.1) / slope + 0.5, 0, 1)
    white = np.dstack([np.full(cutout.shape, 255, np.uint8)[..., :3], to_uint8(alpha)])
    return np.asarray(Image.alpha_composite(Image.fromarray(white), Image.fromarray(cutout)))


def adjust_edges(alpha: np.ndarray, *, softness: float = 0.0, grow: float = 0.0) -> np.ndarray:
    """Move and soften the edges of an alpha.

    Args:
        alpha: (H, W) float32 in [0, 1].
        softness: -1 makes edges hard, 0 leaves them unchanged, 1 makes them soft.
        grow: how far edges move outwards, or inwards if negative, in thousandths of the longest side.

    Returns:
        (H, W) float32 in [0, 1]; the alpha itself if nothing changes.
    """
    longest = max(alpha.shape)
    reach = round(abs(grow) / 1000 * longest)
    if reach:
        alpha = _dilate(alpha, reach) if grow > 0 else 1 - _dilate(1 - alpha, reach)
    if softness > 0:
        image = Image.fromarray(to_uint8(alpha)).filter(ImageFilter.GaussianBlur(softness * 0.006 * longest))
        alpha = np.asarray(image, np.float32) / 255
    if softness < 0:
        alpha = np.clip((alpha - 0.5) / (1 + 0.95 * softness) + 0.5, 0, 1)
    return alpha


def _dilate(values: np.ndarray, reach: int) -> np.ndarray:
    """Return the maximum of (H, W) values within `reach` rows and columns of each pixel.

    Windows of 1, 2, 4, ... pixels give the maximum of any window by two overlapping ones.
    """
    for axis in (0, 1):
        padding = [(0, 0), (0, 0)]
        padding[axis] = (reach, reach)
        maxima, width, full = np.moveaxis(np.pad(values, padding, mode="edge"), axis, 0), 1, 2 * reach + 1
        while 2 * width <= full:
            maxima, width = np.maximum(maxima[:-width], maxima[width:]), 2 * width
        count = values.shape[axis]
        values = np.moveaxis(np.maximum(maxima[:count], maxima[full - width : full - width + count]), 0, axis)
    return values


def blur_background(pixels: np.ndarray, alpha: np.ndarray, strength: float) -> np.ndarray:
    """Blur the background of an image, without the object's colours.

    Args:
        pixels: (H, W, 3) uint8, the image.
        alpha: (H, W) float32 in [0, 1], the object's.
        strength: radius in thousandths of the longest side; 10 is a gentle blur, 40 a strong one.

    Returns:
        (H, W, 3) uint8.
    """
    h, w = alpha.shape
    longest = max(h, w)
    radius = strength / 1000 * longest
    if radius > _FINE_BLUR:
        side = max(1, round(longest * _FINE_BLUR / radius))
        blurred = _blur_behind(downsample(pixels, side), downsample(alpha, side), radius * side / longest)
        return np.asarray(Image.fromarray(blurred).resize((w, h), Image.Resampling.BILINEAR))
    return _blur_behind(pixels, alpha, radius)


def _blur_behind(pixels: np.ndarray, alpha: np.ndarray, radius: float) -> np.ndarray:
    """Blur as `blur_background`, with a radius in pixels."""
    # Premultiplied by the background's own weight, 1 - alpha, so that the blur averages the background only.
    behind = (np.dstack([pixels * (1 - alpha[..., None]), 255 * (1 - alpha)]) + 0.5).astype(np.uint8)
    soft = np.asarray(Image.fromarray(behind, "RGBA").filter(ImageFilter.GaussianBlur(radius)), np.float32)
    weight = soft[..., 3:] / 255
    # Far inside the object the weight is too small to divide by; colours from farther away are continued there, because
    # a moved object uncovers those pixels.
    share = np.clip((weight - 0.02) / 0.04, 0, 1)
    colours = share * soft[..., :3] / np.maximum(weight, 0.02) + (1 - share) * _continue_colours(behind)
    return np.clip(colours, 0, 255).astype(np.uint8)


def _continue_colours(behind: np.ndarray) -> np.ndarray:
    """Average (H, W, 4) uint8 premultiplied colours over ever larger areas, until each has some; (H, W, 3) float32."""
    h, w = behind.shape[:2]
    scale = min(1.0, 64 / max(h, w))
    size = max(1, round(w * scale)), max(1, round(h * scale))
    small = Image.fromarray(behind, "RGBA")
    small = Image.merge("RGBA", [band.resize(size, Image.Resampling.BOX) for band in small.split()])
    filled = np.zeros((size[1], size[0], 3), np.float32)
    for radius in (64, 16, 4):  # the nearest colours last
        soft = np.asarray(small.filter(ImageFilter.GaussianBlur(radius)), np.float32)
        weight = soft[..., 3:] / 255
        filled = np.where(weight > 0.02, soft[..., :3] / np.maximum(weight, 0.02), filled)
    colours = Image.fromarray(np.clip(filled, 0, 255).astype(np.uint8)).resize((w, h), Image.Resampling.BILINEAR)
    return np.asarray(colours, np.float32)


def checkerboard(size: tuple[int, int], cell: int | None = None) -> np.ndarray:
    """Make the white and light grey checkerboard that stands for transparency.

    Args:
        size: (H, W) in pixels.
        cell: side of a square in pixels; None for 1/64 of the longest side, at least 8.

    Returns:
        (H, W, 3) uint8.
    """
    cell = cell or max(8, max(size) // 64)
    rows, columns = np.indices(size) // cell
    white, grey = np.full(3, 255, np.uint8), np.full(3, 214, np.uint8)
    return np.where(((rows + columns) % 2 == 0)[..., None], white, grey)
