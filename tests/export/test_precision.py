"""The embedded model at other precisions: smaller files, graphs that run, and errors as measured."""

import json

import numpy as np
import onnx
import pytest

from export.__main__ import main
from export.limits import OF_PRECISION, graph_bytes
from export.manifest import MANIFEST
from export.precision import CONVERTERS, convert_graphs
from mam import GraphError, Matting
from mam.model.contract import GRAPHS
from mam.model.folders import BUNDLE
from mam.model.runtime import load_graphs
from mam.model.steps import encode
from tests.conftest import EXAMPLES

COFFEE = EXAMPLES / "coffee.png"


@pytest.fixture(scope="module", params=sorted(CONVERTERS))
def converted(request, tmp_path_factory):
    """A precision, and the folder of the embedded model's graphs at it."""
    out = tmp_path_factory.mktemp(request.param)
    command = ["flavour", str(BUNDLE), "--precision", request.param, "--out", str(out), "--images", str(COFFEE)]
    assert main(command) == 0
    return request.param, out


def test_converted_graphs_are_a_whole_set_with_nearly_the_same_mattes(converted) -> None:
    precision, folder = converted
    graphs = load_graphs(folder, "cpu")
    assert graphs.variant == "tiny"
    for graph in GRAPHS:
        metadata = {entry.key: entry.value for entry in onnx.load(folder / graph.file).metadata_props}
        assert metadata["precision"] == precision
    box = (72, 12, 482, 390)
    expected = Matting.load(device="cpu").open(COFFEE).matte(box=box)
    got = Matting(graphs).open(COFFEE).matte(box=box)
    (limit,) = OF_PRECISION[precision].values()
    assert np.abs(got.alpha - expected.alpha).mean() < limit
    assert json.loads((folder / MANIFEST).read_text())["precision"] == precision


def test_converted_graphs_are_smaller(converted) -> None:
    precision, folder = converted
    whole = sum(graph_bytes(BUNDLE / graph.file) for graph in GRAPHS)  # half-precision weights already
    assert sum(graph_bytes(folder / graph.file) for graph in GRAPHS) < whole * (0.75 if precision == "int8" else 1.01)


def test_inputs_outputs_and_coordinates_stay_in_float32(converted) -> None:
    precision, folder = converted
    if precision == "fp16":
        graph = onnx.load(folder / "mask_decoder.onnx").graph
        assert any(node.op_type == "Exp" for node in graph.node)  # of the coordinates
        types = {value.type.tensor_type.elem_type for value in (*graph.input, *graph.output)}
        assert types == {onnx.TensorProto.FLOAT}


def test_the_exact_graphs_are_never_replaced(capsys) -> None:
    assert main(["flavour", str(BUNDLE), "--precision", "fp16", "--out", str(BUNDLE / ".." / BUNDLE.name)]) == 1
    assert "holds the exact graphs" in capsys.readouterr().err


# Measured: 4.2e-4, 4.0e-4 and 7.8e-3.
LIMITS = [("fp16", 1.5e-3), ("fp16_weights", 1.5e-3), ("int8", 0.025)]


@pytest.mark.parametrize(("precision", "limit"), LIMITS)
def test_sams_encoders_are_converted_too_even_with_external_weights(
    small_sam_folder, tmp_path, image, precision, limit
) -> None:
    expected = encode(load_graphs(small_sam_folder, "cpu"), image)["image_embeddings"]
    for _ in range(2):  # once more into the same folder
        convert_graphs(small_sam_folder, precision, tmp_path, [COFFEE], one_file=10_000)
        sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
        assert sizes["image_encoder.onnx.data"] < 2 * graph_bytes(small_sam_folder / "image_encoder.onnx")
    got = encode(load_graphs(tmp_path, "cpu"), image)["image_embeddings"]
    assert np.linalg.norm(got - expected) / np.linalg.norm(expected) < limit
    products = {node.op_type for node in onnx.load(tmp_path / "image_encoder.onnx").graph.node}
    assert ("MatMulInteger" in products) == (precision == "int8")


def test_8_bits_need_photographs(tmp_path) -> None:
    with pytest.raises(GraphError, match="give some with --images"):
        convert_graphs(BUNDLE, "int8", tmp_path)
