"""A network with ViTMatte's inputs and outputs whose alpha is the red channel."""

from __future__ import annotations

from pathlib import Path

import pytest

from mam.model.frames import SIDE


def write_red(file: Path, size: tuple[int | str, int | str] = (SIDE, SIDE)) -> Path:
    """Write it as an ONNX file."""
    onnx = pytest.importorskip("onnx")
    kind = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Gather", ["pixel_values", "red"], ["alphas"], axis=1)],
        "red",
        [onnx.helper.make_tensor_value_info("pixel_values", kind, (1, 4, *size))],
        [onnx.helper.make_tensor_value_info("alphas", kind, (1, 1, *size))],
        [onnx.helper.make_tensor("red", onnx.TensorProto.INT64, [1], [0])],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, file)
    return file
