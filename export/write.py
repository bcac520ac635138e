"""Write the three graphs of a model: trace each, store its weights and its metadata, check the file.

The TorchScript exporter traces them (`dynamo=False`), because the newer exporter cannot trace a crop around the mask,
which has a size that depends on the image. The traced file holds no weights: they are copied from the network one at a
time, so that even ViT-H needs little more memory than its checkpoint.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import numpy_helper

from export.attention import use_fused_attention
from export.graphs import modules
from export.manifest import write_manifest
from export.trace import trace
from mam.model.contract import GRAPHS, IMAGE_ENCODER, Graph, metadata
from mam.model.variants import SamM2M, ViT
from mam.nets.mam import MattingAnything

ONE_FILE = 1_000_000_000
"""Bytes of weights above which they are stored in a second file, NAME.onnx.data; protobuf ends at 2 GB."""


def write_graphs(
    model: MattingAnything,
    checkpoint_sha256: str,
    folder: Path,
    *,
    plain: bool = False,
    one_file: int = ONE_FILE,
    on_file: Callable[[Path], None] = lambda path: None,
) -> None:
    """Write `image_encoder.onnx`, `mask_decoder.onnx`, `matte.onnx` and `manifest.json`.

    Args:
        model: in eval mode; it is not changed.
        checkpoint_sha256: stored in the metadata of all three.
        folder: created if missing.
        plain: keep the attention of a SAM encoder in standard operators, for runtimes without the fused one; it needs
            several times the memory.
        one_file: bytes of weights above which they are in a second file beside the graph.
        on_file: called with each path when the file is complete.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stamp = metadata(model.variant.name, checkpoint_sha256, model.variant.policy)
    for graph, (module, inputs) in modules(model.with_folded_spectral_norm()).items():
        path = folder / graph.file
        fused = graph.name == IMAGE_ENCODER.name and not plain
        with use_fused_attention(model.sam.image_encoder) if fused else contextlib.nullcontext():
            write_graph(graph, module, inputs, path, stamp, fold=not is_vit_encoder(graph, model), one_file=one_file)
        on_file(path)
    on_file(write_manifest(folder, stamp, "graphs", [folder / graph.file for graph in GRAPHS]))


def is_vit_encoder(graph: Graph, model: MattingAnything) -> bool:
    """Whether a graph is SAM's own image encoder. Its constants are few and large, and are not folded."""
    networks = model.variant.networks
    return graph.name == IMAGE_ENCODER.name and isinstance(networks, SamM2M) and isinstance(networks.encoder, ViT)


def write_graph(
    graph: Graph,
    module: torch.nn.Module,
    inputs: tuple[torch.Tensor, ...],
    path: Path,
    stamp: dict[str, str],
    *,
    fold: bool = True,
    one_file: int = ONE_FILE,
) -> None:
    """Write one module as a graph.

    Args:
        graph: names of the tensors, and shapes, in which a name is a dynamic size.
        module: what the graph computes.
        inputs: examples, in the graph's order.
        path: the file to write.
        stamp: metadata; `mam_graph` is added.
        fold: evaluate constant expressions.
        one_file: as for `write_graphs`.
    """
    trace(graph, module.eval(), inputs, path, fixed=("C0", "C1", "names"), store_weights=False)
    proto = fold_constants(path) if fold else onnx.load(path)
    onnx.helper.set_model_props(proto, {**stamp, "mam_graph": graph.name})
    declare_shapes(proto, graph)
    _store_weights(proto, module.state_dict(), path, one_file)
    onnx.checker.check_model(path, full_check=True)


def declare_shapes(proto: onnx.ModelProto, graph: Graph) -> None:
    """Write the contract's shapes into the outputs, where the exporter knows less."""
    for value, tensor in zip(proto.graph.output, graph.outputs, strict=True):
        for dimension, size in zip(value.type.tensor_type.shape.dim, tensor.shape, strict=True):
            if isinstance(size, int):
                dimension.dim_value = size
            elif not dimension.dim_value:
                dimension.dim_param = size


def fold_constants(path: Path) -> onnx.ModelProto:
    """Return a traced graph with constant expressions evaluated and padding merged into convolutions."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC  # standard operators only
    options.optimized_model_filepath = str(path)
    proto = onnx.load(path)
    for node in proto.graph.node:
        while node.input and not node.input[-1]:  # onnxruntime merges a Pad into its convolution only without these
            node.input.pop()
    ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    proto = onnx.load(path)
    used = [domain for domain in proto.opset_import if domain.domain in {node.domain for node in proto.graph.node}]
    del proto.opset_import[:]  # onnxruntime lists every operator set that it knows
    proto.opset_import.extend(used)
    return proto


def _store_weights(proto: onnx.ModelProto, weights: dict[str, torch.Tensor], path: Path, one_file: int) -> None:
    """Replace the inputs of a traced graph that stand for weights by initializers, and save it."""
    named = {value.name for value in proto.graph.input} & weights.keys()
    inputs = [value for value in proto.graph.input if value.name not in named]
    del proto.graph.input[:]
    proto.graph.input.extend(inputs)
    external = sum(weights[name].nbytes for name in named) > one_file
    data = path.with_name(f"{path.name}.data")
    data.unlink(missing_ok=True)
    casts = []
    with open(data, "wb") if external else contextlib.nullcontext() as stream:
        for name in sorted(named):
            values = weights[name].numpy()
            half = _exact_half(values)
            stored = name if half is None else f"{name}_half"
            if half is not None:
                casts.append(onnx.helper.make_node("Cast", [stored], [name], to=onnx.TensorProto.FLOAT))
            proto.graph.initializer.append(_initializer(stored, values if half is None else half, stream, data.name))
    nodes = list(proto.graph.node)
    del proto.graph.node[:]
    proto.graph.node.extend(casts + nodes)
    onnx.save(proto, path)


def _exact_half(values: np.ndarray) -> np.ndarray | None:
    """Weights in half precision if that loses nothing, else None: half the file, the same arithmetic.

    Our own checkpoints are in half precision; Meta's are not.
    """
    if values.dtype != np.float32 or values.size < 1024:
        return None
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), values) else None


def _initializer(name: str, values: np.ndarray, stream: IO[bytes] | None, file: str) -> onnx.TensorProto:
    """Return a tensor with its values inside, or appended to `stream`, the open file named `file`, if there is one."""
    if stream is None:
        return numpy_helper.from_array(values, name)
    stream.seek(-stream.tell() % 4096, os.SEEK_CUR)  # aligned to pages, so that a runtime can map it
    tensor = onnx.TensorProto(
        name=name, dims=values.shape, data_type=onnx.helper.np_dtype_to_tensor_dtype(values.dtype)
    )
    tensor.data_location = onnx.TensorProto.EXTERNAL
    where = {"location": file, "offset": stream.tell(), "length": values.nbytes}
    tensor.external_data.extend(onnx.StringStringEntryProto(key=key, value=str(value)) for key, value in where.items())
    stream.write(np.ascontiguousarray(values).data)
    return tensor
