"""Writing of finished images as PNG, WebP or JPEG."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import secrets
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mam.errors import InputError, MamError
from mam.images.metadata import Metadata

FORMATS = {".png": "PNG", ".webp": "WEBP", ".jpg": "JPEG", ".jpeg": "JPEG"}
_WEBP_SIDE = 16383  # pixels
# Compression level 1 of PNG is five times faster than the default; run lengths alone suit photographs better still.
_OPTIONS: dict[str, dict[str, Any]] = {
    "PNG": {"compress_level": 1, "compress_type": zlib.Z_RLE},
    "WEBP": {"lossless": True, "quality": 30, "method": 2, "exact": True},
    "JPEG": {"quality": 95, "subsampling": 0},
}


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
    pixels: np.ndarray, file_format: str, icc_profile: bytes | None = None, metadata: Metadata | None = None
) -> bytes:
    """Encode an image.

    Args:
        pixels: (H, W) uint8 or uint16 (PNG only), (H, W, 3) uint8, or (H, W, 4) uint8, which JPEG cannot hold.
        file_format: "PNG", "WEBP" (lossless) or "JPEG" (quality 95).
        icc_profile: to embed, or None.
        metadata: resolution and EXIF data to embed, or None.

    Raises:
        InputError: the format cannot hold it.
    """
    if file_format == "WEBP" and max(pixels.shape[:2]) > _WEBP_SIDE:
        raise InputError(f"WebP holds {_WEBP_SIDE} pixels a side, not {max(pixels.shape[:2])}; choose PNG or JPEG.")
    stream = io.BytesIO()
    options = {**_OPTIONS[file_format], **({} if metadata is None else metadata.options(file_format))}
    try:
        Image.fromarray(pixels).save(stream, file_format, icc_profile=icc_profile, **options)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"the image cannot be written as {file_format} ({error}).") from error
    return stream.getvalue()


def write_image(
    pixels: np.ndarray,
    path: str | os.PathLike[str],
    icc_profile: bytes | None = None,
    metadata: Metadata | None = None,
) -> Path:
    """Write an image in the format of the file's name; an interruption leaves no partial file under that name.

    Args:
        pixels: as for `encode_image`.
        path: ends in .png, .webp, .jpg or .jpeg.
        icc_profile: to embed, or None.
        metadata: resolution and EXIF data to embed, or None.

    Returns:
        The path.

    Raises:
        InputError: the name ends in another suffix.
        MamError: the file cannot be written.
    """
    return write_content(encode_image(pixels, format_of(path), icc_profile, metadata), Path(path))


def write_content(content: bytes, path: Path) -> Path:
    """Write a file that is complete or not there -> its path.

    Raises:
        MamError: the file cannot be written.
    """
    with _replace_when_complete(path) as partial:
        partial.write_bytes(content)
    return path


@contextlib.contextmanager
def _replace_when_complete(path: Path) -> Iterator[Path]:
    """Yield a temporary path in a file's folder; it replaces the file on success and is removed otherwise.

    Raises:
        MamError: the file cannot be written.
    """
    # Not derived from the file's name, which may be as long as the system allows.
    partial = path.with_name(f".{secrets.token_hex(8)}.partial")
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        yield partial
        os.replace(partial, path)
    except OSError as error:
        raise MamError(f"{path} cannot be written ({error.strerror or error}).") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
