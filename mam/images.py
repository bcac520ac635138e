"""Reading of images: every picture that comes in, from wherever, goes through `open_photo` or `open_mask`."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import threading
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from mam import pixels
from mam.errors import ImageTooLarge, InputError
from mam.fetch import fetch, is_address, name_of
from mam.metadata import Metadata, read_metadata

MAX_PIXELS = 50_000_000
MAX_SIDE = 30_000  # pixels; the cost of longer strips grows out of proportion to their area
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "JPEG2000", "AVIF", "HEIF", "ICO", "PPM", "TGA", "MPO")
SUFFIXES = frozenset(
    [
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".gif"),
        *(".jp2", ".j2k", ".jpf", ".jpx", ".avif", ".avifs", ".heic", ".heif", ".hif", ".ico"),
        *(".ppm", ".pgm", ".pbm", ".pnm", ".tga"),
    ]
)
"""How the names of files end that `open_photo` reads, in lower case."""
ACCEPTED = "JPEG, PNG, WebP, AVIF, HEIC, TIFF, GIF, BMP or JPEG 2000"

# The exceptions that Pillow raises for damaged files, depending on the format.
_DAMAGE: tuple[type[Exception], ...] = (
    *(OSError, SyntaxError, ValueError, TypeError, EOFError, KeyError, IndexError, AttributeError, struct.error),
    *(ZeroDivisionError, OverflowError, RuntimeError, AssertionError, MemoryError),
)
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_JPEG_END = b"\xff\xd9"
_MISSING_AT_MOST = 0.1  # of the rows of a JPEG that lacks its end
_LABELS = 20  # integer masks up to here hold labels
_REDUCED = 1  # bit of TIFF's NewSubfileType: this page is a thumbnail
_bomb_lock = threading.Lock()


@dataclass(frozen=True, eq=False)
class Photo:
    """An image that has been read.

    Attributes:
        pixels: (H, W, 3) uint8 RGB, upright; over white where the image is transparent.
        name: the file's name without folder and suffix; "image" if there is no file.
        icc_profile: the embedded ICC profile that `pixels` are in, or None for sRGB.
        alpha: (H, W) uint8, the transparency that the image came with; None if it is opaque.
        metadata: resolution and EXIF data.
        note: a sentence about what was left out, such as further frames; empty if nothing was.
    """

    pixels: np.ndarray
    name: str = "image"
    icc_profile: bytes | None = None
    alpha: np.ndarray | None = None
    metadata: Metadata = field(default_factory=Metadata)
    note: str = ""

    def __repr__(self) -> str:
        return f"Photo({self.name!r}, {self.size[1]} x {self.size[0]})"

    @property
    def size(self) -> tuple[int, int]:
        """Size (H, W) in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]


ImageSource = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | Image.Image | np.ndarray | Photo
"""A path, an http(s) address, a data URI, a file's bytes, an open file, a PIL image, an array, or a `Photo`."""


