"""Reading of image files and arrays as upright RGB uint8, and writing with the original colour profile."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from mam.errors import ImageTooLarge, InputError, MamError

MAX_PIXELS = 50_000_000
MAX_SIDE = 30_000  # pixels; the cost of longer strips grows out of proportion to their area
ACCEPTED = "JPEG, PNG, WebP, BMP, TIFF or GIF with a single frame"
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")

# The exceptions that Pillow raises for damaged files, depending on the format.
_DAMAGE = (OSError, SyntaxError, ValueError, TypeError, EOFError, KeyError, IndexError, struct.error)

ImageSource = str | os.PathLike | bytes | Image.Image | np.ndarray


@dataclass(frozen=True, eq=False)
class Photo:
    """An image that has been read.

    Attributes:
        pixels: (H, W, 3) uint8 RGB, upright.
        name: the file's name without folder and suffix; "image" if there is no file.
        icc_profile: the embedded ICC profile that `pixels` are in, or None for sRGB.
    """

    pixels: np.ndarray
    name: str = "image"
    icc_profile: bytes | None = None

    def __repr__(self) -> str:
        return f"Photo({self.name!r}, {self.size[1]} x {self.size[0]})"

    @property
    def size(self) -> tuple[int, int]:
        """Size (H, W) in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]


