"""Additions to an ONNX file as bytes, without the package onnx: initializers in another file, and casts.

Two protobuf messages, one after the other, are read as one with the fields of both. So bytes appended to a graph add
to it. The field numbers are defined in onnx.proto.
"""

from __future__ import annotations

from collections.abc import Sequence

FLOAT = 1
FLOAT_TYPES = {"float32": FLOAT, "float16": 10, "float64": 11, "bfloat16": 16}
"""ONNX's numbers of the dtypes that weights have in checkpoints."""
DATA_TYPES = {**FLOAT_TYPES, "int8": 3}

_GRAPH_OF_MODEL, _NODE, _INITIALIZER = 7, 1, 5
_DIMS, _DATA_TYPE, _NAME, _RAW_DATA, _EXTERNAL_DATA, _DATA_LOCATION = 1, 2, 8, 9, 13, 14
_EXTERNAL = 1
_NODE_INPUT, _NODE_OUTPUT, _NODE_TYPE, _NODE_ATTRIBUTE = 1, 2, 4, 5
_ATTRIBUTE_NAME, _ATTRIBUTE_INT, _ATTRIBUTE_TYPE, _INT = 1, 3, 20, 2


def external_initializer(name: str, dtype: str, shape: Sequence[int], file: str, offset: int, nbytes: int) -> bytes:
    """Return an initializer with its numbers in another file.

    Args:
        name: the tensor's name.
        dtype: a key of `DATA_TYPES`.
        shape: sizes of the axes.
        file: name of the file, in the folder that the runtime is given.
        offset: where the first number starts, in bytes.
        nbytes: the size of all numbers.
    """
    where = {"location": file, "offset": str(offset), "length": str(nbytes)}
    data = b"".join(_text(_EXTERNAL_DATA, _text(1, key) + _text(2, value)) for key, value in where.items())
    return _text(_INITIALIZER, _tensor(name, dtype, shape) + data + _number(_DATA_LOCATION, _EXTERNAL))


def inline_initializer(name: str, dtype: str, shape: Sequence[int], data: bytes) -> bytes:
    """Return an initializer with its numbers, little-endian, inside; the other arguments as for the external one."""
    return _text(_INITIALIZER, _tensor(name, dtype, shape) + _text(_RAW_DATA, data))


def cast_to_float32(source: str, result: str) -> bytes:
    """Return a node that converts the tensor `source` to float32, as `result`."""
    to = _text(_ATTRIBUTE_NAME, "to") + _number(_ATTRIBUTE_INT, FLOAT) + _number(_ATTRIBUTE_TYPE, _INT)
    node = _text(_NODE_INPUT, source) + _text(_NODE_OUTPUT, result) + _text(_NODE_TYPE, "Cast")
    return _text(_NODE, node + _text(_NODE_ATTRIBUTE, to))


def append_to_graph(model: bytes, additions: Sequence[bytes]) -> bytes:
    """Return an ONNX file with initializers and nodes added to its graph."""
    return model + _text(_GRAPH_OF_MODEL, b"".join(additions))


def _tensor(name: str, dtype: str, shape: Sequence[int]) -> bytes:
    sizes = b"".join(_number(_DIMS, size) for size in shape)
    return sizes + _number(_DATA_TYPE, DATA_TYPES[dtype]) + _text(_NAME, name)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _text(field: int, value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    """Seven bits per byte, the lowest first; the highest bit of a byte announces another one."""
    data = bytearray()
    while value > 127:
        data.append(value & 127 | 128)
        value >>= 7
    return bytes([*data, value])
