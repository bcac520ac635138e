"""Writing of finished images as PNG, WebP, JPEG or TIFF."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import re
import secrets
import unicodedata
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from xml.sax.saxutils import escape, unescape

import numpy as np
from PIL import Image, PngImagePlugin

from mam.errors import InputError, MamError
from mam.images.metadata import Metadata
from mam.images.tiff import encode_rgba16

FORMATS = {
    **{".png": "PNG", ".webp": "WEBP", ".jpg": "JPEG", ".jpeg": "JPEG"},
    **{".tiff": "TIFF", ".tif": "TIFF", ".psd": "PSD"},
}
"""Names of the formats that a `mam.Matte` is written in, by the ends of files' names."""
_WEBP_SIDE = 16383  # pixels
# Compression level 1 of PNG is five times faster than the default; run lengths alone suit photographs better still.
_OPTIONS: dict[str, dict[str, Any]] = {
    "PNG": {"compress_level": 1, "compress_type": zlib.Z_RLE},
    "WEBP": {"lossless": True, "quality": 30, "method": 2, "exact": True},
    "JPEG": {"quality": 95, "subsampling": 0},
    "TIFF": {"compression": "tiff_adobe_deflate"},
}
_RECORDS = {"PNG": "Source", "JPEG": "comment", "WEBP": "xmp"}  # Pillow's names of the fields with a photo's source
# WebP has no field for plain text.
_XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:source>{}</dc:source></rdf:Description>
</rdf:RDF></x:xmpmeta>"""
_SOURCE = re.compile(r".* \[[0-9a-f]{16}\]", re.DOTALL)


def format_of(path: str | os.PathLike[str]) -> str:
    """Return Pillow's name for the format that a file's name ends in.

    Raises:
        InputError: it ends in none that is written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise InputError(f"{Path(path).name} ends in none of {', '.join(FORMATS)}; give such a name.")
    return FORMATS[suffix]


def encode_image(
    pixels: np.ndarray,
    file_format: str,
    icc_profile: bytes | None = None,
    metadata: Metadata | None = None,
    source: str = "",
) -> bytes:
    """Encode an image.

    Args:
        pixels: (H, W) uint8 or uint16 (PNG and TIFF), (H, W, 3) uint8, (H, W, 4) uint8, which JPEG cannot hold, or
            (H, W, 4) uint16 (TIFF).
        file_format: "PNG", "WEBP" (lossless), "JPEG" (quality 95) or "TIFF" (lossless).
        icc_profile: to embed, or None.
        metadata: resolution and EXIF data to embed, or None.
        source: the photo that the image was made of, from `describe_source`; empty for none.

    Raises:
        InputError: the format cannot hold it.
    """
    if file_format == "WEBP" and max(pixels.shape[:2]) > _WEBP_SIDE:
        raise InputError(f"WebP holds {_WEBP_SIDE} pixels a side, not {max(pixels.shape[:2])}; choose PNG or JPEG.")
    if file_format == "TIFF" and pixels.shape[2:] == (4,) and pixels.dtype == np.uint16:
        return encode_rgba16(pixels, icc_profile, None if metadata is None else metadata.dpi)
    stream = io.BytesIO()
    options = {**_OPTIONS[file_format], **({} if metadata is None else metadata.options(file_format))}
    if source:
        options.update(_source_options(source, file_format))
    try:
        Image.fromarray(pixels).save(stream, file_format, icc_profile=icc_profile, **options)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"the image cannot be written as {file_format} ({error}).") from error
    return stream.getvalue()


def describe_source(image: str | os.PathLike[str], result: str | os.PathLike[str]) -> str:
    """Return the name of a photo and a hash of its place relative to a result, to be recorded in the result.

    Files in other folders differ in the hash, which stays when the photo and its result are moved together.

    Args:
        image: a path or an address.
        result: a path or an address.
    """
    place = str(image)
    if "://" not in place and place[:5].lower() != "data:":
        place = os.path.join(os.path.realpath(os.path.dirname(place)), os.path.basename(place))
        if "://" not in str(result):
            with contextlib.suppress(ValueError):  # on different drives
                place = os.path.relpath(place, os.path.realpath(os.path.dirname(result)))
        place = place.replace(os.sep, "/")
    place = unicodedata.normalize("NFC", place)
    return f"{place[-200:].rpartition('/')[2]} [{hashlib.sha256(os.fsencode(place)).hexdigest()[:16]}]"


def read_source(file: str | os.PathLike[str] | IO[bytes]) -> str:
    """Return what `describe_source` returned for the photo that an image was made of; empty if it is not recorded."""
    try:
        with Image.open(file, formats=list(_RECORDS)) as image:
            found = image.info.get(_RECORDS[str(image.format)], "")
    except (OSError, ValueError, SyntaxError):
        return ""
    text = found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found)
    element = re.search(r"<dc:source>(.*?)</dc:source>", text, re.DOTALL)
    text = text if element is None else unescape(element[1])
    return text if _SOURCE.fullmatch(text) else ""


def _source_options(source: str, file_format: str) -> dict[str, Any]:
    """Return the arguments of Pillow's `save` that embed the source of an image."""
    source = source.encode("utf-8", "replace").decode()  # names of files may hold bytes that are no text
    if file_format == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_text("Source", source)
        return {"pnginfo": info}
    if file_format not in _RECORDS:
        return {}
    return {"comment": source.encode()} if file_format == "JPEG" else {"xmp": _XMP.format(escape(source)).encode()}


def write_image(pixels: np.ndarray, path: str | os.PathLike[str], icc_profile: bytes | None = None) -> Path:
    """Write an image in the format of the file's name; an interruption leaves no partial file under that name.

    Args:
        pixels: as for `encode_image`.
        path: ends in .png, .webp, .jpg or .jpeg.
        icc_profile: to embed, or None.

    Returns:
        The path.

    Raises:
        InputError: the name ends in another suffix.
        MamError: the file cannot be written.
    """
    return write_content(encode_image(pixels, format_of(path), icc_profile), Path(path))


def write_content(content: bytes, path: Path) -> Path:
    """Write a file that is complete or not there -> its path. A link stays, and the file that it names is written.

    Raises:
        MamError: the file cannot be written.
    """
    with _replace_when_complete(Path(os.path.realpath(path)), path) as partial:
        partial.write_bytes(content)
    return path


@contextlib.contextmanager
def _replace_when_complete(path: Path, given: Path) -> Iterator[Path]:
    """Yield a temporary path in a file's folder; it replaces the file on success and is removed otherwise.

    A pipe or a device is yielded itself. `given` names the file in errors.

    Raises:
        MamError: the file cannot be written.
    """
    # Not derived from the file's name, which may be as long as the system allows.
    partial = path.with_name(f".{secrets.token_hex(8)}.partial")
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if path.exists() and not path.is_file():
            yield path
            return
        yield partial
        os.replace(partial, path)
    except OSError as error:
        raise MamError(f"{given} cannot be written ({error.strerror or error}).") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
