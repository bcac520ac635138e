"""Sets of graphs that do not fit, and providers that cannot be had."""

import dataclasses
import shutil

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from mam import Matting, contract, runtime
from mam.errors import GraphError
from mam.runtime import load_graphs


@pytest.fixture()
def copy(graphs_folder, tmp_path):
    return shutil.copytree(graphs_folder, tmp_path / "set")


def restamp(path, **changes: str) -> None:
    model = onnx.load(path)
    stamp = {p.key: p.value for p in model.metadata_props}
    onnx.helper.set_model_props(model, {**stamp, **changes})
    onnx.save(model, path)


def test_a_whole_set_says_what_it_is(graphs_folder) -> None:
    graphs = load_graphs(graphs_folder, "cpu")
    assert (graphs.variant, graphs.provider, graphs.note) == ("mini", "CPUExecutionProvider", "")


def test_missing_graph(copy) -> None:
    (copy / "matte.onnx").unlink()
    with pytest.raises(GraphError, match="lacks matte.onnx; expected the three files"):
        load_graphs(copy, "cpu")


def test_broken_graph(copy) -> None:
    (copy / "matte.onnx").write_bytes((copy / "matte.onnx").read_bytes()[:4000])
    with pytest.raises(GraphError, match="matte.onnx cannot be loaded"):
        load_graphs(copy, "cpu")


def test_swapped_graph(copy) -> None:
    shutil.copy(copy / "image_encoder.onnx", copy / "matte.onnx")
    with pytest.raises(GraphError, match="matte.onnx is image_encoder; expected matte"):
        load_graphs(copy, "cpu")


def test_graph_of_somebody_else(copy) -> None:
    restamp(copy / "matte.onnx", mam_graph="")
    with pytest.raises(GraphError, match="no graph of this project"):
        load_graphs(copy, "cpu")


def test_another_contract_version(copy) -> None:
    restamp(copy / "mask_decoder.onnx", mam_contract="99")
    with pytest.raises(GraphError, match="version 99 of the contract; this library speaks version 2"):
        load_graphs(copy, "cpu")


@pytest.mark.parametrize("key", ["mam_variant", "mam_checkpoint_sha256"])
def test_another_variant_or_checkpoint(copy, key) -> None:
    restamp(copy / "mask_decoder.onnx", **{key: "other"})
    with pytest.raises(GraphError, match=f"different models .{key}.*mask_decoder.onnx: other"):
        load_graphs(copy, "cpu")


def test_cuda_without_a_driver_is_an_error_when_asked_and_a_note_when_not(graphs_folder, monkeypatch) -> None:
    monkeypatch.setattr(runtime, "cuda_driver", lambda: None)
    with pytest.raises(GraphError, match="CUDA was asked for, but"):
        load_graphs(graphs_folder, "cuda")
    assert load_graphs(graphs_folder, "auto").note.startswith("Running on the CPU: ")


def test_cuda_that_falls_back_silently_is_said(graphs_folder, monkeypatch) -> None:
    monkeypatch.setattr(
        runtime, "_choose_providers", lambda device: (["CUDAExecutionProvider", "CPUExecutionProvider"], "")
    )
    real = runtime._session
    monkeypatch.setattr(runtime, "_session", lambda path, providers, threads: real(path, providers[1:], threads))
    with pytest.raises(
        GraphError, match="runs image_encoder.onnx, mask_decoder.onnx, matte.onnx on CPUExecutionProvider"
    ):
        load_graphs(graphs_folder, "cuda")
    note = load_graphs(graphs_folder, "auto").note
    assert (
        "CUDA could not be used (" in note
        and "; running image_encoder.onnx, mask_decoder.onnx, matte.onnx on CPU" in note
    )


def test_the_reason_why_cuda_failed_is_passed_on(graphs_folder, monkeypatch) -> None:
    real = ort.InferenceSession

    def session(path, options, providers):
        if providers[0][0] == runtime.CUDA:
            raise RuntimeError("CUDA failure 35: driver too old")
        return real(path, options, providers=providers)

    monkeypatch.setattr(runtime, "_choose_providers", lambda device: ([runtime.CUDA, runtime.CPU], ""))
    monkeypatch.setattr(ort, "InferenceSession", session)
    assert "CUDA failure 35: driver too old" in load_graphs(graphs_folder, "auto").note
    with pytest.raises(GraphError, match="CUDA failure 35: driver too old"):
        load_graphs(graphs_folder, "cuda")


