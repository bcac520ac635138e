"""Minimal ICC profiles: grey of any gamma, and Adobe RGB (1998)."""

import struct


def grey_profile(gamma: float) -> bytes:
    """Return a profile of grey with this gamma."""
    return _profile(b"GRAY", {b"kTRC": _curve(gamma)})


def adobe_rgb() -> bytes:
    """Return Adobe RGB (1998): wider than sRGB towards green, so that its values look pale when taken for sRGB."""
    primaries = {
        b"rXYZ": (0.60974, 0.31111, 0.01947),
        b"gXYZ": (0.20528, 0.62567, 0.06087),
        b"bXYZ": (0.14919, 0.06322, 0.74457),
    }
    curves = {name: _curve(563 / 256) for name in (b"rTRC", b"gTRC", b"bTRC")}
    return _profile(b"RGB ", {**{name: _xyz(*value) for name, value in primaries.items()}, **curves})


def _curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0\0\0\0\x01" + struct.pack(">H", int(gamma * 256)) + b"\0\0"


def _xyz(*value: float) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3I", *(round(65536 * part) for part in value))


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    text = b"desc\0\0\0\0\0\0\0\x05test\0" + bytes(81)
    tags = {b"desc": text, b"cprt": b"text\0\0\0\0none\0", b"wtpt": _xyz(0.9642, 1.0, 0.8249), **tags}
    table, body, offset = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        table += name + struct.pack(">2I", offset + len(body), len(content))
        body += content
    header = struct.pack(">I", offset + len(body)) + bytes(4) + b"\x02\x10\0\0" + b"mntr" + space + b"XYZ "
    header += bytes(12) + b"acsp" + bytes(28) + _xyz(0.9642, 1.0, 0.8249)[8:]
    return header + bytes(128 - len(header)) + table + body
