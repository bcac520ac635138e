"""Graphs for edge runtimes: static, with borders of float32 and int32, and with the answers of the ordinary graphs."""

import json

import numpy as np
import onnx
import pytest

from export.__main__ import main
from export.edge import write_edge
from export.feeds import EdgeGraphs
from export.manifest import MANIFEST
from export.ort_format import OPERATORS
from mam import GraphError, Matting, Prompt
from mam.model.runtime import load_graphs
from tests.conftest import EXAMPLES

BOX, CLICK = (178, 82, 450, 360), (330, 240)  # in flower.jpg
BORDERS = {onnx.TensorProto.FLOAT, onnx.TensorProto.INT32}


@pytest.fixture(scope="module", params=["openvino", "mobile"])  # tensorrt differs for SAM alone, see below
def exported(request, tiny, tmp_path_factory):
    """A target and the folder for it."""
    folder = tmp_path_factory.mktemp(request.param)
    write_edge(tiny, "0" * 64, request.param, folder)
    return request.param, folder


def test_the_files_are_those_of_the_manifest(exported) -> None:
    target, folder = exported
    manifest = json.loads((folder / MANIFEST).read_text())
    ending = ".ort" if target == "mobile" else ".onnx"
    names = [name + ending for name in ("image_encoder", "mask_decoder_16", "m2m", "refinement")]
    assert [described["file"] for described in manifest["files"]] == names
    operators = {OPERATORS} if target == "mobile" else set()
    assert {path.name for path in folder.iterdir()} == {*names, *operators, MANIFEST}


def test_shapes_are_static_and_borders_simple(exported) -> None:
    target, folder = exported
    if target == "mobile":  # made of the same ONNX files; the manifest was read from the converted ones
        tensors = [
            t for f in json.loads((folder / MANIFEST).read_text())["files"] for t in (*f["inputs"], *f["outputs"])
        ]
        assert {tensor["dtype"] for tensor in tensors} == {"float32", "int32"}
        return
    for path in folder.glob("*.onnx"):
        proto = onnx.load(path)
        onnx.checker.check_model(proto, full_check=True)
        assert [(opset.domain, opset.version) for opset in proto.opset_import] == [("", 17)]
        for value in (*proto.graph.input, *proto.graph.output):
            assert value.type.tensor_type.elem_type in BORDERS
            dynamic = [d.dim_param for d in value.type.tensor_type.shape.dim if not d.dim_value]
            assert dynamic == (["H", "W"] if value.name == "alpha" else [])
        if path.name != "refinement.onnx":
            # Nothing is computed from shapes or from indices that depend on values.
            kinds = {node.op_type for node in proto.graph.node}
            assert not kinds & {"Shape", "ConstantOfShape", "ArgMax", "NonZero", "CumSum", "Range", "If", "Loop"}
            constant = {tensor.name for tensor in proto.graph.initializer}
            for node in proto.graph.node:
                if node.op_type in {"Slice", "Resize", "Reshape", "Expand", "Pad"}:
                    assert constant.issuperset(name for name in node.input[1:] if name), (path.name, node.name)


PROMPTS = {
    "box": {"box": BOX},
    "click": {"points": [CLICK]},
    "box and clicks, mask guidance": {"box": BOX, "points": [CLICK, (20, 20)], "labels": [1, 0], "guidance": "mask"},
    "main object": {},
}


def test_mattes_are_those_of_the_ordinary_graphs(exported, matting, flower) -> None:
    _, folder = exported
    expected, got = flower, Matting(EdgeGraphs(folder)).open(EXAMPLES / "flower.jpg")
    for name, prompt in PROMPTS.items():
        difference = np.abs(got.matte(**prompt).alpha - expected.matte(**prompt).alpha)
        # Rounding: without the crop around the mask, and in .ort with batch norms that are not folded, sums have
        # another order. An alpha at a threshold of refinement may flip.
        assert difference.mean() < 1e-5 and (difference > 1e-3).mean() < 1e-4, name


def test_ort_format_keeps_the_half_weights_and_lists_the_operators(exported, tiny, tmp_path) -> None:
    target, folder = exported
    if target != "mobile":
        pytest.skip("other targets are ONNX")
    write_edge(tiny, "0" * 64, "openvino", tmp_path)
    for path in folder.glob("*.ort"):
        # The containers differ; weights in single precision would double the three large files.
        assert path.stat().st_size < 1.1 * (tmp_path / f"{path.stem}.onnx").stat().st_size + 60_000
    operators = (folder / OPERATORS).read_text()
    assert "Conv" in operators and "MLFloat16" in operators and "com.microsoft" not in operators
    assert str(folder) not in operators


@pytest.fixture(scope="module")
def small_sam_edge(small_sam, tmp_path_factory):
    folder = tmp_path_factory.mktemp("small_sam_edge")
    write_edge(small_sam, "seed 0", "tensorrt", folder)
    return folder


def test_sam_gets_a_decoder_for_each_number_of_points(small_sam_edge, small_sam_folder) -> None:
    manifest = json.loads((small_sam_edge / MANIFEST).read_text())
    names = [described["file"] for described in manifest["files"]]
    assert names == ["image_encoder.onnx", "mask_decoder_2.onnx", "mask_decoder_3.onnx", "m2m.onnx", "refinement.onnx"]
    graphs, ordinary = EdgeGraphs(small_sam_edge), load_graphs(small_sam_folder, "cpu")
    assert (graphs.policy, graphs.variant) == (ordinary.policy, ordinary.variant)
    domains = {node.domain for path in small_sam_edge.glob("*.onnx") for node in onnx.load(path).graph.node}
    assert domains == {""}  # TensorRT does not know onnxruntime's fused attention
    scene, expected = Matting(graphs).open(EXAMPLES / "coffee.png"), Matting(ordinary).open(EXAMPLES / "coffee.png")
    box = Prompt(box=(60, 20, 480, 380))
    (got,), (wanted,) = scene.segment([box]), expected.segment([box])
    assert np.abs(got.scores - wanted.scores).max() < 1e-4  # rounding


def test_other_numbers_of_points_are_written_on_request(model, tmp_path, capsys) -> None:
    paths = []
    write_edge(model, "seed 0", "openvino", tmp_path, points=[5, 4, 5], on_file=lambda path: paths.append(path.name))
    assert paths[1:3] == ["mask_decoder_4.onnx", "mask_decoder_5.onnx"] and paths[-1] == MANIFEST
    arguments = ["edge", "--variant", "tiny", "--seed", "0", "--for", "openvino", "--out", str(tmp_path / "no")]
    assert main([*arguments, "--points", "1"]) == 1
    assert "has 2" in capsys.readouterr().err and not (tmp_path / "no").exists()


def test_a_model_that_no_phone_holds_is_refused_before_the_work(model, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("export.edge.ONE_FILE", 1000)
    with pytest.raises(GraphError, match=r"at most 2 GB.*smaller variant"):
        write_edge(model, "seed 0", "mobile", tmp_path / "no")
    assert not (tmp_path / "no").exists()
