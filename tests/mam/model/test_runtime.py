"""Sets of graphs that do not belong together, and the path of data on a device."""

import dataclasses
import pickle
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from mam import GraphError, Matting
from mam.model import contract
from mam.model.providers import CUDA
from mam.model.runtime import load_graphs
from mam.model.steps import decode, encode, matte


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


def cut(folder: Path) -> None:
    (folder / "matte.onnx").write_bytes((folder / "matte.onnx").read_bytes()[:4000])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "matte.onnx").unlink(), "lacks matte.onnx; expected the three files"),
        (cut, "matte.onnx cannot be loaded"),
        (
            lambda folder: shutil.copy(folder / "image_encoder.onnx", folder / "matte.onnx"),
            "matte.onnx is image_encoder; expected matte",
        ),
        (lambda folder: restamp(folder / "matte.onnx", mam_graph=""), "no graph of this project"),
        (
            lambda folder: restamp(folder / "mask_decoder.onnx", mam_contract="99"),
            "version 99 of the contract; this library expects version 3",
        ),
    ],
    ids=["missing", "broken", "swapped", "of somebody else", "another version"],
)
def test_files_that_are_no_set_are_refused(copy, spoil, message) -> None:
    spoil(copy)
    with pytest.raises(GraphError, match=message):
        load_graphs(copy, "cpu")


def test_missing_metadata(copy) -> None:
    for graph in contract.GRAPHS:
        model = onnx.load(copy / graph.file)
        kept = {p.key: p.value for p in model.metadata_props if p.key != "mam_crop_margin"}
        del model.metadata_props[:]
        onnx.helper.set_model_props(model, kept)
        onnx.save(model, copy / graph.file)
    with pytest.raises(GraphError, match="lack the metadata mam_crop_margin"):
        load_graphs(copy, "cpu")


@pytest.mark.parametrize("key", ["mam_variant", "mam_checkpoint_sha256"])
def test_another_variant_or_checkpoint(copy, key) -> None:
    restamp(copy / "mask_decoder.onnx", **{key: "other"})
    with pytest.raises(GraphError, match=f"different models .{key}.*mask_decoder.onnx: other"):
        load_graphs(copy, "cpu")


class FakeValue:
    """Stands for an `OrtValue`: the output's name and its device."""

    def __init__(self, name: str, where: str) -> None:
        self.name, self.where = name, where

    @staticmethod
    def ortvalue_from_numpy(array, where, number) -> "FakeValue":
        assert array.flags.c_contiguous and number == 1
        return FakeValue("uploaded", where)

    def numpy(self):
        return self


class FakeBinding:
    """Stands for an `IOBinding`; records which inputs were copied and which stayed on the device."""

    def __init__(self) -> None:
        self.moved, self.stayed, self.outputs = [], [], []

    def bind_cpu_input(self, name, value) -> None:
        self.moved.append(name)

    def bind_ortvalue_input(self, name, value) -> None:
        assert value.where == "cuda"
        self.stayed.append(name)

    def bind_output(self, name, where, number) -> None:
        assert (where, number) == ("cuda", 1)
        self.outputs.append(FakeValue(name, where))

    def get_outputs(self):
        return self.outputs


class FakeSession:
    """Stands for a session of a graph on the second GPU."""

    def __init__(self, graph: contract.Graph) -> None:
        self.graph, self.bindings, self.fails = graph, [], ""

    def get_inputs(self) -> tuple[contract.Tensor, ...]:
        return self.graph.inputs

    def get_outputs(self) -> tuple[contract.Tensor, ...]:
        return self.graph.outputs

    def io_binding(self) -> FakeBinding:
        self.bindings.append(FakeBinding())
        return self.bindings[-1]

    def run_with_iobinding(self, binding, options) -> None:
        assert options.get_run_config_entry("memory.enable_memory_arena_shrinkage") == "cpu:0;gpu:1"
        if self.fails:
            raise RuntimeError(self.fails)


@pytest.fixture()
def on_cuda(graphs_folder, monkeypatch):
    monkeypatch.setattr(ort, "OrtValue", FakeValue)
    sessions = {graph.name: FakeSession(graph) for graph in contract.GRAPHS}
    return dataclasses.replace(load_graphs(graphs_folder, "cpu"), provider=CUDA, device="cuda:1", sessions=sessions)


def test_on_cuda_image_and_embeddings_stay_on_the_device_between_the_graphs(on_cuda) -> None:
    some = np.zeros((1, 1), np.float32)
    features = encode(on_cuda, some)
    names = ["image_embeddings", "high_res_feats_0", "high_res_feats_1"]
    assert [(value.name, value.where) for value in features.values()] == [
        (name, "cuda") for name in ("uploaded", *names)
    ]
    assert on_cuda.sessions["image_encoder"].bindings[0].stayed == ["image"]
    decode(on_cuda, features, some, some, some, some)
    matte(on_cuda, some, features, some, (1, 1), (1, 1), True)
    decoder, after = (on_cuda.sessions[name].bindings[0] for name in ("mask_decoder", "matte"))
    assert decoder.stayed == names and sorted(after.stayed) == ["image", names[0]]
    assert decoder.moved == ["point_coords", "point_labels", "mask_input", "has_mask_input"]
    assert "mask_guidance" in after.moved


def test_a_scene_on_cuda_knows_its_size(on_cuda) -> None:
    scene = Matting(on_cuda).open(np.zeros((40, 60, 3), np.uint8))
    assert scene.whole.features["image_embeddings"].where == "cuda" and scene.nbytes > 4 * 256 * 64 * 64


def test_a_failure_on_cuda_names_the_graph_and_a_way_out(on_cuda) -> None:
    on_cuda.sessions["image_encoder"].fails = "out of memory"
    with pytest.raises(
        GraphError, match=r"image_encoder.onnx failed on CUDAExecutionProvider; on the CPU .device='cpu'. it may"
    ):
        encode(on_cuda, np.zeros((1, 1), np.float32))


def test_graphs_pickle_by_their_folder(graphs_folder) -> None:
    graphs = load_graphs(graphs_folder, "cpu", threads=1)
    data = pickle.dumps(graphs)
    again = pickle.loads(data)
    assert len(data) < 1000
    assert (again.folder, again.device, again.threads) == (graphs_folder, "cpu", 1)
    assert repr(again) == f"OnnxGraphs(mini on CPUExecutionProvider, {str(graphs_folder)!r})"
