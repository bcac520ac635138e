"""Reading of checkpoints without torch: equal to torch's, and hostile files are refused in plain words."""

import io
import json
import os
import pickle
import re
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from mam.errors import WeightsError
from mam.weights.checkpoint_reader import read_tensors

ROOT = Path(__file__).parents[3]
DTYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")


def all_kinds() -> dict[str, torch.Tensor]:
    """Tensors of every dtype and layout that a checkpoint may hold."""
    torch.manual_seed(0)
    base = torch.randn(6, 5, 4)
    kinds = {dtype: (base * 3).to(getattr(torch, dtype)) for dtype in DTYPES}
    views = {"transposed": base.mT, "slice": base[1:4, ::2], "repeated": base[:1, :1].expand(3, 2, 4), "row": base[2]}
    return kinds | views | {"number": torch.tensor(7.5), "empty": torch.zeros(0, 3), "same": base, "again": base}


def as_saved(content: object) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def assert_equal(read: dict, expected: dict[str, torch.Tensor]) -> None:
    assert read.keys() == expected.keys()
    for name, tensor in expected.items():
        values = read[name].read()
        assert tuple(tensor.shape) == read[name].shape == values.shape and read[name].is_contiguous in (True, False)
        plain = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
        np.testing.assert_array_equal(values, plain.numpy(), err_msg=name)
        assert read[name].is_contiguous == (tensor.is_contiguous() or not tensor.numel()), name


def test_every_dtype_and_layout_is_read_as_torch_reads_it(tmp_path) -> None:
    file = tmp_path / "a.pth"
    file.write_bytes(as_saved(all_kinds()))
    assert_equal(read_tensors(file), torch.load(file, weights_only=True))
    plain = {name: tensor.contiguous().clone() for name, tensor in all_kinds().items()}
    save_file(plain, tmp_path / "a.safetensors", metadata={"format": "pt"})
    assert_equal(read_tensors(tmp_path / "a.safetensors"), plain)


def test_contiguous_numbers_can_be_mapped_where_they_are(tmp_path) -> None:
    file = tmp_path / "a.pth"
    file.write_bytes(as_saved(all_kinds()))
    stored = read_tensors(file)["float32"]
    assert stored.offset % 64 == 0
    mapped = np.frombuffer(file.read_bytes(), np.float32, stored.size, stored.offset).reshape(stored.shape)
    np.testing.assert_array_equal(mapped, all_kinds()["float32"])
    assert not stored.read().flags.writeable


def test_wrappers_of_trainers_are_removed(tmp_path) -> None:
    net = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    optimizer = torch.optim.Adam(net.parameters())
    loss = net(torch.randn(4, 3)).square().mean()
    loss.backward()
    optimizer.step()
    state = OrderedDict((f"module.{name}", value) for name, value in net.state_dict().items())
    wrapped = {"iter": 3, "loss": loss, "state_dict": state, "opt_state_dict": optimizer.state_dict()}
    parameters = dict(net.named_parameters())
    for content, expected in ((wrapped, net.state_dict()), (net.state_dict(), net.state_dict())):
        (tmp_path / "a.pth").write_bytes(as_saved(content))
        assert_equal(read_tensors(tmp_path / "a.pth"), expected)
    (tmp_path / "a.pth").write_bytes(as_saved(parameters))
    assert_equal(read_tensors(tmp_path / "a.pth"), {name: value.detach() for name, value in parameters.items()})


def test_pickles_of_protocol_4_are_read(tmp_path) -> None:
    torch.save(all_kinds(), tmp_path / "a.pth", pickle_protocol=4)
    assert_equal(read_tensors(tmp_path / "a.pth"), all_kinds())


class Harmful:
    def __reduce__(self):
        return os.system, ("touch harmed",)


