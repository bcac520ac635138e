"""Trace, check and stamp the three graphs.

The TorchScript exporter writes them (`dynamo=False`): the crop around the mask has a size that depends on the picture,
which the newer exporter cannot trace; it folds nothing, so that weights in the file are the checkpoint's own.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from export.graphs import modules
from mam.contract import Graph, metadata
from mam.nets.mam import MattingAnything

OPSET = 17


def write_graphs(model: MattingAnything, checkpoint_sha256: str, folder: Path) -> list[Path]:
    """Write `image_encoder.onnx`, `mask_decoder.onnx` and `matte.onnx`.

    Args:
        model: in eval mode; its spectral norms get folded.
        checkpoint_sha256: stamped into the metadata of all three.
        folder: made if missing.

    Returns:
        The three paths.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stamp = metadata(model.variant.name, checkpoint_sha256, model.variant.usage)
    written = []
    for graph, (module, inputs) in modules(model).items():
        path = folder / graph.file
        _trace(graph, module.eval(), inputs, path)
        _finish(path, {**stamp, "mam_graph": graph.name})
        written.append(path)
    return written


def _trace(graph: Graph, module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], path: Path) -> None:
    dynamic = {
        tensor.name: {axis: size for axis, size in enumerate(tensor.shape) if isinstance(size, str)}
        for tensor in (*graph.inputs, *graph.outputs)
    }
    with torch.inference_mode(), warnings.catch_warnings():
        # Sizes are compared while tracing, in places that hold for every input; parity is checked, not assumed.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.filterwarnings("ignore", message="Constant folding")  # nothing is to be folded here
        torch.onnx.export(
            module,
            inputs,
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=[t.name for t in graph.inputs],
            output_names=[t.name for t in graph.outputs],
            dynamic_axes={name: axes for name, axes in dynamic.items() if axes},
            # PRESERVE (the module is in eval mode) keeps batch norms apart; onnxruntime folds them when it loads.
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
        )


def _finish(path: Path, stamp: dict[str, str]) -> None:
    model = onnx.load(path)
    _store_halves(model)
    onnx.helper.set_model_props(model, stamp)
    onnx.save(model, path)
    onnx.checker.check_model(path, full_check=True)


def _store_halves(model: onnx.ModelProto) -> None:
    """Store weights that ARE half-precision numbers as such, followed by a Cast: half the file, the same arithmetic.

    Our own checkpoints are kept in half precision; Meta's are not, and pass through unchanged.
    """
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < 1024:
            continue
        values = numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if not np.array_equal(half.astype(np.float32), values):
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(half, name + "_half"))
        casts.append(onnx.helper.make_node("Cast", [name + "_half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(casts + nodes)
