"""A tensor inside a checkpoint: where its numbers are in the file, and their layout, checked before they are read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ITEM_SIZES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}
ITEM_SIZES |= {"int64": 8, "int32": 4, "int16": 2, "int8": 1, "uint8": 1, "bool": 1}
"""Bytes per number of every dtype that is read."""

MAX_AXES = 16
"""Axes that a tensor in a file may have."""


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in a file, which stays there until `read`.

    Attributes:
        file: the checkpoint.
        dtype: a key of `ITEM_SIZES`.
        shape: sizes of the axes.
        strides: distance of neighbours along each axis, in numbers.
        offset: where the first number starts, in bytes from the start of the file.
    """

    file: Path
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """How many bytes its numbers take without gaps."""
        return self.size * ITEM_SIZES[self.dtype]

    @property
    def is_contiguous(self) -> bool:
        """Whether the numbers are in the file in order and without gaps."""
        expected = contiguous_strides(self.shape)
        return all(size == 1 or a == b for size, a, b in zip(self.shape, self.strides, expected, strict=True))

    def read(self) -> np.ndarray:
        """Return the tensor: memory-mapped and read-only, except for bfloat16, which is returned as float32."""
        if not self.size:
            return np.zeros(self.shape, np.float32 if self.dtype == "bfloat16" else self.dtype)
        stored = np.dtype("uint16" if self.dtype == "bfloat16" else self.dtype).newbyteorder("<")
        reach = 1 + sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        numbers = np.memmap(self.file, stored, "r", self.offset, (reach,))
        steps = tuple(stride * stored.itemsize for stride in self.strides)
        values = np.lib.stride_tricks.as_strided(numbers, self.shape, steps, writeable=False)
        if self.dtype == "bfloat16":  # the upper half of a float32
            return (values.astype(np.uint32) << 16).view(np.float32)
        return values


def contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the strides of a tensor of this shape that has its numbers in order and without gaps."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def check_layout(shape: object, strides: object, start: object, available: int) -> str | None:
    """Check that a tensor lies inside the numbers that a file has for it.

    Args:
        shape: sizes of the axes, from an untrusted file, as are `strides` and `start`.
        strides: in numbers.
        start: index of the first number.
        available: how many numbers there are.

    Returns:
        What is wrong, as a clause of an error message; None if nothing is.
    """
    if not (isinstance(shape, tuple) and isinstance(strides, tuple) and len(shape) == len(strides) <= MAX_AXES):
        return "a tensor without a valid shape"
    if not all(type(value) is int and value >= 0 for value in (*shape, *strides, start)):
        return "a tensor with a size, stride or offset that is not a non-negative integer"
    assert isinstance(start, int)
    last = start + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    # A stride of 0 repeats numbers: a small file could demand any amount of memory.
    if math.prod(shape) > available or (math.prod(shape) and last >= available):
        return f"a tensor of shape {shape} that reaches beyond its {available} numbers"
    return None