def archive(data: bytes, storages: dict[str, bytes] | None = None, method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip file as `torch.save` writes it, around a pickle of one's own."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as file:
        file.writestr("archive/data.pkl", data)
        file.writestr("archive/byteorder", b"little")
        for name, content in (storages or {"0": bytes(16)}).items():
            file.writestr(f"archive/data/{name}", content)
    return stream.getvalue()


def tensor_pickle(
    shape: str = "(I4\ntp", count: str = "I4\n", offset: str = "I0\n", strides: str = "(I1\nt", name: str = "0"
) -> bytes:
    """A pickle of {"a": tensor} in pickle's operations of protocol 2."""

    def number(text: str) -> bytes:
        value = int(text[1:-1])
        return pickle.dumps(value, 2)[2:-1]

    def numbers(text: str) -> bytes:
        values = [int(part[1:]) for part in re.findall(r"I-?\d+", text)]
        return b"(" + b"".join(number(f"I{value}\n") for value in values) + b"t"

    def word(text: str) -> bytes:
        return b"X" + struct.pack("<I", len(text)) + text.encode()

    storage = b"(" + word("storage") + b"ctorch\nFloatStorage\n" + word(name) + word("cpu") + number(count) + b"tQ"
    tensor = (
        b"ctorch._utils\n_rebuild_tensor_v2\n("
        + storage
        + number(offset)
        + numbers(shape)
        + numbers(strides)
        + b"\x89"
        + b"ccollections\nOrderedDict\n)R"
        + b"tR"
    )
    return b"\x80\x02}" + word("a") + tensor + b"s."


NONSENSE = "is damaged: its description of tensors makes no sense"
HOSTILE = {
    "code": (as_saved({"a": Harmful()}), r"asks for \w+\.system when it is opened, .* \(nothing was run\)"),
    "code in protocol 4": (archive(pickle.dumps(Harmful(), 4)), r"asks for \w+\.system"),
    "eval": (archive(b"\x80\x02cbuiltins\neval\n(X\x01\x00\x00\x001tR."), "asks for builtins.eval"),
    "attributes of allowed modules": (archive(b"ctorch._utils\n_rebuild_tensor\n)R."), "asks for torch._utils._rebu"),
    "a dotted name": (archive(b"\x80\x04\x8c\x05torch\x8c\x08os.mkdir\x93."), "asks for torch.os.mkdir"),
    "a storage that is called": (archive(b"ctorch\nFloatStorage\n)R."), "calls torch.FloatStorage, which builds no"),
    "an object": (archive(b"ccollections\nOrderedDict\n)\x81."), "the pickle operation NEWOBJ"),
    "an instance": (archive(b"(ios\nsystem\n."), "the pickle operation INST"),
    "an extension": (archive(b"\x82\x01."), r"(makes no sense|the pickle operation EXT1)"),
    "attributes of a number": (archive(b"K\x01}b."), "has a int where a dict belongs"),
    "a tensor that is too long": (archive(tensor_pickle(shape="(I5\nt")), r"shape \(5,\) that reaches beyond its 4"),
    "a tensor that starts late": (archive(tensor_pickle(offset="I1\n")), "reaches beyond its 4 numbers"),
    "a negative start": (archive(tensor_pickle(offset="I-1\n")), "not a non-negative integer"),
    "a negative size": (archive(tensor_pickle(shape="(I-4\nt")), "not a non-negative integer"),
    "a negative stride": (archive(tensor_pickle(strides="(I-1\nt")), "not a non-negative integer"),
    "a large stride": (archive(tensor_pickle(strides="(I2\nt")), "reaches beyond its 4 numbers"),
    "a repeated number": (archive(tensor_pickle(shape=f"(I{10**12}\nt", strides="(I0\nt")), "reaches beyond"),
    "an overflow": (archive(tensor_pickle(shape=f"(I{2**32}\nI{2**32}\nt", strides="(I0\nI0\nt")), "reaches beyond"),
    "too many axes": (archive(tensor_pickle(shape="(" + "I1\n" * 20, strides="(" + "I0\n" * 20)), "a valid shape"),
    "fewer strides than sizes": (archive(tensor_pickle(strides="(")), "a valid shape"),
    "another number of numbers": (archive(tensor_pickle(count="I40\n")), "it has 16 bytes for a tensor of 40 numbers"),
    "no such storage": (archive(tensor_pickle(name="../../etc/passwd")), NONSENSE),
    "a list": (archive(b"]."), "holds a list; expected a dictionary"),
    "a text longer than the file": (archive(b"X\xff\xff\xff\x7fabc."), NONSENSE),
    "a huge number": (archive(b"\x8b\xff\xff\xff\x7f."), NONSENSE),
    "nested keys": (archive(b"}))\x86" + b"q\x00h\x00\x86" * 60 + b"Ns."), "has a tuple as a key"),
    "a nested name of numbers": (
        archive(b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\n)" + b"q\x00h\x00\x86" * 60 + b"NK\x04tQ."),
        "a tensor has no numbers",
    ),
    "attributes of a storage": (archive(tensor_pickle().replace(b"tQ", b"tQ}b")), "has a _Storage where a dict"),
    "attributes of a tensor": (archive(tensor_pickle().replace(b"tRs", b"tR}bs")), "has a StoredTensor where a dict"),
    "a function that is changed": (archive(b"ccollections\nOrderedDict\n}b."), "has a Global where a dict belongs"),
    "deep nesting": (archive(b"]" * 1_000_000 + b"."), "makes no sense|holds a list"),
    "an empty stack": (archive(b"0."), "the pickle operation POP"),
    "a mark as a value": (archive(b"}(N\x86."), NONSENSE),
    "no end": (archive(b"}"), NONSENSE),
    "an empty pickle": (archive(b""), NONSENSE),
    "a large pickle": (archive(b"N" * 4_000_001), "describes its tensors in more than 4000000 bytes"),
    "a compressed pickle": (archive(b"N" * 1000, method=zipfile.ZIP_DEFLATED), "compressed or encrypted"),
    "another order of bytes": (archive(tensor_pickle()).replace(b"little", b"big\0\0\0"), "(order of bytes|half down)"),
    "a zip of other files": (archive(b".").replace(b"data.pkl", b"info.txt"), "half downloaded or damaged"),
    "a web page": (b"<!DOCTYPE html><html>Sign in</html>", "is a web page"),
    "an old format": (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", "before torch 1.6"),
    "an image": (b"\x89PNG\r\n\x1a\n" + bytes(99), "is no checkpoint, or damaged"),
    "nothing": (b"", "is empty"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_and_nothing_is_run(name, tmp_path, monkeypatch) -> None:
    content, message = HOSTILE[name]
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "evil.pth"
    file.write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        read_tensors(file)
    assert not (tmp_path / "harmed").exists()


def test_a_large_index_of_the_memo_costs_no_memory(tmp_path) -> None:
    file = tmp_path / "memo.pth"
    file.write_bytes(archive(b"}r\xff\xff\xff\x7f."))  # Python's unpickler would allocate 32 GB
    assert read_tensors(file) == {}


def safetensors(header: object, numbers: bytes = bytes(16)) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + numbers


ENTRY = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (safetensors({"a": {**ENTRY, "data_offsets": [0, 17]}}), "half downloaded"),
        (safetensors({"a": {**ENTRY, "data_offsets": [8, 4]}}), "half downloaded"),
        (safetensors({"a": {**ENTRY, "data_offsets": [-4, 12]}}), "half downloaded"),
        (safetensors({"a": {**ENTRY, "shape": [5]}}), "reaches beyond its 4 numbers"),
        (safetensors({"a": {**ENTRY, "shape": [2**40, 2**40]}}), "reaches beyond its 4 numbers"),
        (safetensors({"a": {**ENTRY, "shape": [-1, -4]}}), "not a non-negative integer"),
        (safetensors({"a": {**ENTRY, "shape": ["4"]}}), "a valid shape"),
        (safetensors({"a": {**ENTRY, "shape": [2**60] * 200_000}}), "a valid shape"),
        (safetensors({"a": {**ENTRY, "dtype": "F8_E4M3"}}), "makes no sense"),
        (safetensors({"a": [1, 2]}), "makes no sense"),
        (safetensors(b'{"a"' + b"[" * 100_000), "makes no sense"),
        (struct.pack("<Q", 2**60) + b'{"a":{}}', "half downloaded"),
    ],
)
def test_hostile_safetensors_are_refused(content, message, tmp_path) -> None:
    file = tmp_path / "evil.safetensors"
    file.write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        read_tensors(file)


def test_truncated_files_folders_and_missing_files_are_described(tmp_path) -> None:
    whole = as_saved(all_kinds())
    file = tmp_path / "cut.pth"
    for length in (1, 3, 100, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:length])
        with pytest.raises(WeightsError, match=r"half downloaded|damaged"):
            read_tensors(file)
    with pytest.raises(WeightsError, match="is a folder"):
        read_tensors(tmp_path)
    with pytest.raises(WeightsError, match="no checkpoint at"):
        read_tensors(tmp_path / "none.pth")


SMALL = as_saved({"a": torch.arange(4.0), "b": torch.ones(2, 3).T})


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_damaged_bytes_give_an_error_or_tensors_inside_the_file(tmp_path, changes) -> None:
    damaged = bytearray(SMALL)
    for place, value in changes:
        damaged[place] = value
    file = tmp_path / "damaged.pth"
    file.write_bytes(damaged)
    try:
        found = read_tensors(file)
    except WeightsError:
        return
    for tensor in found.values():
        assert tensor.read().shape == tensor.shape


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60), st.integers(0, len(tensor_pickle()) - 1))
@pytest.mark.filterwarnings("ignore:invalid escape sequence")  # by pickletools
def test_any_pickle_gives_an_error_or_tensors_inside_the_file(tmp_path, inserted, place) -> None:
    valid = tensor_pickle()
    file = tmp_path / "damaged.pth"
    file.write_bytes(archive(valid[:place] + inserted + valid[place + len(inserted) // 2 :]))
    try:
        found = read_tensors(file)
    except WeightsError:
        return
    for tensor in found.values():
        assert tensor.read().shape == tensor.shape
