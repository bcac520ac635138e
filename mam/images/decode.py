"""The content of an image file, decoded: formats, frames, damage and limits."""

from __future__ import annotations

import contextlib
import io
import struct
import threading
import warnings
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image, UnidentifiedImageError

from mam.errors import ImageTooLarge, InputError
from mam.images.metadata import Metadata, read_metadata
from mam.images.pixels import turn_upright

MAX_SIDE = 30_000  # pixels; the cost of longer strips grows out of proportion to their area
ACCEPTED = "JPEG, PNG, WebP, AVIF, HEIC, TIFF, GIF, BMP or JPEG 2000"
SUFFIXES = frozenset(
    [
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".gif"),
        *(".jp2", ".j2k", ".jpf", ".jpx", ".avif", ".avifs", ".heic", ".heif", ".hif", ".ico"),
        *(".ppm", ".pgm", ".pbm", ".pnm", ".tga"),
    ]
)
"""How the names of files end that are read, in lower case."""
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "JPEG2000", "AVIF", "HEIF", "ICO", "PPM", "TGA", "MPO")

# The exceptions that Pillow raises for damaged files, depending on the format.
DAMAGE: tuple[type[Exception], ...] = (
    *(OSError, SyntaxError, ValueError, TypeError, EOFError, KeyError, IndexError, AttributeError, struct.error),
    *(ZeroDivisionError, OverflowError, RuntimeError, AssertionError, MemoryError),
)
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_JPEG_END = b"\xff\xd9"
_NOISE = bytes(range(1, 255)) * 16  # bytes that cannot continue a JPEG's stream
_MISSING_AT_MOST = 0.1  # of the rows of a JPEG that lacks its end
_REDUCED = 1  # bit of TIFF's NewSubfileType: this page is a thumbnail
_PILLOWS_LIMIT = 2 * 89_478_485  # pixels from which Pillow refuses a file by itself
_open_lock = threading.Lock()  # filters of warnings and Pillow's limit belong to the whole process


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """A decoded image.

    Attributes:
        image: upright, of any mode.
        what: names the image in messages.
        icc_profile: the embedded profile, which may not fit the mode; or None.
        metadata: resolution and EXIF data.
        note: a sentence about what was left out; empty if nothing was.
    """

    image: Image.Image
    what: str
    icc_profile: bytes | None = None
    metadata: Metadata = field(default_factory=Metadata)
    note: str = ""


def decode_file(content: bytes, what: str, max_pixels: int) -> DecodedImage:
    """Decode the content of a file.

    Args:
        content: the bytes of the file.
        what: names the image in messages.
        max_pixels: larger images are refused before they are decoded.

    Raises:
        InputError: it is not an image, damaged or empty.
        ImageTooLarge: it has more than `max_pixels`.
    """
    if not content:
        raise InputError(f"{what} has no content; expected {ACCEPTED}.")
    image = _open(content, what, max_pixels)
    check_size((image.height, image.width), what, max_pixels)
    try:
        return decode_image(image, what, max_pixels, note=choose_frame(image, what))
    except InputError:
        if image.format not in ("JPEG", "MPO") or content.rstrip(b"\0").endswith(_JPEG_END):
            raise
    # With an end, libjpeg fills what is missing. Where it begins, noise in its place makes a difference.
    decoded, noisy = (
        decode_image(_open(content + tail + _JPEG_END, what, max_pixels), what, max_pixels) for tail in (b"", _NOISE)
    )
    missing = _share_after_difference(np.asarray(decoded.image), np.asarray(noisy.image))
    if missing > _MISSING_AT_MOST:
        raise InputError(f"{what} is truncated: about {missing:.0%} of it is missing; export or download it again.")
    return replace(decoded, note=f"{what} is incomplete; the readable part was used.")


