"""Reading of checkpoints without torch: `.pt` and `.pth` files of `torch.save`, and `.safetensors`.

Only the description of the tensors is read. Their numbers stay in the file, from where a runtime can map them.
"""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mam.errors import WeightsError
from mam.weights.layout import describe_other_file, unwrap
from mam.weights.pickles import MAX_BYTES, Global, PickledDict, PickleError, read_pickle
from mam.weights.tensors import ITEM_SIZES, MAX_AXES, StoredTensor, check_layout, contiguous_strides

_MAX_HEADER = 50_000_000  # bytes of a safetensors header
_LOCAL_HEADER = struct.Struct("<4s22xHH")  # of a zip entry: signature, length of the name, of the extra field

# In the order of `ITEM_SIZES`.
_STORAGES = ("Double", "Float", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
_STORAGE_TYPES = {f"torch.{name}Storage": dtype for name, dtype in zip(_STORAGES, ITEM_SIZES, strict=True)}
_SAFETENSORS = ("F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL")
_SAFETENSORS_DTYPES = dict(zip(_SAFETENSORS, ITEM_SIZES, strict=True))


@dataclass(frozen=True)
class _Storage:
    """Numbers of one dtype, one after the other, in a file."""

    dtype: str
    offset: int
    count: int


def read_tensors(file: Path) -> dict[str, StoredTensor]:
    """List the tensors of a checkpoint, by their names without wrappers and the prefix `module.`.

    Args:
        file: the checkpoint.

    Raises:
        WeightsError: the file is missing, damaged, of another kind, or asks for anything else than tensors and
            containers.
    """
    if not file.exists():
        raise WeightsError(f"no checkpoint at {file}; give the path of a .pt, .pth or .safetensors file.")
    try:
        if other := describe_other_file(file):
            raise PickleError(other)
        with open(file, "rb") as stream:
            start = stream.read(10)
        content = _read_safetensors(file) if start[8:] == b'{"' else _read_zip(file, start)
    except OSError as error:
        raise WeightsError(f"{file} cannot be read ({error}).") from error
    except PickleError as error:
        raise WeightsError(f"{file} {error}; expected a .pt, .pth or .safetensors file of tensors.") from error
    return {name: value for name, value in unwrap(file, content).items() if isinstance(value, StoredTensor)}


def _read_zip(file: Path, start: bytes) -> Any:
    """Return what `torch.save` stored, with a `StoredTensor` for each tensor."""
    if not start.startswith(b"PK"):
        if start.startswith(b"\x80\x02\x8a\x0a"):
            raise PickleError("is in the format from before torch 1.6: open it with torch and save it again")
        raise PickleError("is no checkpoint, or damaged")
    try:
        with zipfile.ZipFile(file) as archive, open(file, "rb") as stream:
            entries = {entry.filename: entry for entry in archive.infolist()}
            (root,) = {name.removesuffix("data.pkl") for name in entries if name.endswith("/data.pkl")} or {""}
            if f"{root}constants.pkl" in entries:
                raise PickleError("is a TorchScript program")
            if entries[f"{root}data.pkl"].file_size > MAX_BYTES:
                raise PickleError(f"describes its tensors in more than {MAX_BYTES} bytes")
            byte_order = entries.get(f"{root}byteorder")
            if byte_order is not None and byte_order.file_size < 20 and archive.read(byte_order) != b"little":
                raise PickleError("was saved on a machine with another order of bytes")
            length = file.stat().st_size
            storages = {
                name.removeprefix(f"{root}data/"): _locate(stream, entry, length)
                for name, entry in entries.items()
                if name.startswith(f"{root}data/")
            }
            _locate(stream, entries[f"{root}data.pkl"], length)
            data = archive.read(f"{root}data.pkl")
    except (
        zipfile.BadZipFile,
        KeyError,
        ValueError,
        EOFError,
        struct.error,
        NotImplementedError,  # zipfile's, of a version or compression that it does not know
        RuntimeError,
    ) as error:
        raise PickleError("has no end: it is half downloaded or damaged, download it again") from error
    return read_pickle(data, _functions(file), frozenset(_STORAGE_TYPES), lambda key: _find_storage(key, storages))


def _locate(stream: Any, entry: zipfile.ZipInfo, length: int) -> tuple[int, int]:
    """Return where an entry's content begins in the file, and its number of bytes.

    Raises:
        PickleError: it is compressed, or not inside the file.
    """
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
        raise PickleError(f"holds {entry.filename} compressed or encrypted; torch.save writes it as it is")
    stream.seek(entry.header_offset)
    signature, name, extra = _LOCAL_HEADER.unpack(stream.read(_LOCAL_HEADER.size))
    begin = entry.header_offset + _LOCAL_HEADER.size + name + extra
    if signature != b"PK\x03\x04" or begin + entry.file_size > length or entry.file_size != entry.compress_size:
        raise PickleError("is damaged, download it again")
    return begin, entry.file_size


def _find_storage(key: Any, storages: dict[str, tuple[int, int]]) -> _Storage:
    """Return the storage of a persistent id: ("storage", type, key, location, count)."""
    kind, storage_type, name, _, count = key
    if kind != "storage" or not isinstance(storage_type, Global) or storage_type.name not in _STORAGE_TYPES:
        raise PickleError("is damaged: a tensor has no numbers")
    dtype = _STORAGE_TYPES[storage_type.name]
    if not isinstance(name, str):  # hashing nested tuples takes forever
        raise PickleError("is damaged: a tensor has no numbers")
    begin, size = storages[name]
    if type(count) is not int or count < 0 or count * ITEM_SIZES[dtype] != size:
        raise PickleError(f"is damaged: it has {size} bytes for a tensor of {count} numbers ({dtype})")
    return _Storage(dtype, begin, count)


def _functions(file: Path) -> dict[str, Callable[..., Any]]:
    """What is computed instead of the functions that `torch.save` writes into a file."""

    def rebuild_tensor(storage: Any, start: Any, shape: Any, strides: Any, *_: Any) -> StoredTensor:
        if not isinstance(storage, _Storage):
            raise PickleError("is damaged: a tensor has no numbers")
        if problem := check_layout(shape, strides, start, storage.count):
            raise PickleError(f"is damaged: it has {problem}")
        return StoredTensor(file, storage.dtype, shape, strides, storage.offset + start * ITEM_SIZES[storage.dtype])

    def rebuild_parameter(tensor: Any, *_: Any) -> Any:
        return tensor

    def ordered_dict(*pairs: Any) -> dict[Any, Any]:
        if pairs:  # torch fills it afterwards
            raise PickleError("is damaged: it fills a dictionary in an unknown way")
        return PickledDict()

    return {
        "collections.OrderedDict": ordered_dict,
        "torch._utils._rebuild_tensor_v2": rebuild_tensor,
        "torch._utils._rebuild_parameter": rebuild_parameter,
    }


def _read_safetensors(file: Path) -> dict[str, StoredTensor]:
    """Return the tensors of a .safetensors file: the length of a JSON header, the header, the numbers."""
    size = file.stat().st_size
    with open(file, "rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        if length > min(size - 8, _MAX_HEADER):
            raise PickleError("has no end: it is half downloaded or damaged, download it again")
        header = stream.read(length)
    begin = 8 + length
    try:
        entries = json.loads(header)
        tensors = {}
        for name, entry in entries.items():
            if name == "__metadata__":
                continue
            dtype, shape = _SAFETENSORS_DTYPES[entry["dtype"]], tuple(entry["shape"])
            first, last = entry["data_offsets"]
            countable = len(shape) <= MAX_AXES and all(type(n) is int for n in shape)
            strides = contiguous_strides(shape) if countable else ()
            if type(first) is not int or type(last) is not int or not 0 <= first <= last <= size - begin:
                raise PickleError("has no end: it is half downloaded or damaged, download it again")
            if problem := check_layout(shape, strides, 0, (last - first) // ITEM_SIZES[dtype]):
                raise PickleError(f"is damaged: it has {problem}")
            tensors[name] = StoredTensor(file, dtype, shape, strides, begin + first)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PickleError("is damaged: its description of tensors makes no sense") from error
    return tensors
