"""Trace a torch module into an ONNX file with the tensor names of a contract, by the TorchScript exporter."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from pathlib import Path

import torch

from mam.model.contract import Graph

OPSET = 17


def trace(
    graph: Graph,
    module: torch.nn.Module,
    inputs: tuple[torch.Tensor, ...],
    path: Path,
    fixed: Collection[str] = (),
    store_weights: bool = True,
) -> None:
    """Write what a module computes as ONNX.

    Args:
        graph: gives the names of the tensors, and which of their sizes are dynamic.
        module: in eval mode.
        inputs: examples, in the contract's order.
        path: the file to write.
        fixed: sizes with a name in the contract that are constant within one file.
        store_weights: False leaves the weights out, as inputs by their names in the module, and folds no constants.
    """
    dynamic = {
        tensor.name: {
            axis: size for axis, size in enumerate(tensor.shape) if isinstance(size, str) and size not in fixed
        }
        for tensor in (*graph.inputs, *graph.outputs)
    }
    with torch.inference_mode(), warnings.catch_warnings():
        # Sizes are compared while tracing, always in ways that hold for every input; `export.parity` checks it.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", UserWarning)  # about constant folding
        torch.onnx.export(
            module,
            inputs,
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=[t.name for t in graph.inputs],
            output_names=[t.name for t in graph.outputs],
            dynamic_axes={name: axes for name, axes in dynamic.items() if axes},
            export_params=store_weights,
            do_constant_folding=store_weights,
            # PRESERVE (the module is in eval mode) keeps batch norms as they are; onnxruntime folds them when it loads.
            training=torch.onnx.TrainingMode.EVAL if store_weights else torch.onnx.TrainingMode.PRESERVE,
        )
