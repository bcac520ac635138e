"""SAM's own encoder, small: fused attention, weights in a second file, and first use."""

import shutil

import numpy as np
import onnx
import pytest
import torch

from export import prepare, write
from export.attention import OPERATOR, fused
from export.parity import TorchGraphs
from export.write import write_graphs
from mam import GraphError, Matting, variants, weights
from mam.contract import GRAPHS
from mam.errors import WeightsError
from mam.nets import checkpoint
from mam.runtime import load_graphs
from mam.variants import VARIANTS
from tests import small_vit


@pytest.fixture(scope="module")
def model():
    return checkpoint.seeded(small_vit.SMALL, 0)  # with relative positions that are not zero


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).standard_normal((1, 3, 1024, 1024), np.float32)


@pytest.fixture(scope="module")
def embeddings(model, image):
    return TorchGraphs(model).encode(image)


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    out = tmp_path_factory.mktemp("fused")
    write_graphs(model, "seed 0", out)
    return out


def relative(got, expected) -> float:
    return float(np.abs(got - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("block", [0, 1])  # in windows, and over the whole picture
def test_fused_attention_is_the_same_function(model, block) -> None:
    encoder = model.sam.image_encoder
    side = 14 if block == 0 else 64
    tokens = torch.randn(3, side, side, 32, generator=torch.Generator().manual_seed(1))
    plain = encoder.blocks[block].attn
    with torch.inference_mode():
        expected = plain(tokens)
        with fused(encoder):
            got = encoder.blocks[block].attn(tokens)
    assert encoder.blocks[block].attn is plain
    # The same products; only how a sum of some hundred of them is cut into pieces may differ.
    assert torch.allclose(got, expected, rtol=0, atol=1e-6 * expected.abs().max().item())
    with torch.no_grad():  # and it would not be, without the relative positions
        silent = torch.nn.Parameter(torch.zeros_like(plain.rel_pos_h))
        kept, plain.rel_pos_h = plain.rel_pos_h, silent
        assert not torch.allclose(plain(tokens), expected, rtol=0, atol=1e-3 * expected.abs().max().item())
        plain.rel_pos_h = kept


def test_the_fused_encoder_equals_torch_and_stores_no_large_matrix(folder, image, embeddings) -> None:
    nodes = onnx.load(folder / "image_encoder.onnx").graph.node
    assert sum(f"{node.domain}::{node.op_type}" == OPERATOR for node in nodes) == 2
    assert "Softmax" not in {node.op_type for node in nodes}
    assert relative(load_graphs(folder, "cpu").encode(image), embeddings) < 1e-5


def test_the_plain_flavour_has_standard_operators_only(model, tmp_path, image, embeddings) -> None:
    write_graphs(model, "seed 0", tmp_path, plain=True)
    for graph in GRAPHS:
        assert {node.domain for node in onnx.load(tmp_path / graph.file).graph.node} == {""}
    assert relative(load_graphs(tmp_path, "cpu").encode(image), embeddings) < 1e-5


def test_large_weights_go_into_a_second_file_that_moves_with_the_first(
    model, tmp_path, monkeypatch, image, embeddings
) -> None:
    monkeypatch.setattr(write, "ONE_FILE", 10_000)
    write_graphs(model, "seed 0", tmp_path / "here")
    assert (tmp_path / "here" / "image_encoder.onnx.data").stat().st_size > 10_000
    shutil.move(tmp_path / "here", tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    assert relative(load_graphs(tmp_path / "elsewhere", "cpu").encode(image), embeddings) < 1e-5
    (tmp_path / "elsewhere" / "image_encoder.onnx.data").unlink()
    with pytest.raises(GraphError, match="image_encoder.onnx cannot be loaded"):
        load_graphs(tmp_path / "elsewhere", "cpu")


@pytest.fixture()
def nothing_there(tmp_path, monkeypatch):
    """A machine without graphs, but with the checkpoints of a small `vit_b`."""
    monkeypatch.setenv("MAM_HOME", str(tmp_path))
    monkeypatch.setenv("MAM_OFFLINE", "1")
    monkeypatch.setitem(variants.VARIANTS, "vit_b", small_vit.SMALL)
    small_vit.write_mirror(tmp_path)
    for name in small_vit.SMALL.checkpoints:
        monkeypatch.setitem(weights.REGISTRY, name, weights.WeightFile(name, "a test", "none", "http://nowhere"))
    return tmp_path


def test_prepared_models_are_found_by_name_and_made_once(nothing_there) -> None:
    with pytest.raises(GraphError, match="vit_b is not ready in .*; `python -m export prepare --variant vit_b`"):
        Matting.load("vit_b")
    said = []
    folder = prepare.prepare(VARIANTS["vit_b"], said.append)
    assert nothing_there in folder.parents and sum("Exported" in line for line in said) == 3
    assert Matting.load("vit_b").graphs.variant == "vit_b"
    before = (folder / "matte.onnx").stat().st_mtime_ns
    prepare.prepare(VARIANTS["vit_b"], said.append)
    assert (folder / "matte.onnx").stat().st_mtime_ns == before


def test_an_export_that_breaks_off_leaves_nothing_that_looks_whole(nothing_there, monkeypatch) -> None:
    def fail(*args, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(prepare, "write_graphs", fail)
        prepare.prepare(VARIANTS["vit_b"], print)
    assert not weights.graphs_folder("vit_b").exists()
    prepare.prepare(VARIANTS["vit_b"], print)
    assert Matting.load("vit_b")


def test_what_only_a_person_can_fetch_is_asked_for_before_any_download(nothing_there, monkeypatch) -> None:
    monkeypatch.delenv("MAM_OFFLINE")
    monkeypatch.setattr(weights, "fetch", lambda *args: pytest.fail("a download began"))
    with pytest.raises(WeightsError, match="mam_vith.pth is not in .*drive.google.com.* and put it into"):
        prepare.prepare(VARIANTS["vit_h"], print)
