"""`export check --runtime`: OpenVINO gives equal answers, differences fail, and what cannot be run is refused."""

import os
import shutil
import sys

import numpy as np
import onnx
import pytest

from export.__main__ import RUNTIMES, SAMPLE, main
from export.edge import write_edge
from export.runtimes import LIMIT, Comparison, Result, compare_runtime, table
from export.runtimes import RUNTIMES as RUNNERS
from mam import GraphError, MamError


@pytest.fixture(scope="module")
def edge_folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("edge")
    write_edge(model, "seed 0", "openvino", folder, points=[2, 3])
    return folder


def test_the_command_line_knows_the_runtimes() -> None:
    assert set(RUNTIMES) == set(RUNNERS)


def test_openvino_agrees_on_edge_graphs(edge_folder, capsys) -> None:
    assert main(["check", "--runtime", "openvino", "--graphs", str(edge_folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = ["image_encoder.onnx", "mask_decoder_2.onnx", "m2m.onnx", "refinement.onnx", "mask_decoder_3.onnx"]
    assert [line.split()[0] for line in lines[1:]] == names and "FAIL" not in "".join(lines)


def test_openvino_agrees_on_ordinary_graphs(graphs_folder) -> None:
    rows = list(compare_runtime(graphs_folder, "openvino", [SAMPLE], repeats=1))
    assert [row.file for row in rows] == ["image_encoder.onnx", "mask_decoder.onnx", "matte.onnx"]
    assert all(row.ok for row in rows), table(rows, "openvino")
    assert [np.isnan(row.share) for row in rows] == [True, True, False]


def test_a_runtime_that_computes_something_else_fails(edge_folder, tmp_path, monkeypatch) -> None:
    import contextlib

    from export import runtimes

    @contextlib.contextmanager
    def wrong():
        def measure(path, feeds, repeats):
            found = runtimes.run_natively(path, feeds, 1)
            return Result(0, 1, [[output + 0.01 for output in call] for call in found.outputs])

        yield measure

    monkeypatch.setitem(RUNNERS, "openvino", wrong)
    rows = list(compare_runtime(edge_folder, "openvino", [SAMPLE], repeats=1))
    assert not any(row.ok for row in rows) and table(rows, "openvino").count("FAIL") == len(rows)


def test_single_pixels_of_an_alpha_may_flip() -> None:
    result = Result(0.1, 0.1, [])
    assert Comparison("m2m.onnx", 1.0, LIMIT / 2, result, result).ok
    assert not Comparison("m2m.onnx", 1.0, 2 * LIMIT, result, result).ok
    assert not Comparison("mask_decoder_2.onnx", 2 * LIMIT, float("nan"), result, result).ok


def test_what_a_runtime_cannot_take_is_refused_before_the_work(small_sam_folder, edge_folder, tmp_path) -> None:
    with pytest.raises(GraphError, match=r"MNN has no fused attention.*--plain"):
        next(compare_runtime(small_sam_folder, "mnn", [SAMPLE]))
    (tmp_path / "m2m.ort").touch()
    with pytest.raises(GraphError, match=r"openvino reads ONNX, not onnxruntime's own format"):
        next(compare_runtime(tmp_path, "openvino", [SAMPLE]))
    shutil.copytree(edge_folder, tmp_path / "large")
    (tmp_path / "large" / "m2m.onnx.data").touch()
    with pytest.raises(GraphError, match=r"m2m.onnx cannot be checked in ort-web: its weights are in a second file"):
        next(compare_runtime(tmp_path / "large", "ort-web", [SAMPLE]))


@pytest.mark.parametrize(
    ("runtime", "module", "advice"),
    [("openvino", "openvino", "pip install 'openvino"), ("mnn", "MNN", "pip install 'MNN")],
)
def test_a_missing_runtime_is_named_with_the_command(edge_folder, monkeypatch, runtime, module, advice) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MamError, match=advice):
        next(compare_runtime(edge_folder, runtime, [SAMPLE]))


def test_a_missing_node_is_named(edge_folder, monkeypatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MamError, match="node and npm are needed"):
        next(compare_runtime(edge_folder, "ort-web", [SAMPLE]))


@pytest.mark.slow
@pytest.mark.skipif(os.environ.get("CI") != "true", reason="downloads a package with npm")
def test_onnxruntime_web_agrees(edge_folder) -> None:
    rows = list(compare_runtime(edge_folder, "ort-web", [SAMPLE], repeats=1))
    assert len(rows) == 5 and all(row.ok for row in rows), table(rows, "ort-web")


def test_without_a_runtime_a_model_is_needed(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["check", "--graphs", "x"])
    assert "--variant" in capsys.readouterr().err


def test_the_edge_graphs_have_no_operators_of_onnxruntime(edge_folder) -> None:
    assert {node.domain for path in edge_folder.glob("*.onnx") for node in onnx.load(path).graph.node} == {""}
