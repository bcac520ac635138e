"""Reading of images: every picture that comes in, from wherever, goes through `open_photo` or `open_mask`."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from mam.errors import InputError
from mam.images import pixels
from mam.images.decode import ACCEPTED, DAMAGE, DecodedImage, check_size, decode_file, decode_image
from mam.images.fetch import fetch, is_address, name_of
from mam.images.metadata import Metadata
from mam.images.profiles import to_srgb_pixels
from mam.images.resize import downsample, reduced_size

MAX_PIXELS = 50_000_000
_LABELS = 20  # integer masks up to here hold labels


@dataclass(frozen=True, eq=False)
class Photo:
    """An image that has been read.

    Attributes:
        pixels: (H, W, 3) uint8 RGB, upright; over white where the image is transparent.
        name: the file's name without folder and suffix; "image" if there is no file.
        icc_profile: the embedded ICC profile that `pixels` are in, or None for sRGB.
        alpha: (H, W) uint8, the transparency that the image came with; None if it is opaque.
        straight: (H, W, 3) uint8, the colours before they were composed over white; None if the image is opaque.
        metadata: resolution and EXIF data.
        note: a sentence about what was left out, such as further frames; empty if nothing was.
    """

    pixels: np.ndarray
    name: str = "image"
    icc_profile: bytes | None = None
    alpha: np.ndarray | None = None
    straight: np.ndarray | None = None
    metadata: Metadata = field(default_factory=Metadata)
    note: str = ""

    def __repr__(self) -> str:
        return f"Photo({self.name!r}, {self.size[1]} x {self.size[0]})"

    @property
    def size(self) -> tuple[int, int]:
        """Size (H, W) in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes of memory that its arrays take."""
        return sum(part.nbytes for part in (self.pixels, self.straight, self.alpha) if part is not None)

    @functools.cached_property
    def srgb(self) -> np.ndarray:
        """`pixels` in sRGB, which models read: (H, W, 3) uint8; `pixels` themselves if that is their space."""
        return to_srgb_pixels(self.pixels, self.icc_profile)

    def downsample(self, longest: int) -> Photo:
        """Return the photo with a longest side of at most `longest` pixels."""
        alpha, straight = (
            None if values is None else downsample(values, longest) for values in (self.alpha, self.straight)
        )
        return replace(self, pixels=downsample(self.pixels, longest), alpha=alpha, straight=straight)


ImageSource = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | Image.Image | np.ndarray | Photo
"""A path, an http(s) address, a data URI, a file's bytes, an open file, a PIL image, an array, or a `Photo`."""


def open_photo(source: ImageSource, max_pixels: int = MAX_PIXELS, reduce_to: int | None = None) -> Photo:
    """Open an image.

    The EXIF orientation is applied. Images of more than 8 bits, grey, palette and CMYK images are converted to 8-bit
    RGB. An ICC profile is kept if it describes RGB; profiles of other colour spaces are applied. Of several frames or
    pages the first is read, of a PIL image the current one, and of a JPEG that lacks its end what is there;
    `Photo.note` states it.

    Args:
        source: a path, an http(s) address, a data URI, the bytes of a file, a file that is open for reading, a PIL
            image, an array (H, W), (H, W, 3) or (H, W, 4) of uint8, uint16, other integers from 0 to 255, bools or
            floats in [0, 1], or a `Photo`, which is returned.
        max_pixels: larger images are refused before they are decoded.
        reduce_to: an image of more pixels is made smaller while it is read, and `Photo.note` states it; None for all
            pixels. A `Photo` is returned as it is.

    Raises:
        InputError: not an image, damaged, empty, or an array of an unsupported shape, dtype or range.
        ImageTooLarge: the image has more than `max_pixels`.
        FileNotFoundError: there is no such file.
    """
    if isinstance(source, Photo):
        return source
    name, decoded = _read(source, max_pixels, reduce_to)
    size, note = (decoded.image.height, decoded.image.width), decoded.note
    if reduce_to is not None and decoded.pixels > reduce_to:
        h, w = size
        size = reduced_size(size, min(max(size), int(max(size) * (reduce_to / (h * w)) ** 0.5)))
        megapixels = f"{decoded.pixels / 1e6:.0f} megapixels and was reduced to {reduce_to / 1e6:.0f} megapixels"
        note = f"{note} The photo has {megapixels}.".strip()
    try:
        colours, straight, alpha, profile = pixels.split(decoded.image, decoded.icc_profile, decoded.what, size)
    except InputError:
        raise
    except DAMAGE as error:
        raise InputError(f"{decoded.what} is damaged ({error}); export or download it again.") from error
    return Photo(colours, name, profile, alpha, straight, decoded.metadata, note)


