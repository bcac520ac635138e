"""Writing of TIFF with 16 bits and transparency, which Pillow cannot.

Source: TIFF 6.0; ExtraSamples 2 states that the alpha is not premultiplied.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np

from mam.errors import InputError

_SHORT, _LONG, _RATIONAL, _UNDEFINED = 3, 4, 5, 7
_ROWS = 256  # of a strip
_MOST = 4_000_000_000  # bytes, because places in the file have 32 bits


def encode_rgba16(
    pixels: np.ndarray, icc_profile: bytes | None = None, dpi: tuple[float, float] | None = None
) -> bytes:
    """Return the content of a TIFF file, compressed without loss.

    Args:
        pixels: (H, W, 4) uint16 RGBA, not premultiplied.
        icc_profile: to embed, or None.
        dpi: horizontal and vertical resolution, or None.

    Raises:
        InputError: it is too large for the format.
    """
    h, w = pixels.shape[:2]
    strips = [zlib.compress(pixels[top : top + _ROWS].astype("<u2").tobytes(), 6) for top in range(0, h, _ROWS)]
    body = b"".join(strips)
    if len(body) > _MOST:
        raise InputError(f"TIFF holds {_MOST / 1e9:.0f} GB, not {len(body) / 1e9:.1f}; choose PNG.")
    offsets = np.cumsum([8, *map(len, strips[:-1])]).tolist()
    tags: list[tuple[int, int, int, bytes]] = [
        (256, _LONG, 1, struct.pack("<I", w)),
        (257, _LONG, 1, struct.pack("<I", h)),
        (258, _SHORT, 4, struct.pack("<4H", *[16] * 4)),  # bits per sample
        (259, _SHORT, 1, struct.pack("<H", 8)),  # deflate
        (262, _SHORT, 1, struct.pack("<H", 2)),  # RGB
        (273, _LONG, len(strips), struct.pack(f"<{len(strips)}I", *offsets)),
        (277, _SHORT, 1, struct.pack("<H", 4)),  # samples per pixel
        (278, _LONG, 1, struct.pack("<I", _ROWS)),
        (279, _LONG, len(strips), struct.pack(f"<{len(strips)}I", *map(len, strips))),
    ]
    for tag, resolution in zip((282, 283), dpi or (), strict=False):
        tags.append((tag, _RATIONAL, 1, struct.pack("<2I", round(resolution * 1000), 1000)))
    if dpi is not None:
        tags.append((296, _SHORT, 1, struct.pack("<H", 2)))  # inch
    tags.append((338, _SHORT, 1, struct.pack("<H", 2)))
    if icc_profile is not None:
        tags.append((34675, _UNDEFINED, len(icc_profile), icc_profile))
    body += bytes(len(body) % 2)
    start = 8 + len(body)
    values_start = start + 2 + 12 * len(tags) + 4
    entries, values = b"", b""
    for tag, kind, count, value in tags:
        if len(value) > 4:
            field = struct.pack("<I", values_start + len(values))
            values += value + bytes(len(value) % 2)
        else:
            field = value.ljust(4, b"\0")
        entries += struct.pack("<HHI", tag, kind, count) + field
    return b"".join(
        [struct.pack("<2sHI", b"II", 42, start), body, struct.pack("<H", len(tags)), entries, bytes(4), values]
    )
