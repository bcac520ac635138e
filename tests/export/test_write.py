"""The files that the export writes: contract, metadata, weights, and that the export reproduces the shipped graphs."""

import shutil
from collections import Counter

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from export.manifest import MANIFEST
from export.parity import relative_error
from export.torch_graphs import TorchGraphs
from export.write import write_graphs
from mam import GraphError, weights
from mam.model import contract
from mam.model.folders import BUNDLE
from mam.model.runtime import load_graphs
from mam.model.steps import decode, encode
from mam.nets import checkpoint
from tests.conftest import TINY_CHECKPOINTS

CHANNELS = {"C0": 16, "C1": 32}


def test_graphs_follow_the_contract(mini, graphs_folder) -> None:
    for graph in contract.GRAPHS:
        proto = onnx.load(graphs_folder / graph.file)
        onnx.checker.check_model(proto, full_check=True)
        declared = graph.having({"high_res_feats_0", "high_res_feats_1"})
        for tensor, found in zip(
            (*declared.inputs, *declared.outputs), (*proto.graph.input, *proto.graph.output), strict=True
        ):
            shape = [d.dim_param or d.dim_value for d in found.type.tensor_type.shape.dim]
            assert found.name == tensor.name
            assert shape == [CHANNELS.get(size, size) for size in tensor.shape]
        metadata = {p.key: p.value for p in proto.metadata_props}
        assert metadata == {**contract.metadata("mini", "seed 0", mini.policy), "mam_graph": graph.name}
        assert {n.domain for n in proto.graph.node} == {""}  # standard operators only


def test_export_gives_the_shipped_graphs(tiny, tmp_path) -> None:
    before = [tensor.clone() for tensor in tiny.state_dict().values()]
    paths = []
    write_graphs(tiny, weights.sha256(*TINY_CHECKPOINTS), tmp_path, on_file=paths.append)
    assert paths == [*(tmp_path / graph.file for graph in contract.GRAPHS), tmp_path / MANIFEST]
    for graph in contract.GRAPHS:
        got, shipped = onnx.load(tmp_path / graph.file), onnx.load(BUNDLE / graph.file)
        assert Counter(node.op_type for node in got.graph.node) == Counter(node.op_type for node in shipped.graph.node)
        assert {p.key: p.value for p in got.metadata_props} == {p.key: p.value for p in shipped.metadata_props}
        stored = [{t.name: numpy_helper.to_array(t) for t in proto.graph.initializer} for proto in (got, shipped)]
        assert stored[0].keys() == stored[1].keys()
        for name, values in stored[0].items():
            np.testing.assert_array_equal(values, stored[1][name], err_msg=name)
    # The model is as it was.
    assert all(torch.equal(a, b) for a, b in zip(before, tiny.state_dict().values(), strict=True))


@pytest.mark.parametrize(("b", "n"), [(1, 1), (3, 2), (2, 7)])
def test_prompts_and_points_are_dynamic(model, graphs_folder, b: int, n: int) -> None:
    rng = np.random.default_rng(0)
    features = {
        tensor.name: rng.standard_normal([CHANNELS.get(size, size) for size in tensor.shape], np.float32)
        for tensor in contract.IMAGE_ENCODER.outputs
    }
    inputs = (
        features,
        rng.uniform(0, 1024, (b, n, 2)).astype(np.float32),
        rng.integers(-1, 4, (b, n)).astype(np.float32),
        rng.standard_normal((b, 1, 256, 256), np.float32),
        rng.integers(0, 2, b).astype(np.float32),
    )
    masks, scores = decode(load_graphs(graphs_folder, "cpu"), *inputs)
    expected, quality = decode(TorchGraphs(model), *inputs)
    assert masks.shape == (b, 4, 256, 256) and scores.shape == (b, 4)
    assert relative_error(masks, expected) < 1e-4
    assert np.abs(scores - quality).max() < 1e-4


def test_half_precision_weights_are_stored_as_such_without_loss(mini, tmp_path) -> None:
    model = checkpoint.build_seeded(mini, 0)
    with torch.no_grad():
        for tensor in model.sam.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(tensor.half().float())
    image = np.random.default_rng(0).standard_normal((1, 3, 1024, 1024), np.float32)
    write_graphs(model, "halves", tmp_path)
    initializers = onnx.load(tmp_path / "image_encoder.onnx").graph.initializer
    assert any(i.data_type == onnx.TensorProto.FLOAT16 for i in initializers)
    assert (
        relative_error(
            encode(load_graphs(tmp_path, "cpu"), image)["image_embeddings"],
            encode(TorchGraphs(model), image)["image_embeddings"],
        )
        < 1e-5
    )


def test_large_weights_go_into_a_second_file_that_moves_with_the_first(
    small_sam, tmp_path, monkeypatch, image, embeddings
) -> None:
    write_graphs(small_sam, "seed 0", tmp_path / "here", one_file=10_000)
    assert (tmp_path / "here" / "image_encoder.onnx.data").stat().st_size > 10_000
    shutil.move(tmp_path / "here", tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    assert (
        relative_error(encode(load_graphs(tmp_path / "elsewhere", "cpu"), image)["image_embeddings"], embeddings) < 1e-5
    )
    (tmp_path / "elsewhere" / "image_encoder.onnx.data").unlink()
    with pytest.raises(GraphError, match=r"image_encoder.onnx cannot be loaded"):
        load_graphs(tmp_path / "elsewhere", "cpu")
