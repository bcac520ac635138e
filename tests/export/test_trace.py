"""Names, sizes and opset of a traced graph."""

import onnx
import torch

from export.trace import OPSET, trace
from mam.model.contract import Graph, Tensor

GRAPH = Graph("sum", (Tensor("x", "float32", ("B", "side")),), (Tensor("total", "float32", ("B",)),))


class Sum(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sum(1)


def test_named_sizes_are_dynamic_unless_they_are_fixed(tmp_path) -> None:
    trace(GRAPH, Sum().eval(), (torch.ones(2, 5),), tmp_path / "sum.onnx", fixed=("side",))
    proto = onnx.load(tmp_path / "sum.onnx")
    (x,), (total,) = proto.graph.input, proto.graph.output
    assert [d.dim_param or d.dim_value for d in x.type.tensor_type.shape.dim] == ["B", 5]
    assert (x.name, total.name) == ("x", "total")
    assert {entry.domain: entry.version for entry in proto.opset_import} == {"": OPSET}
