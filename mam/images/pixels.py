"""From a decoded image or an array of any kind to 8-bit RGB and transparency."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Iterator

import numpy as np
from PIL import Image

from mam.errors import InputError
from mam.images.profiles import is_rgb, to_srgb

_ORIENTATION = 0x0112  # EXIF tag
# What makes an image with this orientation upright.
_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TOLERANCE = 1.1  # by which values may exceed a range's end, through sharpening or interpolation
_ROUNDING = 1e-3  # by which floats of an array may exceed [0, 1]
_STRIP = 2**20  # pixels that are converted at once
_COUNTED = 25_000_000  # values of which a percentile is taken; of larger images, a share of the rows
_WITH_RGB = ("RGB", "P", "PA", "RGBA", "RGBa")  # modes of colours as they are in a file
_HIGH_DYNAMIC_RANGE = 16.0  # floats up to here are brightnesses above white, not 8-bit values


def turn_upright(image: Image.Image) -> Image.Image:
    """Apply the orientation of an image's EXIF data; other tags, which may be broken, are not looked at."""
    orientation = None
    with contextlib.suppress(Exception):  # Pillow raises many types for broken EXIF data; the pixels are usable
        orientation = image.getexif().get(_ORIENTATION)
    transposition = _TRANSPOSITIONS.get(orientation) if isinstance(orientation, int) else None
    return image if transposition is None else image.transpose(transposition)


