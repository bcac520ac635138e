"""The content of an image file, decoded: formats, frames, damage and limits."""

from __future__ import annotations

import contextlib
import io
import math
import re
import struct
import threading
import warnings
import zlib
from dataclasses import dataclass, field, replace

from PIL import Image, PngImagePlugin, TiffImagePlugin, UnidentifiedImageError

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
    *(ZeroDivisionError, OverflowError, RuntimeError, SystemError, AssertionError, MemoryError),
)
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_JPEG_END = b"\xff\xd9"
_JPEG_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")  # but escapes and restarts, which are inside scans
_JPEG_SCAN, _MOST_SCANS = 0xDA, 100  # each costs time for the whole image; cameras and programs write up to 20
_SUBFILE_TYPE, _PHOTOMETRIC, _SUB_IFDS, _DNG_VERSION = 254, 262, 330, 50706  # tags of TIFF
_SENSOR = (32803, 34892)  # photometric interpretations: a colour filter's array, linear raw
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PAGES_LOOKED_AT = 9
_NO_PAGE = 1 | 4  # bits of TIFF's NewSubfileType: a thumbnail, a mask of transparency
# How camera raw files begin that are not of TIFF: Fujifilm, Panasonic, Olympus, Sigma.
_RAW = (b"FUJIFILMCCD-RAW", b"IIU\0", b"IIRO", b"IIRS", b"MMOR", b"FOVb")
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_PROFILE_BYTES = 64_000_000  # of a decompressed ICC profile in a PNG; those with tables have a few millions
_PILLOWS_LIMIT = 2 * 89_478_485  # pixels from which Pillow refuses a file by itself
_open_lock = threading.Lock()  # filters of warnings and Pillow's limits belong to the whole process


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """A decoded image.

    Attributes:
        image: upright, of any mode.
        what: names the image in messages.
        icc_profile: the embedded profile, which may not fit the mode; or None.
        metadata: resolution and EXIF data.
        note: a sentence about what was left out; empty if nothing was.
        pixels: how many the file has; `image` may have been reduced while it was decoded.
    """

    image: Image.Image
    what: str
    pixels: int
    icc_profile: bytes | None = None
    metadata: Metadata = field(default_factory=Metadata)
    note: str = ""


def decode_file(content: bytes, what: str, max_pixels: int, needed: int | None = None) -> DecodedImage:
    """Decode the content of a file.

    Args:
        content: the bytes of the file.
        what: names the image in messages.
        max_pixels: larger images are refused before they are decoded.
        needed: a JPEG may be decoded at 1/2, 1/4 or 1/8 of its sides if it keeps so many pixels; None for all.

    Raises:
        InputError: it is not an image, damaged or empty, or its parts are too many.
        ImageTooLarge: it has more than `max_pixels`.
    """
    if not content:
        raise InputError(f"{what} has no content; expected {ACCEPTED}.")
    image = _open(content, what, max_pixels)
    check_size((image.height, image.width), what, max_pixels)
    is_jpeg = image.format in ("JPEG", "MPO")
    if is_jpeg and _has_too_many_scans(content):
        raise InputError(f"{what} is a JPEG of more than {_MOST_SCANS} scans; save it again with another program.")
    try:
        return decode_image(image, what, max_pixels, choose_frame(image, what), needed)
    except InputError:
        if not is_jpeg or content.rstrip(b"\0").endswith(_JPEG_END):
            raise
    image = _open(content + _JPEG_END, what, max_pixels)  # libjpeg fills the rest
    decoded = decode_image(image, what, max_pixels, needed=needed)
    return replace(decoded, note=f"{what} is incomplete: the readable part was used, and the rest has one colour.")