def open_mask(source: ImageSource, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Open a mask, (H, W) bool: what is opaque if the image is transparent anywhere, else what is bright.

    Of one channel, integers up to 20 count as labels if they are not 0, probabilities from 0.5, and other values from
    half of the largest. Of colours, what is not black counts if there are any hues, as in palettes of labels.

    Args:
        source: as for `open_photo`, or an array (H, W) of any numbers.
        max_pixels: larger images are refused before they are decoded.

    Raises:
        InputError, ImageTooLarge, FileNotFoundError: as for `open_photo`.
    """
    if isinstance(source, np.ndarray) and source.ndim == 2:
        if source.dtype.kind not in "biuf":
            raise InputError(f"the mask has dtype {source.dtype}; expected numbers or bools.")
        return _above_half(source)
    if isinstance(source, Photo):
        photo = source
    else:
        _, decoded = _read(source, max_pixels)
        image = decoded.image
        if image.mode in ("1", "L", "F") or image.mode.startswith("I"):
            return _above_half(np.asarray(image))
        photo = open_photo(image, max_pixels)
    if photo.alpha is not None:
        return photo.alpha > 127
    brightness = photo.pixels.max(2)
    return _above_half(brightness) if (brightness == photo.pixels.min(2)).all() else brightness > 0


def _above_half(values: np.ndarray) -> np.ndarray:
    """Threshold (H, W) numbers; see `open_mask`."""
    largest = np.nanmax(values, initial=0)
    if values.dtype.kind != "f":
        return values > (0 if largest <= _LABELS else largest / 2)
    mask = values >= 0.5 if largest <= 1 else values > largest / 2
    if np.isnan(values).any() and not mask.any():
        raise InputError("it holds NaN and no number of at least 0.5; expected probabilities from 0 to 1, or labels.")
    return mask


def _read(source: Any, max_pixels: int, needed: int | None = None) -> tuple[str, DecodedImage]:
    """Decode an image from any source but a `Photo` -> its name and the image; `needed` as for `decode_file`."""
    if isinstance(source, np.ndarray):
        what = f"an array of shape {source.shape} and dtype {source.dtype}"
        if source.ndim >= 2:
            check_size((source.shape[0], source.shape[1]), what, max_pixels)
        image = pixels.from_array(source, what)
        return "image", DecodedImage(image, what, image.height * image.width)
    if isinstance(source, Image.Image):
        name = Path(str(getattr(source, "filename", "") or "image")).stem
        return name, decode_image(source, f"the image {name!r}", max_pixels)
    if isinstance(source, str) and is_address(source):
        name = name_of(source)
        what = name or ("the data URI" if source[:5].lower() == "data:" else "the address")
        return Path(name).stem or "image", decode_file(fetch(source), what, max_pixels, needed)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return "image", decode_file(bytes(source), f"the image of {len(source)} bytes", max_pixels, needed)
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        return path.stem, decode_file(_read_path(path), path.name, max_pixels, needed)
    if callable(getattr(source, "read", None)):
        given = getattr(source, "name", None)
        path = Path(given if isinstance(given, str) else "image")
        return path.stem, decode_file(_read_open_file(source, path.name), path.name, max_pixels, needed)
    raise InputError(
        f"an image cannot be read from a {type(source).__name__}; expected a path, an address, bytes, an open file, "
        "a PIL image or a numpy array."
    )


def _read_path(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise InputError(f"{path.name} is a folder; expected one image file ({ACCEPTED}).")
        return path.read_bytes()
    except FileNotFoundError:
        raise
    except InputError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a null byte
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{str(path)[:200]!r} cannot be read ({reason}).") from None


def _read_open_file(file: Any, name: str) -> bytes:
    try:
        content = file.read()
    except (OSError, ValueError) as error:
        raise InputError(f"{name} cannot be read ({error}).") from error
    if isinstance(content, str):
        raise InputError(f"{name} is open as text; open it with mode 'rb'.")
    return bytes(content)
