"""onnxsim and onnxslim keep what the shipped graphs compute."""

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime as ort
import onnxsim
import onnxslim
import pytest

from export.__main__ import SAMPLE
from export.feeds import record_feeds
from export.parity import relative_error
from mam.contract import GRAPHS
from mam.folders import BUNDLE

SIMPLIFIERS = {
    "onnxsim": lambda model: onnxsim.simplify(model)[0],
    "onnxslim": onnxslim.slim,
}


@pytest.mark.parametrize("simplify", SIMPLIFIERS.values(), ids=SIMPLIFIERS)
def test_simplified_graphs_give_equal_answers(simplify: Callable[[onnx.ModelProto], onnx.ModelProto]) -> None:
    feeds = record_feeds(BUNDLE, [SAMPLE])
    for graph in GRAPHS:
        model = simplify(onnx.load(BUNDLE / graph.file))
        simplified = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        original = ort.InferenceSession(BUNDLE / graph.file, providers=["CPUExecutionProvider"])
        for feed in feeds[graph.name]:
            for got, expected in zip(simplified.run(None, feed), original.run(None, feed), strict=True):
                # Fused operators sum in another order; an alpha at a threshold of refinement may flip.
                assert relative_error(got, expected) < 1e-4 or np.mean(np.abs(got - expected) > 1e-4) < 1e-5
    assert len(onnx.load(BUNDLE / "mask_decoder.onnx").graph.node) <= 700