def split(
    image: Image.Image, profile: bytes | None, what: str, size: tuple[int, int] | None = None
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None, bytes | None]:
    """Convert a decoded image to colours and transparency, a strip at a time: only the results are held as a whole.

    Args:
        image: an image of any mode.
        profile: its ICC profile, or None.
        what: names the image in errors.
        size: (H, W) of the results, at most the image's: pixels are averaged; None for the image's own.

    Returns:
        Colours (H, W, 3) uint8 RGB, over white where transparent; the colours by themselves, and alpha (H, W) uint8,
        both None if the image is opaque; and the profile that the colours are in, or None for sRGB.

    Raises:
        InputError: the image has no finite values.
    """
    h, w = size = size or (image.height, image.width)
    is_rgb_image = image.mode == "RGB" and "transparency" not in image.info
    kept = profile if image.mode in _WITH_RGB and is_rgb(profile) else None
    if is_rgb_image and size == (image.height, image.width):
        return np.asarray(image), None, None, kept
    white = _white(image, what) if _is_deep(image) else 0.0
    straight, alpha, composed = np.empty((h, w, 3), np.uint8), None, None
    for y0 in range(0, h, rows := max(1, _STRIP * h // (image.width * image.height))):
        y1 = min(h, y0 + rows)
        # Of the image's rows: the box that the strip averages, and the whole rows around it.
        top, bottom = y0 * image.height / h, y1 * image.height / h
        if is_rgb_image:
            strip = image.resize((w, y1 - y0), Image.Resampling.BOX, (0, top, image.width, bottom))
            straight[y0:y1] = np.asarray(strip)
            continue
        first, last = int(top), min(image.height, math.ceil(bottom))
        pixels, shown, clear = _split_strip(image.crop((0, first, image.width, last)), profile, white)
        if size != (image.height, image.width):
            box = (0, top - first, image.width, bottom - first)
            resize = functools.partial(_average, size=(w, y1 - y0), box=box)
            pixels = resize(pixels)
            shown, clear = (None if one is None else resize(one) for one in (shown, clear))
        straight[y0:y1] = pixels
        if clear is None and alpha is None:
            continue
        if alpha is None or composed is None:  # all strips above are opaque
            alpha, composed = np.full((h, w), 255, np.uint8), straight.copy()
        composed[y0:y1] = pixels if shown is None else shown
        alpha[y0:y1] = 255 if clear is None else clear
    if alpha is None or composed is None:
        return straight, None, None, kept
    return composed, straight, alpha, kept


def _split_strip(
    image: Image.Image, profile: bytes | None, white: float
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Return the colours of a part of an image, the colours over white, and its alpha; the last two None if opaque."""
    alpha = None
    if _is_deep(image):
        values, clear = np.asarray(image), image.info.get("transparency")
        if isinstance(clear, int):  # this value is transparent
            alpha = np.where(values == clear, 0, 255).astype(np.uint8)
        image = Image.fromarray(_to_eight_bits(values, white))
    if image.mode in ("P", "PA", "LA", "La", "RGBA", "RGBa") or "transparency" in image.info:
        grey = image.mode in ("L", "LA", "La")
        layers = image.convert("LA" if grey else "RGBA")
        alpha = np.asarray(layers.getchannel("A"))
        image = layers.convert("L" if grey else "RGB")  # neither uses the alpha
    pixels = np.asarray(image if image.mode == "RGB" else to_srgb(image, profile))
    if alpha is None or alpha.min(initial=255) == 255:
        return pixels, None, None
    over_white = pixels * alpha[..., None].astype(np.uint16)  # none of these numbers is above 65535
    over_white += 255 * (255 - alpha[..., None].astype(np.uint16)) + 127
    return pixels, (over_white // 255).astype(np.uint8), alpha


def _average(pixels: np.ndarray, size: tuple[int, int], box: tuple[float, float, float, float]) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX, box))


def from_array(array: np.ndarray, what: str) -> Image.Image:
    """Convert an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) of bools, integers or floats to a PIL image.

    Raises:
        InputError: the array has another shape or dtype, or its values fit no usual range.
    """
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise InputError(f"{what} is not an image array; expected (H, W), (H, W, 3) or (H, W, 4).")
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * 255
    elif array.dtype.kind == "u" and array.dtype.itemsize == 2:
        array = (array / 257.0 + 0.5).astype(np.uint8)
    elif array.dtype.kind == "f":
        if not np.isfinite(array).all() or array.min(initial=0) < -_ROUNDING or array.max(initial=0) > 1 + _ROUNDING:
            raise InputError(f"{what} holds values outside [0, 1] or NaN; expected floats in [0, 1], or uint8.")
        array = (np.clip(array, 0, 1) * 255 + 0.5).astype(np.uint8)
    elif array.dtype.kind in "iu":
        if array.size and (array.min() < 0 or array.max() > 255):
            raise InputError(f"{what} holds values from {array.min()} to {array.max()}; expected 0 to 255, or uint16.")
        array = array.astype(np.uint8)
    else:
        raise InputError(f"{what} is not understood; expected uint8, uint16 or floats in [0, 1].")
    return Image.fromarray(np.ascontiguousarray(array))


def _is_deep(image: Image.Image) -> bool:
    """Whether an image has one channel of more than 8 bits."""
    return image.mode.startswith("I") or image.mode == "F"


def _white(image: Image.Image, what: str) -> float:
    """Return the value that becomes 255 in an image of more than 8 bits; the range is guessed from the largest one.

    Raises:
        InputError: the image has no finite value.
    """
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        return 65535.0
    w, h = image.size
    rows = max(1, _STRIP // w)

    def finite_values(step: int) -> Iterator[np.ndarray]:
        for y in range(0, h, rows):
            values = np.asarray(image.crop((0, y, w, min(h, y + rows))))[::step].astype(np.float32)
            yield values[np.isfinite(values)]

    largest = max((float(values.max()) for values in finite_values(1) if values.size), default=math.nan)
    if math.isnan(largest):
        raise InputError(f"{what} has no finite value.")
    if image.mode == "F" and largest <= _TOLERANCE:
        return 1.0
    if image.mode == "F" and largest <= _HIGH_DYNAMIC_RANGE:  # a few highlights become white
        step = -(-w * h // _COUNTED)
        return max(1.0, float(np.percentile(np.concatenate(list(finite_values(step))), 99.5)))
    return next((t for t in (255.0, 65535.0) if largest <= t * _TOLERANCE), largest)


def _to_eight_bits(values: np.ndarray, white: float) -> np.ndarray:
    """Scale values to uint8, of which `white` and all above become 255."""
    scaled = values.astype(np.float32) / np.float32(white)
    if values.dtype.kind == "f":
        scaled = np.nan_to_num(scaled, copy=False, nan=0.0, posinf=1.0, neginf=0.0)
    return (np.clip(scaled, 0, 1) * 255 + 0.5).astype(np.uint8)
