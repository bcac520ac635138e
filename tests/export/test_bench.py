"""Measuring sets of graphs, each graph in a process of its own."""

import shutil

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from export import bench
from export.__main__ import SAMPLE, main
from mam import GraphError
from mam.model.contract import GRAPHS
from mam.model.folders import BUNDLE


def test_what_cannot_be_measured_is_refused_first(tmp_path, capsys) -> None:
    assert main(["bench", str(BUNDLE), str(tmp_path)]) == 1
    assert "lacks image_encoder.onnx" in capsys.readouterr().err
    with pytest.raises(GraphError, match="no images to measure with"):
        next(bench.bench([BUNDLE], [], "cpu", 1))


def test_a_process_that_fails_is_an_error(tmp_path) -> None:
    with pytest.raises(GraphError, match=r"measuring .* ended with status 1"):
        bench.run_apart(tmp_path / "none.onnx", [], "cpu", 1, 1)


def test_each_graph_is_measured_against_the_first_set_from_any_folder(tmp_path, monkeypatch) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(BUNDLE, changed)
    model = onnx.load(changed / "mask_decoder.onnx")
    weight = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * np.float16(1.1), weight.name))
    onnx.save(model, changed / "mask_decoder.onnx")
    monkeypatch.chdir(tmp_path)
    costs = list(bench.bench([BUNDLE, changed], [SAMPLE], "cpu", 2, repeats=1))
    assert [cost.graph for cost in costs] == [graph.name for graph in GRAPHS for _ in range(2)]
    errors = {cost.graph: cost.error for cost in costs if cost.folder == changed}
    assert errors["image_encoder"] == errors["matte"] == 0 and 1e-4 < errors["mask_decoder"] < 1
    assert all(cost.error == 0 for cost in costs if cost.folder == BUNDLE)
    assert all(cost.run.seconds > 0 and cost.run.first > 0 and cost.megabytes > 0.1 for cost in costs)
    assert 0.05 < costs[-1].run.peak < 2  # gigabytes; the matte graph's activations alone
    text = bench.table(costs)
    assert text.count("\n") == 6 and "image_encoder" in text and " 1.00x" in text