def decode_image(
    image: Image.Image, what: str, max_pixels: int, note: str = "", needed: int | None = None
) -> DecodedImage:
    """Decode the current frame of an opened image; `needed` as for `decode_file`.

    Raises:
        InputError: it is damaged.
        ImageTooLarge: it has more than `max_pixels`.
    """
    check_size((image.height, image.width), what, max_pixels)
    pixels = image.height * image.width
    try:
        if needed is not None and pixels > needed:
            share = (needed / pixels) ** 0.5
            image.draft(None, (math.ceil(image.width * share), math.ceil(image.height * share)))
        image.load()
        check_size((image.height, image.width), what, max_pixels)  # an icon's size is that of the image inside
        profile, metadata = image.info.get("icc_profile"), read_metadata(image)
        upright = turn_upright(image)
        upright.format = image.format
    except InputError:
        raise
    except DAMAGE as error:
        raise InputError(f"{what} is truncated or damaged ({error}); export or download it again.") from error
    return DecodedImage(upright, what, pixels, profile if isinstance(profile, bytes) else None, metadata, note)


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
    """Go to the image of a file that viewers show -> a note about the others.

    That is the first frame, of a HEIC file the primary image, of a TIFF the first page that is neither a thumbnail nor
    a mask, and of a PNG with an animation apart from its image the animation's first frame.

    Raises:
        InputError: the frames are damaged.
    """
    try:
        if image.format == "TIFF":
            return _choose_page(image, what)
        # Frames are not counted, which could take minutes. An MPO is one photograph with a preview.
        if image.format == "MPO" or not getattr(image, "is_animated", False):
            return ""
        if image.format == "HEIF":  # opened at the primary image
            return f"{what} has several images; the main one was read."
        image.seek(1 if getattr(image, "default_image", False) else 0)
    except DAMAGE as error:
        raise InputError(f"{what} is truncated or damaged ({error}); export or download it again.") from error
    return f"{what} has several frames; the first was read."


def _choose_page(image: Image.Image, what: str) -> str:
    """As `choose_frame`, for a TIFF; only its first pages are looked at, because Pillow reads all those before one."""
    chosen, pages = 0, 0
    for number in range(_PAGES_LOOKED_AT):
        try:
            image.seek(number)
        except EOFError:
            break
        if not image.tag_v2.get(_SUBFILE_TYPE, 0) & _NO_PAGE:  # type: ignore[attr-defined]
            chosen, pages = (chosen, pages + 1) if pages else (number, 1)
        if pages == 2:
            break
    image.seek(chosen)
    return f"{what} has several pages; the first was read." if pages > 1 else ""


def _has_too_many_scans(content: bytes) -> bool:
    """Whether a JPEG has more than `_MOST_SCANS` scans; what follows damage is not counted."""
    at, scans = 2, 0
    while scans <= _MOST_SCANS and (marker := _JPEG_MARKER.search(content, at)):
        kind = marker[1][0]
        if kind == _JPEG_END[1]:
            break
        scans += kind == _JPEG_SCAN
        at = marker.end() + int.from_bytes(content[marker.end() : marker.end() + 2], "big")
    return scans > _MOST_SCANS


def _is_camera_raw(content: bytes) -> bool:
    """Whether a file is camera raw: by its first bytes, or a TIFF of sensor values, or with a preview first."""
    if content.startswith(_RAW) or content[4:11] == b"ftypcrx":
        return True
    if content[:4] not in _TIFF:
        return False
    if content[8:10] == b"CR":
        return True
    with _open_lock, warnings.catch_warnings(), contextlib.suppress(*DAMAGE):  # which are reported when it is opened
        warnings.simplefilter("ignore")
        tags = TiffImagePlugin.ImageFileDirectory_v2(content[: 16 if b"+" in content[:4] else 8])  # 16: BigTIFF
        for _ in range(8):
            file = io.BytesIO(content)
            file.seek(tags.next)
            tags.load(file)
            is_preview = tags.get(_SUBFILE_TYPE, 0) & 1 and _SUB_IFDS in tags
            if is_preview or _DNG_VERSION in tags or tags.get(_PHOTOMETRIC) in _SENSOR:
                return True
            if not tags.next:
                break
    return False


def _clean_png(content: bytes) -> bytes:
    """Leave out a PNG's texts, for which Pillow has limits, and damaged chunks that do not concern its pixels."""
    kept, start, at = [], 0, len(_PNG)
    while at + 12 <= len(content):
        length, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(content):
            break
        is_ancillary = bool(kind[0] & 0x20)
        checksum = int.from_bytes(content[end - 4 : end], "big")
        if kind in _PNG_TEXTS or (is_ancillary and zlib.crc32(memoryview(content)[at + 4 : end - 4]) != checksum):
            kept.append(content[start:at])
            start = end
        at = end
    return b"".join([*kept, content[start:]]) if kept else content


def _open(content: bytes, what: str, max_pixels: int) -> Image.Image:
    """Read the header of an image file."""
    with contextlib.suppress(ImportError):  # without it, the message below names what to install
        import pi_heif

        pi_heif.register_heif_opener()
    if _is_camera_raw(content):
        raise InputError(
            f"{what} is a camera raw file, of which only a preview could be read; develop it and give the JPEG or TIFF."
        )
    if content.startswith(_PNG):
        content = _clean_png(content)
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
            text_limit, PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_CHUNK, _PROFILE_BYTES
            try:
                return Image.open(io.BytesIO(content), formats=known)
            finally:
                Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK = limit, text_limit
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
