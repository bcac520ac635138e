"""Recorded inputs: the contract's, for a box and a click on each image."""

import shutil

import numpy as np
import pytest

from export.__main__ import SAMPLE
from export.feeds import record_edge_feeds, record_feeds
from mam import GraphError
from mam.model.contract import GRAPHS
from mam.model.folders import BUNDLE


def test_each_graph_is_recorded_with_inputs_of_its_contract() -> None:
    feeds = record_feeds(BUNDLE, [SAMPLE])
    assert {name: len(calls) for name, calls in feeds.items()} == {"image_encoder": 1, "mask_decoder": 2, "matte": 2}
    for graph in GRAPHS:
        for call in feeds[graph.name]:
            inputs = graph.having(call).inputs
            assert list(call) == [tensor.name for tensor in inputs]
            assert all(call[t.name].dtype == t.dtype and call[t.name].ndim == len(t.shape) for t in inputs)
    assert feeds["matte"][0]["original_size"].tolist() == [200, 300]
    assert feeds["mask_decoder"][0]["point_labels"].tolist() == [[2, 3]]
    assert np.isfinite(feeds["matte"][1]["mask_logits"]).all()


def test_an_incomplete_set_is_refused(tmp_path) -> None:
    shutil.copy(BUNDLE / "matte.onnx", tmp_path)
    with pytest.raises(GraphError, match=r"lacks image_encoder.onnx"):
        record_feeds(tmp_path, [SAMPLE])
    with pytest.raises(GraphError, match="is not what `python -m export edge` writes"):
        record_edge_feeds(tmp_path, [SAMPLE])
