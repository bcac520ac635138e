"""onnxsim and onnxslim keep what the shipped graphs compute."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import onnxsim
import onnxslim
import pytest

from export.__main__ import SAMPLE
from export.edge import write_edge
from export.feeds import record_edge_feeds, record_feeds
from export.parity import relative_error
from mam.model.contract import GRAPHS
from mam.model.folders import BUNDLE
from mam.nets.mam import MattingAnything

SIMPLIFIERS = {
    "onnxsim": lambda model: onnxsim.simplify(model)[0],
    "onnxslim": onnxslim.slim,
}


Simplify = Callable[[onnx.ModelProto], onnx.ModelProto]


@pytest.fixture(params=SIMPLIFIERS.values(), ids=SIMPLIFIERS)
def simplify(request: pytest.FixtureRequest) -> Simplify:
    return request.param


def check(path: Path, simplify: Simplify, feeds: list[dict[str, np.ndarray]]) -> None:
    model = simplify(onnx.load(path))
    simplified = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    original = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    for feed in feeds:
        for got, expected in zip(simplified.run(None, feed), original.run(None, feed), strict=True):
            # Fused operators sum in another order; an alpha at a threshold of refinement may flip.
            assert relative_error(got, expected) < 1e-4 or np.mean(np.abs(got - expected) > 1e-4) < 1e-5


def test_simplified_edge_graphs_give_equal_answers(simplify: Simplify, model: MattingAnything, tmp_path: Path) -> None:
    write_edge(model, "seed 0", "openvino", tmp_path)
    for name, feeds in record_edge_feeds(tmp_path, [SAMPLE]).items():
        check(tmp_path / f"{name}.onnx", simplify, feeds)


def test_simplified_graphs_give_equal_answers(simplify: Simplify) -> None:
    feeds = record_feeds(BUNDLE, [SAMPLE])
    for graph in GRAPHS:
        check(BUNDLE / graph.file, simplify, feeds[graph.name])
    assert len(onnx.load(BUNDLE / "mask_decoder.onnx").graph.node) <= 700
