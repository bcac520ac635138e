"""Trace, check and stamp the three graphs.

The TorchScript exporter traces them (`dynamo=False`): the crop around the mask has a size that depends on the picture,
which the newer exporter cannot trace. It is given no weights: those go from the network to the file one by one, so that
even ViT-H needs little more memory than its checkpoint.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import numpy_helper

from export.attention import fused
from export.graphs import modules
from export.trace import trace
from mam.contract import IMAGE_ENCODER, metadata
from mam.nets.mam import MattingAnything

ONE_FILE = 1_000_000_000
"""Bytes of weights above which they go into a second file, NAME.onnx.data; protobuf itself ends at 2 GB."""


def write_graphs(
    model: MattingAnything,
    checkpoint_sha256: str,
    folder: Path,
    *,
    plain: bool = False,
    written: Callable[[Path], None] = lambda path: None,
) -> None:
    """Write `image_encoder.onnx`, `mask_decoder.onnx` and `matte.onnx`.

    Args:
        model: in eval mode.
        checkpoint_sha256: stamped into the metadata of all three.
        folder: made if missing.
        plain: keep the attention of a SAM encoder in standard operators, for runtimes without the fused one; it needs
            several times the memory.
        written: called with each path once it is there. Above `ONE_FILE` bytes the weights are in a second file beside it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stamp = metadata(model.variant.name, checkpoint_sha256, model.variant.policy)
    for graph, (module, inputs) in modules(model).items():
        path = folder / graph.file
        rewritten = graph is IMAGE_ENCODER and not plain
        with fused(model.sam.image_encoder) if rewritten else contextlib.nullcontext():
            # PRESERVE (the module is in eval mode) keeps batch norms apart; onnxruntime folds them when it loads.
            how = {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False, "export_params": False}
            trace(graph, module.eval(), inputs, path, **how)
        # An encoder's constants are few and large.
        proto = onnx.load(path) if graph is IMAGE_ENCODER else _folded(path)
        onnx.helper.set_model_props(proto, {**stamp, "mam_graph": graph.name})
        _write(proto, module.state_dict(), path)
        onnx.checker.check_model(path, full_check=True)
        written(path)


def _folded(path: Path) -> onnx.ModelProto:
    """A traced graph in which what depends on no input and no weight is computed: most of the nodes for an index or a size."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC  # what any runtime understands
    options.optimized_model_filepath = str(path)
    ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    proto = onnx.load(path)
    used = [domain for domain in proto.opset_import if domain.domain in {node.domain for node in proto.graph.node}]
    del proto.opset_import[:]  # onnxruntime names every set of operators that it knows
    proto.opset_import.extend(used)
    return proto


def _write(proto: onnx.ModelProto, weights: dict[str, torch.Tensor], path: Path) -> None:
    """Turn the inputs of a traced graph that are weights into stored ones, and save it."""
    named = {value.name for value in proto.graph.input} & weights.keys()
    inputs = [value for value in proto.graph.input if value.name not in named]
    del proto.graph.input[:]
    proto.graph.input.extend(inputs)
    apart = sum(weights[name].nbytes for name in named) > ONE_FILE
    data = path.with_name(f"{path.name}.data")
    data.unlink(missing_ok=True)
    casts = []
    with open(data, "wb") if apart else contextlib.nullcontext() as stream:
        for name in sorted(named):
            values = weights[name].numpy()
            half = _exact_half(values)
            stored = name if half is None else f"{name}_half"
            if half is not None:
                casts.append(onnx.helper.make_node("Cast", [stored], [name], to=onnx.TensorProto.FLOAT))
            proto.graph.initializer.append(_stored(stored, values if half is None else half, stream, data.name))
    nodes = list(proto.graph.node)
    del proto.graph.node[:]
    proto.graph.node.extend(casts + nodes)
    onnx.save(proto, path)


def _exact_half(values: np.ndarray) -> np.ndarray | None:
    """Weights that ARE half-precision numbers as such, else None: stored so they take half the file, for the same arithmetic.

    Our own checkpoints are kept in half precision; Meta's are not.
    """
    if values.dtype != np.float32 or values.size < 1024:
        return None
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), values) else None


def _stored(name: str, values: np.ndarray, stream, file: str) -> onnx.TensorProto:
    """A tensor of a graph, with its values inside, or appended to the open `stream` of `file` if there is one."""
    if stream is None:
        return numpy_helper.from_array(values, name)
    stream.seek(-stream.tell() % 4096, os.SEEK_CUR)  # page by page, so that a runtime can map it
    tensor = onnx.TensorProto(
        name=name, dims=values.shape, data_type=onnx.helper.np_dtype_to_tensor_dtype(values.dtype)
    )
    tensor.data_location = onnx.TensorProto.EXTERNAL
    where = {"location": file, "offset": stream.tell(), "length": values.nbytes}
    tensor.external_data.extend(onnx.StringStringEntryProto(key=key, value=str(value)) for key, value in where.items())
    stream.write(np.ascontiguousarray(values).data)
    return tensor