def open_photo(source: ImageSource, max_pixels: int = MAX_PIXELS) -> Photo:
    """Open an image.

    The EXIF orientation is applied. Images of more than 8 bits, grey, palette and CMYK images are converted to 8-bit
    RGB. An ICC profile is kept if it describes RGB; those of other colour spaces are applied. Of several frames or
    pages the first is read, and of a JPEG that lacks its end what is there; `Photo.note` says so.

    Args:
        source: a path, an http(s) address, a data URI, the bytes of a file, a file that is open for reading, a PIL
            image, an array (H, W), (H, W, 3) or (H, W, 4) of uint8, uint16, other integers from 0 to 255, bools or
            floats in [0, 1], or a `Photo`, which is returned.
        max_pixels: larger images are refused before they are decoded.

    Raises:
        InputError: not an image, damaged, empty, or an array of an unsupported shape, dtype or range.
        ImageTooLarge: the image has more than `max_pixels`.
        FileNotFoundError: there is no such file.
    """
    if isinstance(source, Photo):
        _check_size(source.size, f"the image {source.name!r}", max_pixels)
        return source
    if isinstance(source, np.ndarray):
        what = f"an array of shape {source.shape} and dtype {source.dtype}"
        if source.ndim >= 2:
            _check_size((source.shape[0], source.shape[1]), what, max_pixels)
        return _to_photo(pixels.from_array(source, what), "image", what, max_pixels)
    if isinstance(source, Image.Image):
        name = Path(str(getattr(source, "filename", "") or "image")).stem
        return _to_photo(source, name, f"the image {name!r}", max_pixels)
    if isinstance(source, str) and is_address(source):
        name = name_of(source)
        return _from_bytes(fetch(source), Path(name).stem or "image", name or "the data URI", max_pixels)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _from_bytes(bytes(source), "image", f"{len(source)} bytes", max_pixels)
    if isinstance(source, (str, os.PathLike)):
        return _from_path(source, max_pixels)
    if callable(getattr(source, "read", None)):
        return _from_open_file(source, max_pixels)
    raise InputError(
        f"an image cannot be read from a {type(source).__name__}; expected a path, an address, bytes, an open file, "
        "a PIL image or a numpy array."
    )


