"""Compression of what a visitor downloads. Hosts seldom compress such files, so they are compressed here.

A half-precision number has a byte of sign, exponent and leading digits, which repeats often, and a byte of random
digits. Apart from each other, they take a tenth less after gzip than in turns. A packed file holds everything else,
then the high bytes of all such numbers, then their low bytes; `web/src/packing.js` puts them together again.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto

_LEVEL = 9
_LEAST_BYTES = 64  # of a tensor that is worth it


def pack(content: bytes, halves: list[tuple[int, int]]) -> bytes:
    """Compress a file.

    Args:
        content: the file.
        halves: (start, length) in bytes of its half-precision numbers; their two bytes are separated.
    """
    values = np.frombuffer(content, np.uint8)
    pairs = [values[start : start + length].reshape(-1, 2) for start, length in halves]
    is_half = np.zeros(len(values), bool)
    for start, length in halves:
        is_half[start : start + length] = True
    high, low = ([pair[:, column] for pair in pairs] for column in (1, 0))
    parts = np.concatenate([values[~is_half], *high, *low])
    return gzip.compress(parts.tobytes(), _LEVEL, mtime=0)


def half_ranges(path: Path) -> list[tuple[int, int]]:
    """Return where a graph's half-precision weights are in its file, as (start, length) in bytes."""
    content, ranges, position = path.read_bytes(), [], 0
    for tensor in onnx.load_from_string(content).graph.initializer:
        if tensor.data_type != TensorProto.FLOAT16 or len(tensor.raw_data) < _LEAST_BYTES:
            continue
        start = content.find(tensor.raw_data, position)
        if start >= 0:
            ranges.append((start, len(tensor.raw_data)))
            position = start + len(tensor.raw_data)
    return ranges
