"""Sets of graphs that do not fit, and providers that cannot be had."""

import shutil

import onnx
import pytest

from mam import runtime
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
    monkeypatch.setattr(runtime, "_choose_providers", lambda device: (["CUDAExecutionProvider", "CPUExecutionProvider"], ""))
    real = runtime._session
    monkeypatch.setattr(runtime, "_session", lambda path, providers, threads: real(path, providers[1:], threads))
    with pytest.raises(GraphError, match="runs image_encoder, mask_decoder, matte on CPUExecutionProvider"):
        load_graphs(graphs_folder, "cuda")
    assert "could not be used; running image_encoder, mask_decoder, matte on CPU" in load_graphs(graphs_folder, "auto").note


def test_unknown_device(graphs_folder) -> None:
    with pytest.raises(GraphError, match="expected 'auto', 'cpu' or 'cuda'"):
        load_graphs(graphs_folder, "gpu")