def test_a_driver_counts_if_the_loader_finds_it(monkeypatch) -> None:
    def load(name: str):
        if name != "libcuda.so.1":
            raise OSError("no such library")

    monkeypatch.setattr(runtime.ctypes, "CDLL", load)
    assert runtime.cuda_driver() == "libcuda.so.1"
    monkeypatch.setattr(runtime.ctypes, "CDLL", lambda name: load(""))
    assert runtime.cuda_driver() is None


class FakeValue:
    """Stands for an `OrtValue`: what it is of, and where."""

    def __init__(self, name: str, where: str) -> None:
        self.name, self.where = name, where

    def numpy(self):
        return self


class FakeBinding:
    """Stands for an `IOBinding`, and remembers."""

    def __init__(self) -> None:
        self.moved, self.stayed, self.outputs = [], [], []

    def bind_cpu_input(self, name, value) -> None:
        self.moved.append(name)

    def bind_ortvalue_input(self, name, value) -> None:
        assert value.where == "cuda"
        self.stayed.append(name)

    def bind_output(self, name, where) -> None:
        self.outputs.append(FakeValue(name, where))

    def get_outputs(self):
        return self.outputs


class FakeSession:
    """Stands for a session on CUDA."""

    def __init__(self, fails: str = "") -> None:
        self.bindings, self.fails = [], fails

    def io_binding(self) -> FakeBinding:
        self.bindings.append(FakeBinding())
        return self.bindings[-1]

    def run_with_iobinding(self, binding, options) -> None:
        if self.fails:
            raise RuntimeError(self.fails)


@pytest.fixture()
def on_cuda(graphs_folder, monkeypatch):
    monkeypatch.setattr(ort, "OrtValue", FakeValue)
    sessions = {graph.name: FakeSession() for graph in contract.GRAPHS}
    return dataclasses.replace(load_graphs(graphs_folder, "cpu"), provider=runtime.CUDA, sessions=sessions)


def test_on_cuda_embeddings_stay_on_the_device_between_the_graphs(on_cuda) -> None:
    some = np.zeros((1, 1), np.float32)
    embeddings = on_cuda.encode(some)
    assert (embeddings.name, embeddings.where) == ("image_embeddings", "cuda")
    on_cuda.decode(embeddings, some, some, some, some)
    on_cuda.matte(some, embeddings, some, (1, 1), (1, 1), True)
    decoder, matte = (on_cuda.sessions[name].bindings[0] for name in ("mask_decoder", "matte"))
    assert decoder.stayed == matte.stayed == ["image_embeddings"]
    assert decoder.moved == ["point_coords", "point_labels", "mask_input", "has_mask_input"]
    assert "image" in matte.moved and "mask_guidance" in matte.moved


def test_a_scene_on_cuda_is_a_value_like_any_other(on_cuda, monkeypatch) -> None:
    scene = Matting(on_cuda).open(np.zeros((40, 60, 3), np.uint8))
    assert scene.image_embeddings.where == "cuda" and scene.nbytes > 4 * 256 * 64 * 64


def test_a_failure_on_cuda_names_the_graph_and_a_way_out(on_cuda) -> None:
    on_cuda.sessions["image_encoder"].fails = "out of memory"
    with pytest.raises(
        GraphError, match="image_encoder.onnx failed on CUDAExecutionProvider; on the CPU .device='cpu'. it may"
    ):
        on_cuda.encode(np.zeros((1, 1), np.float32))


def test_cuda_libraries_are_loaded_before_the_first_session(graphs_folder, monkeypatch) -> None:
    steps = []
    monkeypatch.setattr(runtime, "cuda_driver", lambda: "libcuda.so.1")
    monkeypatch.setattr(ort, "get_available_providers", lambda: [runtime.CUDA, runtime.CPU])
    monkeypatch.setattr(ort, "preload_dlls", lambda: steps.append("libraries"))
    real = runtime._session

    def session(path, providers, threads):
        steps.append(providers[0])
        return real(path, providers[1:], threads)

    monkeypatch.setattr(runtime, "_session", session)
    assert "could not be used" in load_graphs(graphs_folder, "auto").note
    assert steps == ["libraries", *[runtime.CUDA] * 3]


def test_unknown_device(graphs_folder) -> None:
    with pytest.raises(GraphError, match="expected 'auto', 'cpu' or 'cuda'"):
        load_graphs(graphs_folder, "gpu")
