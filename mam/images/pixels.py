"""From a decoded image or an array of any kind to 8-bit RGB and transparency."""

from __future__ import annotations

import contextlib

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
_HIGH_DYNAMIC_RANGE = 16.0  # floats up to here are brightnesses above white, not 8-bit values


def turn_upright(image: Image.Image) -> Image.Image:
    """Apply the orientation of an image's EXIF data; other tags, which may be broken, are not looked at."""
    orientation = None
    with contextlib.suppress(Exception):  # Pillow raises many types for broken EXIF data; the pixels are usable
        orientation = image.getexif().get(_ORIENTATION)
    transposition = _TRANSPOSITIONS.get(orientation) if isinstance(orientation, int) else None
    return image if transposition is None else image.transpose(transposition)


def split(
    image: Image.Image, profile: bytes | None, what: str
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None, bytes | None]:
    """Convert a decoded image to colours and transparency.

    Args:
        image: an image of any mode.
        profile: its ICC profile, or None.
        what: names the image in errors.

    Returns:
        Colours (H, W, 3) uint8 RGB, over white where transparent; the colours by themselves, and alpha (H, W) uint8,
        both None if the image is opaque; and the profile that the colours are in, or None for sRGB.

    Raises:
        InputError: the image has no finite values.
    """
    alpha = None
    if image.mode.startswith("I") or image.mode == "F":
        values, clear = np.asarray(image), image.info.get("transparency")
        if isinstance(clear, int):  # this value is transparent
            alpha = np.where(values == clear, 0, 255).astype(np.uint8)
        image = Image.fromarray(_to_eight_bits(values, image.mode, image.format, what))
    if image.mode in ("P", "PA", "LA", "La", "RGBA", "RGBa") or "transparency" in image.info:
        grey = image.mode in ("L", "LA", "La")
        layers = image.convert("LA" if grey else "RGBA")
        alpha = np.asarray(layers.getchannel("A"))
        image = layers.convert("L" if grey else "RGB")  # neither uses the alpha
    if image.mode == "RGB":
        colours, kept = image, profile if is_rgb(profile) else None
    else:
        colours, kept = to_srgb(image, profile), None
    pixels = np.asarray(colours)
    if alpha is None or alpha.min(initial=255) == 255:
        return pixels, None, None, kept
    share = alpha[..., None].astype(np.float32) / 255
    return (pixels * share + 255 * (1 - share) + 0.5).astype(np.uint8), pixels, alpha, kept


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


def _to_eight_bits(values: np.ndarray, mode: str, file_format: str | None, what: str) -> np.ndarray:
    """Scale the values of a one-channel image of more than 8 bits to uint8; the range is guessed from the largest."""
    values = values.astype(np.float32)
    finite = np.isfinite(values)
    if not finite.any():
        raise InputError(f"{what} has no finite value.")
    largest = values[finite].max()
    if mode.startswith("I;16") or (mode == "I" and file_format == "PNG"):
        top = 65535.0
    elif mode == "F" and largest <= _TOLERANCE:
        top = 1.0
    elif mode == "F" and largest <= _HIGH_DYNAMIC_RANGE:
        top = max(1.0, float(np.percentile(values[finite], 99.5)))  # a few highlights become white
    else:
        top = next((t for t in (255.0, 65535.0) if largest <= t * _TOLERANCE), float(largest))
    scaled = np.clip(np.nan_to_num(values / np.float32(top), nan=0.0, posinf=1.0, neginf=0.0), 0, 1)
    return (scaled * 255 + 0.5).astype(np.uint8)