def open_mask(source: ImageSource, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Open a mask, (H, W) bool: what is opaque if the image is transparent anywhere, else what is bright.

    Args:
        source: as for `open_photo`, or an array (H, W) of any numbers: labels up to 20 count if they are not 0,
            probabilities from 0.5, and other values from half of the largest.
        max_pixels: larger images are refused before they are decoded.

    Raises:
        InputError, ImageTooLarge, FileNotFoundError: as for `open_photo`.
    """
    if isinstance(source, np.ndarray) and source.ndim == 2:
        if source.dtype.kind not in "biuf":
            raise InputError(f"the mask has dtype {source.dtype}; expected numbers or bools.")
        return _above_half(source)
    photo = open_photo(source, max_pixels)
    if photo.alpha is not None:
        return photo.alpha > 127
    return _above_half(photo.pixels.max(2))


def _above_half(values: np.ndarray) -> np.ndarray:
    """Threshold (H, W) numbers; see `open_mask`."""
    largest = np.nanmax(values, initial=0)
    if values.dtype.kind != "f":
        return values > (0 if largest <= _LABELS else largest / 2)
    return values >= 0.5 if largest <= 1 else values > largest / 2


def _from_path(source: str | os.PathLike[str], max_pixels: int) -> Photo:
    path = Path(source)
    try:
        if path.is_dir():
            raise InputError(f"{path.name} is a folder; expected one image file ({ACCEPTED}).")
        content = path.read_bytes()
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a null byte
        raise InputError(
            f"{str(source)[:200]!r} cannot be read ({getattr(error, 'strerror', None) or error})."
        ) from None
    return _from_bytes(content, path.stem, path.name, max_pixels)


def _from_open_file(file: Any, max_pixels: int) -> Photo:
    name = getattr(file, "name", None)
    path = Path(name) if isinstance(name, str) else Path("image")
    try:
        content = file.read()
    except (OSError, ValueError) as error:
        raise InputError(f"{path.name} cannot be read ({error}).") from error
    if not isinstance(content, bytes):
        raise InputError(f"{path.name} is open as text; open it with mode 'rb'.")
    return _from_bytes(content, path.stem, path.name, max_pixels)


def _from_bytes(content: bytes, name: str, what: str, max_pixels: int) -> Photo:
    if not content:
        raise InputError(f"{what} is empty (0 bytes); expected {ACCEPTED}.")
    image = _open(content, what, max_pixels)
    _check_size((image.height, image.width), what, max_pixels)
    try:
        return _to_photo(image, name, what, max_pixels)
    except InputError:
        if image.format not in ("JPEG", "MPO") or content.rstrip(b"\0").endswith(_JPEG_END):
            raise
    # libjpeg fills what is missing with the last colour if it finds an end.
    complete = _open(content + _JPEG_END, what, max_pixels)
    photo = _to_photo(complete, name, what, max_pixels)
    missing = _flat_rows(photo.pixels) / photo.size[0]
    if missing > _MISSING_AT_MOST:
        raise InputError(f"{what} is truncated: about {missing:.0%} of it is missing; export or download it again.")
    return Photo(
        photo.pixels, name, photo.icc_profile, None, photo.metadata, f"{what} lacks its end; what is there was read."
    )


def _open(content: bytes, what: str, max_pixels: int) -> Image.Image:
    """Read the header of an image file."""
    with contextlib.suppress(ImportError):  # without it, the message below says what to install
        import pillow_heif

        pillow_heif.register_heif_opener()
    try:
        with warnings.catch_warnings():
            # `_check_size` applies this library's own limit to the size in the header.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            if max_pixels > MAX_PIXELS:
                return _open_unlimited(content)
            return Image.open(io.BytesIO(content), formats=_known())
    except UnidentifiedImageError:
        if content[4:8] == b"ftyp" and content[8:12] in _HEIF_BRANDS:
            raise InputError(f"{what} is a HEIC image, which needs a decoder: pip install pillow-heif") from None
        if content[4:12] in (b"ftypavif", b"ftypavis"):
            raise InputError(
                f"{what} is an AVIF image, which needs a newer decoder: pip install 'pillow>=11.3'"
            ) from None
        raise InputError(f"{what} is not an image that can be read; expected {ACCEPTED}.") from None
    except Image.DecompressionBombError:
        raise InputError(f"{what} declares more pixels than can be decoded safely; it was not opened.") from None
    except _DAMAGE as error:
        raise InputError(f"{what} starts like an image but its header is broken ({error}).") from error


def _known() -> list[str]:
    """The formats of `_FORMATS` that this Pillow knows."""
    Image.preinit()
    Image.init()
    return [name for name in _FORMATS if name in Image.OPEN]


def _open_unlimited(content: bytes) -> Image.Image:
    """Read a header without Pillow's own limit of pixels, for a caller who asked for more."""
    with _bomb_lock:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(io.BytesIO(content), formats=_known())
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _to_photo(image: Image.Image, name: str, what: str, max_pixels: int) -> Photo:
    """Decode an image and convert it."""
    _check_size((image.height, image.width), what, max_pixels)
    try:
        note = _choose_frame(image, what)
        _check_size((image.height, image.width), what, max_pixels)
        image.load()
        profile, metadata = image.info.get("icc_profile"), read_metadata(image)
        upright = pixels.turn_upright(image)
        upright.format = image.format
        colours, alpha, kept = pixels.split(upright, profile if isinstance(profile, bytes) else None, what)
    except (InputError, FileNotFoundError):
        raise
    except _DAMAGE as error:
        raise InputError(f"{what} is truncated or damaged ({error}); export or download it again.") from error
    return Photo(colours, name, kept, alpha, metadata, note)


def _choose_frame(image: Image.Image, what: str) -> str:
    """Go to the first frame, or of a TIFF to the first page that is no thumbnail -> a note about the others."""
    frames = getattr(image, "n_frames", 1)
    if frames == 1 or image.format == "MPO":  # an MPO is one photograph with a preview
        return ""
    if image.format == "TIFF":
        thumbnails = 0
        for number in range(min(frames, 8)):
            image.seek(number)
            if not image.tag_v2.get(254, 0) & _REDUCED:  # type: ignore[attr-defined]
                break
            thumbnails += 1
        else:
            image.seek(0)
        return "" if frames - thumbnails <= 1 else f"{what} has {frames} pages; one was read."
    image.seek(0)
    return f"{what} has {frames} frames; the first was read."


def _flat_rows(values: np.ndarray) -> int:
    """How many rows at the bottom of an (H, W, 3) image have one and the same colour."""
    differs = (values != values[-1, -1]).any((1, 2))
    return len(values) - 1 - int(differs.nonzero()[0][-1]) if differs.any() else len(values)


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
