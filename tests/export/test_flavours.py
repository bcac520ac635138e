"""Smaller flavours of the embedded model: smaller they are, they run, and their loss is what is said of them."""

import shutil

import numpy as np
import onnx
import pytest

from export import bench
from export.__main__ import main
from export.flavours import FLAVOURS, graph_bytes, record
from mam import GraphError, Matting
from mam.contract import GRAPHS
from mam.matting import BUNDLE
from mam.runtime import load_graphs
from tests.conftest import EXAMPLES

COFFEE = EXAMPLES / "coffee.png"


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
    # Measured on this picture: 0.0003, 0.000006 and 0.006 (learnt from four pictures); a wrong scale or a lost layer gives 0.1 and more.
    assert np.abs(got.alpha - expected.alpha).mean() < {"fp16": 0.002, "fp16_weights": 0.001, "int8": 0.02}[precision]


def test_flavours_are_smaller(flavour) -> None:
    precision, folder = flavour
    whole = sum(graph_bytes(BUNDLE / graph.file) for graph in GRAPHS)  # halves already
    assert sum(graph_bytes(folder / graph.file) for graph in GRAPHS) < whole * (0.7 if precision == "int8" else 1.01)


def test_graphs_outside_the_networks_keep_all_their_digits(flavour) -> None:
    precision, folder = flavour
    if precision == "fp16":
        graph = onnx.load(folder / "mask_decoder.onnx").graph
        assert {node.name for node in graph.node if node.op_type == "Sin"} and not any(
            value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT16 for value in (*graph.input, *graph.output)
        )


def test_half_a_set_has_no_flavours(tmp_path) -> None:
    shutil.copy(BUNDLE / "matte.onnx", tmp_path)
    command = ["flavour", str(tmp_path), "--precision", "fp16", "--out", str(tmp_path / "out")]
    assert main(command) == 1 and not (tmp_path / "out").exists()
    with pytest.raises(GraphError, match="lacks image_encoder.onnx"):
        record(tmp_path, [COFFEE])


def test_bench_measures_each_graph_against_the_first_set(capsys) -> None:
    costs = list(bench.bench([BUNDLE, BUNDLE], [COFFEE], "cpu", 2, runs=1))
    assert [(cost.graph, cost.error) for cost in costs] == [(graph.name, 0.0) for graph in GRAPHS for _ in range(2)]
    assert all(cost.seconds > 0 and cost.first > 0 and cost.megabytes > 0.1 for cost in costs)
    assert 0.05 < costs[-1].peak < 2  # gigabytes; of the matte graph's activations alone
    text = bench.table(costs)
    assert text.count("\n") == 6 and "image_encoder" in text and " 1.00x" in text