def decode_image(image: Image.Image, what: str, max_pixels: int, note: str = "") -> DecodedImage:
    """Decode the current frame of an opened image.

    Raises:
        InputError: it is damaged.
        ImageTooLarge: it has more than `max_pixels`.
    """
    check_size((image.height, image.width), what, max_pixels)
    try:
        image.load()
        profile, metadata = image.info.get("icc_profile"), read_metadata(image)
        upright = turn_upright(image)
        upright.format = image.format
    except DAMAGE as error:
        raise InputError(f"{what} is truncated or damaged ({error}); export or download it again.") from error
    return DecodedImage(upright, what, profile if isinstance(profile, bytes) else None, metadata, note)


def check_size(size: tuple[int, int], what: str, max_pixels: int) -> None:
    """Check an (H, W).

    Raises:
        InputError: there are no pixels, or a side is too long.
        ImageTooLarge: there are more than `max_pixels`.
    """
    h, w = size
    if h == 0 or w == 0:
        raise InputError(f"{what} has no pixels ({h} x {w}).")
    if max(h, w) > MAX_SIDE:
        raise InputError(
            f"{what} has a side of {max(h, w)} pixels; at most {MAX_SIDE} are accepted: cut it into parts."
        )
    if h * w > max_pixels:
        raise ImageTooLarge(what, (h, w), max_pixels)


def choose_frame(image: Image.Image, what: str) -> str:
    """Go to the first frame, or of a TIFF to the first page that is no thumbnail -> a note about the others.

    Raises:
        InputError: the frames are damaged.
    """
    try:
        frames = getattr(image, "n_frames", 1)
        if frames == 1 or image.format == "MPO":  # an MPO is one photograph with a preview
            return ""
        if image.format != "TIFF":
            image.seek(0)
            return f"{what} has {frames} frames; the first was read."
        thumbnails = 0
        for number in range(min(frames, 8)):
            image.seek(number)
            if not image.tag_v2.get(254, 0) & _REDUCED:  # type: ignore[attr-defined]
                break
            thumbnails += 1
        else:
            image.seek(0)
    except DAMAGE as error:
        raise InputError(f"{what} is truncated or damaged ({error}); export or download it again.") from error
    return "" if frames - thumbnails <= 1 else f"{what} has {frames} pages; one was read."


def _open(content: bytes, what: str, max_pixels: int) -> Image.Image:
    """Read the header of an image file."""
    with contextlib.suppress(ImportError):  # without it, the message below names what to install
        import pi_heif

        pi_heif.register_heif_opener()
    Image.preinit()
    Image.init()
    known = [name for name in _FORMATS if name in Image.OPEN]
    try:
        with _open_lock, warnings.catch_warnings():
            # `check_size` applies this library's own limit to the size in the header.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            limit = Image.MAX_IMAGE_PIXELS
            if limit is not None and max_pixels > min(limit * 2, _PILLOWS_LIMIT):
                Image.MAX_IMAGE_PIXELS = None
            try:
                return Image.open(io.BytesIO(content), formats=known)
            finally:
                Image.MAX_IMAGE_PIXELS = limit
    except UnidentifiedImageError:
        if content[4:8] == b"ftyp" and content[8:12] in _HEIF_BRANDS and "HEIF" in Image.OPEN:
            raise InputError(f"{what} is truncated or damaged; export or download it again.") from None
        if content[4:8] == b"ftyp" and content[8:12] in _HEIF_BRANDS:
            raise InputError(f"{what} is a HEIC image, which needs a decoder: pip install pi-heif") from None
        if content[4:12] in (b"ftypavif", b"ftypavis"):
            raise InputError(
                f"{what} is an AVIF image, which needs a newer decoder: pip install 'pillow>=11.3'"
            ) from None
        raise InputError(f"{what} is not an image that can be read; expected {ACCEPTED}.") from None
    except Image.DecompressionBombError:
        raise InputError(f"{what} declares more pixels than can be decoded safely; it was not opened.") from None
    except DAMAGE as error:
        raise InputError(f"{what} starts like an image but its header is broken ({error}).") from error


def _share_after_difference(one: np.ndarray, other: np.ndarray) -> float:
    """Share of the rows from the first one on in which two images of equal size differ."""
    differs = (one != other).reshape(len(one), -1).any(1)
    return 1 - int(differs.argmax()) / len(one) if differs.any() else 0.0
