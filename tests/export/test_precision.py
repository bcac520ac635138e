"""Smaller flavours of the embedded model: smaller they are, they run, and their loss is what is said of them."""

import shutil

import numpy as np
import onnx
import pytest

from export import bench
from export.__main__ import main
from export.precision import FLAVOURS, graph_bytes, record, write_flavour
from export.write import write_graphs
from mam import GraphError, Matting
from mam.contract import GRAPHS
from mam.matting import BUNDLE
from mam.nets import checkpoint
from mam.runtime import load_graphs
from tests import small_vit
from tests.conftest import EXAMPLES

COFFEE = EXAMPLES / "coffee.png"


@pytest.fixture(scope="module")
def small_sam(tmp_path_factory):
    out = tmp_path_factory.mktemp("small_sam")
    write_graphs(checkpoint.seeded(small_vit.SMALL, 0), "seed 0", out)
    return out


@pytest.fixture(scope="module", params=sorted(FLAVOURS))
def flavour(request, tmp_path_factory):
    out = tmp_path_factory.mktemp(request.param)
    command = ["flavour", str(BUNDLE), "--precision", request.param, "--out", str(out), "--pictures", str(COFFEE)]
    assert main(command) == 0
    return request.param, out


def test_a_flavour_is_a_whole_set_that_cuts_out_nearly_the_same(flavour) -> None:
    precision, folder = flavour
    loaded = load_graphs(folder, "cpu")
    assert loaded.variant == "tiny"
    for graph in GRAPHS:
        stamp = {entry.key: entry.value for entry in onnx.load(folder / graph.file).metadata_props}
        assert stamp["precision"] == precision
    box = (72, 12, 482, 390)
    expected = Matting.load(device="cpu").open(COFFEE).matte(box=box)
    got = Matting(loaded).open(COFFEE).matte(box=box)
    # Measured on this picture: 0.00007, 0.000002 and 0.0015; half precision inside the cut gave 0.01, a wrong scale or a lost layer gives 0.1.
    assert np.abs(got.alpha - expected.alpha).mean() < {"fp16": 0.002, "fp16_weights": 0.001, "int8": 0.02}[precision]


def test_flavours_are_smaller(flavour) -> None:
    precision, folder = flavour
    whole = sum(graph_bytes(BUNDLE / graph.file) for graph in GRAPHS)  # halves already
    assert sum(graph_bytes(folder / graph.file) for graph in GRAPHS) < whole * (0.75 if precision == "int8" else 1.01)


def test_graphs_outside_the_networks_keep_all_their_digits(flavour) -> None:
    precision, folder = flavour
    if precision == "fp16":
        graph = onnx.load(folder / "mask_decoder.onnx").graph
        assert {node.name for node in graph.node if node.op_type == "Sin"} and not any(
            value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT16 for value in (*graph.input, *graph.output)
        )


def test_a_flavour_never_replaces_the_exact_graphs(capsys) -> None:
    assert main(["flavour", str(BUNDLE), "--precision", "fp16", "--out", str(BUNDLE / ".." / BUNDLE.name)]) == 1
    assert "holds the exact graphs" in capsys.readouterr().err


@pytest.mark.parametrize("precision", sorted(FLAVOURS))
def test_sams_encoders_have_flavours_too_even_if_their_weights_lie_apart(
    small_sam, tmp_path, monkeypatch, precision
) -> None:
    monkeypatch.setattr("export.precision._TWO_GB", 10_000)
    image = np.random.default_rng(0).standard_normal((1, 3, 1024, 1024), np.float32)
    expected = load_graphs(small_sam, "cpu").encode(image)
    for _ in range(2):  # once more into the same folder
        write_flavour(small_sam, precision, tmp_path, [COFFEE])
        sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
        assert sizes["image_encoder.onnx.data"] < 2 * small_sam.joinpath("image_encoder.onnx").stat().st_size
    got = load_graphs(tmp_path, "cpu").encode(image)
    assert np.linalg.norm(got - expected) < 0.1 * np.linalg.norm(expected)
    products = {node.op_type for node in onnx.load(tmp_path / "image_encoder.onnx").graph.node}
    assert ("MatMulInteger" in products) == (precision == "int8")


def test_half_a_set_has_no_flavours(tmp_path) -> None:
    shutil.copy(BUNDLE / "matte.onnx", tmp_path)
    command = ["flavour", str(tmp_path), "--precision", "fp16", "--out", str(tmp_path / "out")]
    assert main(command) == 1 and not (tmp_path / "out").exists()
    with pytest.raises(GraphError, match="lacks image_encoder.onnx"):
        record(tmp_path, [COFFEE])


def test_bench_says_early_what_it_cannot_measure(tmp_path, capsys) -> None:
    assert main(["bench", str(BUNDLE), str(tmp_path)]) == 1
    assert "lacks image_encoder.onnx" in capsys.readouterr().err
    with pytest.raises(GraphError, match="no pictures to measure with"):
        next(bench.bench([BUNDLE], [], "cpu", 1))
    with pytest.raises(GraphError, match="measuring .* ended with status 1"):
        bench._apart(tmp_path / "none.onnx", [], "cpu", 1, 1)


def test_bench_measures_each_graph_against_the_first_set(capsys) -> None:
    costs = list(bench.bench([BUNDLE, BUNDLE], [COFFEE], "cpu", 2, runs=1))
    assert [(cost.graph, cost.error) for cost in costs] == [(graph.name, 0.0) for graph in GRAPHS for _ in range(2)]
    assert all(cost.seconds > 0 and cost.first > 0 and cost.megabytes > 0.1 for cost in costs)
    assert 0.05 < costs[-1].peak < 2  # gigabytes; of the matte graph's activations alone
    text = bench.table(costs)
    assert text.count("\n") == 6 and "image_encoder" in text and " 1.00x" in text
