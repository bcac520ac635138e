"""From a torch module to a graph of the contract, by the TorchScript exporter."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch

from mam.contract import Graph

OPSET = 17


def trace(
    graph: Graph,
    module: torch.nn.Module,
    inputs: tuple[torch.Tensor, ...],
    path: Path,
    fixed: Collection[str] = (),
    **options: Any,
) -> None:
    """Write what a module does with some inputs as ONNX.

    Args:
        graph: gives the names and the sizes that may vary.
        module: in eval mode. inputs: in the contract's order.
        fixed: sizes of the contract that have words for names, but do not vary within one file.
        options: of `torch.onnx.export`.
    """
    dynamic = {
        tensor.name: {
            axis: size for axis, size in enumerate(tensor.shape) if isinstance(size, str) and size not in fixed
        }
        for tensor in (*graph.inputs, *graph.outputs)
    }
    with torch.inference_mode(), warnings.catch_warnings():
        # Sizes are compared while tracing, in places that hold for every input; parity is checked, not assumed.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", UserWarning)  # about folding of constants
        torch.onnx.export(
            module,
            inputs,
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=[t.name for t in graph.inputs],
            output_names=[t.name for t in graph.outputs],
            dynamic_axes={name: axes for name, axes in dynamic.items() if axes},
            **options,
        )
