"""`export check --runtime`: OpenVINO gives equal answers, differences fail, and what cannot be run is refused."""

import sys

import numpy as np
import pytest

from export import runtimes
from export.__main__ import SAMPLE, main
from export.edge import write_edge
from export.runtimes import LIMIT, Comparison, Result, compare_runtime, table
from mam import GraphError, MamError


@pytest.fixture(scope="module")
def edge_folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("edge")
    write_edge(model, "seed 0", "openvino", folder, points=[2, 3])
    return folder


def test_openvino_agrees_on_edge_graphs(edge_folder, capsys) -> None:
    assert main(["check", "--runtime", "openvino", "--graphs", str(edge_folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = ["image_encoder.onnx", "mask_decoder_2.onnx", "m2m.onnx", "refinement.onnx", "mask_decoder_3.onnx"]
    assert [line.split()[0] for line in lines[1:]] == names and "FAIL" not in "".join(lines)


def test_openvino_agrees_on_ordinary_graphs(graphs_folder) -> None:
    rows = list(compare_runtime(graphs_folder, [SAMPLE], repeats=1))
    assert [row.file for row in rows] == ["image_encoder.onnx", "mask_decoder.onnx", "matte.onnx"]
    assert all(row.ok for row in rows), table(rows)
    assert [np.isnan(row.share) for row in rows] == [True, True, False]


def test_a_runtime_that_computes_something_else_fails(edge_folder, monkeypatch) -> None:
    def measure(path, feeds, repeats):
        found = runtimes.run_natively(path, feeds, 1)
        return Result(0, 1, [[output + 0.01 for output in call] for call in found.outputs])

    monkeypatch.setattr(runtimes, "_openvino", lambda: measure)
    rows = list(compare_runtime(edge_folder, [SAMPLE], repeats=1))
    assert not any(row.ok for row in rows) and table(rows).count("FAIL") == len(rows)


def test_single_pixels_of_an_alpha_may_flip() -> None:
    result = Result(0.1, 0.1, [])
    assert Comparison("m2m.onnx", 1.0, LIMIT / 2, result, result).ok
    assert not Comparison("m2m.onnx", 1.0, 2 * LIMIT, result, result).ok
    assert not Comparison("mask_decoder_2.onnx", 2 * LIMIT, float("nan"), result, result).ok


def test_what_openvino_cannot_take_is_refused_before_the_work(edge_folder, tmp_path, monkeypatch) -> None:
    (tmp_path / "m2m.ort").touch()
    with pytest.raises(GraphError, match=r"onnxruntime's own format, which OpenVINO does not read"):
        next(compare_runtime(tmp_path, [SAMPLE]))
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MamError, match="pip install 'openvino"):
        next(compare_runtime(edge_folder, [SAMPLE]))


def test_without_a_runtime_a_model_is_needed(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["check", "--graphs", "x"])
    assert "--variant" in capsys.readouterr().err
