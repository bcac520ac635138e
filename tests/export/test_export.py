"""The exported graphs: contract, metadata, and parity with torch."""

import numpy as np
import onnx
import pytest
import torch

from export import parity
from export.__main__ import main
from export.parity import TorchGraphs
from export.write import write_graphs
from mam import contract, weights
from mam.matting import BUNDLE
from mam.nets import checkpoint
from mam.runtime import load_graphs
from mam.variants import VARIANTS
from tests.conftest import EXAMPLES


def test_graphs_follow_the_contract(graphs_folder) -> None:
    for graph in contract.GRAPHS:
        proto = onnx.load(graphs_folder / graph.file)
        onnx.checker.check_model(proto, full_check=True)
        for declared, found in ((graph.inputs, proto.graph.input), (graph.outputs, proto.graph.output)):
            assert [t.name for t in declared] == [t.name for t in found]
        for tensor, found in zip(graph.inputs, proto.graph.input):
            shape = [d.dim_param or d.dim_value for d in found.type.tensor_type.shape.dim]
            assert shape == list(tensor.shape)
        stamp = {p.key: p.value for p in proto.metadata_props}
        assert stamp == {**contract.metadata("mini", "seed 0"), "mam_graph": graph.name}
        assert {n.domain for n in proto.graph.node} == {""}  # standard operators only
        assert "weight_u" not in str([i.name for i in proto.graph.initializer])  # spectral norm is folded


def test_embedded_graphs_equal_torch_on_a_real_picture(monkeypatch) -> None:
    model = checkpoint.load(VARIANTS["tiny"], BUNDLE / "tiny_sam.pt", BUNDLE / "tiny_m2m.pt")
    monkeypatch.setattr(parity, "_sizes", lambda pixels: [pixels])  # `python -m export check` does three
    rows = list(parity.compare(model, load_graphs(BUNDLE, "cpu"), [EXAMPLES / "coffee.png"]))
    assert len(rows) == 1 + 4 * (1 + 2 * 6)
    assert all(row.ok for row in rows), parity.summary(rows)


def test_embedded_graphs_were_made_from_the_embedded_checkpoint() -> None:
    stamp = {p.key: p.value for p in onnx.load(BUNDLE / "matte.onnx").metadata_props}
    assert stamp["mam_checkpoint_sha256"] == weights.sha256(BUNDLE / "tiny_sam.pt", BUNDLE / "tiny_m2m.pt")


@pytest.mark.parametrize(("b", "n"), [(1, 1), (3, 2), (2, 7)])
def test_prompts_and_points_are_dynamic(model, graphs_folder, b: int, n: int) -> None:
    rng = np.random.default_rng(0)
    inputs = (
        rng.standard_normal((1, 256, 64, 64), np.float32),
        rng.uniform(0, 1024, (b, n, 2)).astype(np.float32),
        rng.integers(-1, 4, (b, n)).astype(np.float32),
        rng.standard_normal((b, 1, 256, 256), np.float32),
        rng.integers(0, 2, b).astype(np.float32),
    )
    masks, scores = load_graphs(graphs_folder, "cpu").decode(*inputs)
    expected, quality = TorchGraphs(model).decode(*inputs)
    assert masks.shape == (b, 4, 256, 256) and scores.shape == (b, 4)
    assert np.abs(masks - expected).max() < 1e-4 * np.abs(expected).max()
    assert np.abs(scores - quality).max() < 1e-4


def test_half_precision_weights_are_stored_as_such_without_loss(mini, tmp_path) -> None:
    model = checkpoint.seeded(mini, 0)
    with torch.no_grad():
        for tensor in model.sam.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(tensor.half().float())
    image = np.random.default_rng(0).standard_normal((1, 3, 1024, 1024), np.float32)
    write_graphs(model, "halves", tmp_path)
    stored = {i.name: i for i in onnx.load(tmp_path / "image_encoder.onnx").graph.initializer}
    assert any(i.data_type == onnx.TensorProto.FLOAT16 for i in stored.values())
    expected = TorchGraphs(model).encode(image)
    got = load_graphs(tmp_path, "cpu").encode(image)
    assert np.abs(got - expected).max() < 1e-4 * np.abs(expected).max()


def test_a_broken_tolerance_fails_the_check(model, graphs_folder, monkeypatch, capsys) -> None:
    monkeypatch.setattr(parity, "_sizes", lambda pixels: [pixels])
    one = parity._prompts
    monkeypatch.setattr(parity, "_prompts", lambda h, w: {"box": one(h, w)["box"]})
    monkeypatch.setattr("mam.nets.checkpoint.seeded", lambda variant, seed: model)
    monkeypatch.setattr(parity, "_relative", lambda got, expected: 0.5)
    arguments = ["check", "--variant", "tiny", "--seed", "0", "--graphs", str(graphs_folder)]
    assert main([*arguments, "--pictures", str(EXAMPLES / "coffee.png")]) == 1
    out = capsys.readouterr()
    assert "FAIL" in out.out and "BROKEN mask_decoder" in out.err


def test_command_line_wants_weights_or_a_seed(capsys) -> None:
    for wrong in ([], ["--seed", "1", "--checkpoint", "a"]):
        with pytest.raises(SystemExit) as stop:
            main(["graphs", "--variant", "tiny", "--out", "x", *wrong])
        assert stop.value.code == 2
    assert "either --checkpoint, or --seed" in capsys.readouterr().err


def test_missing_checkpoint_is_one_line(tmp_path, capsys) -> None:
    arguments = ["graphs", "--variant", "tiny", "--out", str(tmp_path), "--checkpoint", "no.pt"]
    assert main(arguments) == 1
    assert capsys.readouterr().err.startswith("export: no checkpoint at no.pt")