def open_photo(source: ImageSource, max_pixels: int = MAX_PIXELS) -> Photo:
    """Open an image.

    The EXIF orientation is applied. 16-bit, grey, palette and CMYK images are converted to 8-bit RGB, and transparent
    ones composed over white. An ICC profile is kept if it describes RGB; the profile of a CMYK or LAB image is applied.

    Args:
        source: a path, the bytes of a file, a PIL image, or an array (H, W), (H, W, 3) or (H, W, 4) of uint8, uint16 or
            floats in [0, 1].
        max_pixels: larger images are refused before they are decoded.

    Raises:
        InputError: not an image, truncated, empty, animated, or an array of an unsupported shape, dtype or range.
        ImageTooLarge: the image has more than `max_pixels`.
        FileNotFoundError: there is no such file.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source, max_pixels)
    if isinstance(source, Image.Image):
        name = Path(getattr(source, "filename", "") or "image").stem
        return _from_pil(source, name, f"the image {name!r}", max_pixels)
    if isinstance(source, bytes):
        return _from_file(io.BytesIO(source), "image", f"{len(source)} bytes", max_pixels)
    path = Path(source)
    if path.is_dir():
        raise InputError(f"{path.name} is a folder; expected one image file ({ACCEPTED}).")
    with open(path, "rb") as file:
        return _from_file(file, path.stem, path.name, max_pixels)


def _from_file(file: IO[bytes], name: str, what: str, max_pixels: int) -> Photo:
    if file.seek(0, io.SEEK_END) == 0:
        raise InputError(f"{what} is empty (0 bytes); expected {ACCEPTED}.")
    file.seek(0)
    try:
        with warnings.catch_warnings():
            # `_check_size` applies this library's own limit to the size in the header.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(file, formats=_FORMATS)
    except UnidentifiedImageError:
        raise InputError(f"{what} is not an image that can be read; expected {ACCEPTED}.") from None
    except Image.DecompressionBombError:
        raise InputError(f"{what} declares more pixels than can be decoded safely; it was not opened.") from None
    except _DAMAGE as error:
        raise InputError(f"{what} starts like an image but its header is broken ({error}).") from error
    return _from_pil(image, name, what, max_pixels)


def _from_pil(image: Image.Image, name: str, what: str, max_pixels: int) -> Photo:
    _check_size((image.height, image.width), what, max_pixels)
    try:
        frames = getattr(image, "n_frames", 1)
        if frames == 1 or image.format == "MPO":  # an MPO is one photograph with a preview
            image.load()
    except _DAMAGE as error:
        raise InputError(f"{what} is truncated or damaged ({error}); export or download it again.") from error
    if frames > 1 and image.format != "MPO":
        raise InputError(f"{what} is animated or has several pages ({frames}); save the one you want as PNG or JPEG.")
    profile = image.info.get("icc_profile")
    with contextlib.suppress(*_DAMAGE):  # the pixels of an image with broken EXIF data are usable
        image = ImageOps.exif_transpose(image)
    image, profile = _to_rgb(image, profile)
    return Photo(np.asarray(image), name, profile)


def _to_rgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, bytes | None]:
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        # Integer modes hold 16 bits; a float TIFF usually holds values in [0, 1] or [0, 255].
        top = 65535 if image.mode != "F" else 1 if values.max(initial=0) <= 1 else 255
        image = Image.fromarray((np.clip(values / top, 0, 1) * 255 + 0.5).astype(np.uint8))
    if image.mode in ("P", "PA", "LA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode == "RGBA":
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB"), profile if _is_rgb(profile) else None
    if image.mode == "RGB":
        return image, profile if _is_rgb(profile) else None
    if image.mode in ("CMYK", "LAB") and profile:
        with contextlib.suppress(ImageCms.PyCMSError, OSError):  # a broken profile is ignored
            return _apply_profiles(image, profile, None), None
    return image.convert("RGB"), None


def _is_rgb(profile: bytes | None) -> bool:
    return profile is not None and profile[16:20] == b"RGB "


def _from_array(array: np.ndarray, max_pixels: int) -> Photo:
    what = f"an array of shape {array.shape} and dtype {array.dtype}"
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise InputError(f"{what} is not an image array; expected (H, W), (H, W, 3) or (H, W, 4).")
    _check_size(array.shape[:2], what, max_pixels)
    if array.dtype == np.uint16:
        array = (array / 257.0 + 0.5).astype(np.uint8)
    elif array.dtype.kind == "f":
        if not np.isfinite(array).all() or array.min() < 0 or array.max() > 1:
            raise InputError(f"{what} holds values outside [0, 1] or NaN; expected floats in [0, 1], or uint8.")
        array = (array * 255 + 0.5).astype(np.uint8)
    elif array.dtype != np.uint8:
        raise InputError(f"{what} is not understood; expected uint8, uint16 or floats in [0, 1].")
    return Photo(np.asarray(_to_rgb(Image.fromarray(array), None)[0]))


def _check_size(size: tuple[int, int], what: str, max_pixels: int) -> None:
    h, w = size
    if h == 0 or w == 0:
        raise InputError(f"{what} has no pixels ({h} x {w}).")
    if max(h, w) > MAX_SIDE:
        raise InputError(
            f"{what} has a side of {max(h, w)} pixels; at most {MAX_SIDE} are accepted: cut it into parts."
        )
    if h * w > max_pixels:
        raise ImageTooLarge(what, (h, w), max_pixels)


def convert_profile(pixels: np.ndarray, source: bytes | None, target: bytes | None) -> np.ndarray:
    """Convert colours from one ICC profile to another.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        source: the profile that the pixels are in; None for sRGB.
        target: the profile to convert to; None for sRGB.

    Returns:
        (H, W, 3) uint8 RGB; the pixels themselves if the profiles are equal or one of them is broken.
    """
    if source == target:
        return pixels
    try:
        return np.asarray(_apply_profiles(Image.fromarray(np.ascontiguousarray(pixels)), source, target))
    except (ImageCms.PyCMSError, OSError):
        return pixels


def _apply_profiles(image: Image.Image, source: bytes | None, target: bytes | None) -> Image.Image:
    """Convert an image from one ICC profile to another, None for sRGB; the result is RGB."""
    opened = [
        ImageCms.ImageCmsProfile(io.BytesIO(profile) if profile else ImageCms.createProfile("sRGB"))
        for profile in (source, target)
    ]
    converted = ImageCms.profileToProfile(image, opened[0], opened[1], outputMode="RGB")
    return cast("Image.Image", converted)  # it is None only for conversions in place


@contextlib.contextmanager
def _replace_when_complete(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside a file; it replaces the file on success and is removed otherwise.

    Raises:
        MamError: the file cannot be written.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        os.replace(partial, path)
    except OSError as error:
        raise MamError(f"{path} cannot be written ({error.strerror or error}).") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def write_png(pixels: np.ndarray, path: str | os.PathLike, icc_profile: bytes | None = None) -> Path:
    """Write an image as PNG; an interruption leaves no partial file under the final name.

    Args:
        pixels: (H, W), (H, W, 3) or (H, W, 4) uint8.
        path: of the file.
        icc_profile: to embed, or None.

    Returns:
        The path.

    Raises:
        MamError: the file cannot be written.
    """
    path = Path(path)
    with _replace_when_complete(path) as partial:
        # Compression level 1 is five times faster than the default, and the file a tenth larger.
        Image.fromarray(pixels).save(partial, "PNG", icc_profile=icc_profile, compress_level=1)
    return path


def write_jpeg(pixels: np.ndarray, path: str | os.PathLike, icc_profile: bytes | None = None) -> Path:
    """Write an image as JPEG of quality 95; an interruption leaves no partial file under the final name.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        path: of the file.
        icc_profile: to embed, or None.

    Returns:
        The path.

    Raises:
        MamError: the file cannot be written.
    """
    path = Path(path)
    with _replace_when_complete(path) as partial:
        Image.fromarray(pixels).save(partial, "JPEG", icc_profile=icc_profile, quality=95, subsampling=0)
    return path
