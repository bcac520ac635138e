"""A model repository for Triton Inference Server: three models, each a graph with its configuration.

The image encoder batches requests of different clients, if its graph allows it. The other two graphs do not: all
prompts of a call share one image, so their inputs have no common batch dimension. One call holds any number of prompts
instead.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto

from mam.model.contract import GRAPHS, IMAGE_ENCODER, MASK_DECODER, MATTE, Graph
from mam.model.frames import MASK_SIDE, SIDE
from mam.model.runtime import load_graphs
from mam.model.triton import model_name

_BATCH = 8  # images that the encoder takes in one call
_QUEUE_MICROSECONDS = 2000  # that a request waits for others to share its call; encoding takes ten times as long
# A matte takes longest and cannot share a call, so two run at a time.
_INSTANCES = {IMAGE_ENCODER.name: 1, MASK_DECODER.name: 1, MATTE.name: 2}
_TYPES: dict[int, str] = {
    TensorProto.FLOAT: "TYPE_FP32",
    TensorProto.INT64: "TYPE_INT64",
    TensorProto.BOOL: "TYPE_BOOL",
}
_WARMUP_SIZES = {"B": 1, "N": 2}


def write_repository(folder: Path, out: Path, on_file: Callable[[Path], None] = lambda path: None) -> None:
    """Write a repository that `tritonserver --model-repository=OUT` loads and `mam.model.triton` calls.

    Args:
        folder: a set of graphs.
        out: created if missing; models of the same names are replaced.
        on_file: called with the path of each graph when its model is complete.

    Raises:
        GraphError: `folder` is no complete set.
    """
    load_graphs(folder, "cpu")  # checks the set
    for graph in GRAPHS:
        target = out / model_name(graph)
        shutil.rmtree(target, ignore_errors=True)
        (target / "1").mkdir(parents=True)
        (target / "warmup").mkdir()
        model = onnx.load(folder / graph.file, load_external_data=False)
        weights = folder / f"{graph.file}.data"
        if weights.exists():
            shutil.copy(weights, target / "1" / weights.name)
        path = target / "1" / "model.onnx"
        batch = _write_graph(model, graph, path)
        for name, values in _warmup_values(graph).items():
            (target / "warmup" / name).write_bytes(values.tobytes())
        (target / "config.pbtxt").write_text(describe(model, graph, batch))
        on_file(path)


def describe(model: onnx.ModelProto, graph: Graph, batch: int) -> str:
    """Return the configuration of a model, in protobuf's text format.

    Args:
        model: its graph.
        graph: a graph of the contract.
        batch: images per call; 0 if Triton must not batch.
    """
    stamp = {entry.key: entry.value for entry in model.metadata_props if entry.key.startswith("mam_")}
    lines = [f'name: "{model_name(graph)}"', 'backend: "onnxruntime"', f"max_batch_size: {batch}"]
    lines += [f"input {{ {_tensor(value, batch)} }}" for value in model.graph.input]
    lines += [f"output {{ {_tensor(value, batch)} }}" for value in model.graph.output]
    if batch:
        lines.append(f"dynamic_batching {{ max_queue_delay_microseconds: {_QUEUE_MICROSECONDS} }}")
    lines.append(f"instance_group {{ kind: KIND_AUTO count: {_INSTANCES[graph.name]} }}")
    lines.append('model_warmup { name: "one prompt" batch_size: 1')  # also without batching, or Triton leaves it out
    files = _warmup_values(graph)
    for value in model.graph.input:
        dims = [_WARMUP_SIZES.get(str(size), size) for size in _sizes(value, batch)]
        data = f'input_data_file: "{value.name}"' if value.name in files else "zero_data: true"
        lines.append(f'  inputs {{ key: "{value.name}" value {{ {_type(value)} {_dims(dims)} {data} }} }}')
    lines.append("}")
    lines += [f'parameters {{ key: "{key}" value {{ string_value: "{stamp[key]}" }} }}' for key in sorted(stamp)]
    return "\n".join(lines) + "\n"


def _write_graph(model: onnx.ModelProto, graph: Graph, path: Path) -> int:
    """Write a graph, the encoder's with a dynamic batch if it computes the same then -> the images per call, or 0."""
    onnx.save(model, path)
    if graph.name != IMAGE_ENCODER.name:
        return 0
    expected = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    batched = onnx.ModelProto()
    batched.CopyFrom(model)
    del batched.graph.value_info[:]  # inferred sizes, which hold for one image
    for value in (*batched.graph.input, *batched.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.save(batched, path)
    images = np.random.default_rng(0).standard_normal((2, 3, SIDE, SIDE), np.float32)
    try:
        session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
        both = session.run(None, {"image": images})
        singles = [expected.run(None, {"image": images[k : k + 1]}) for k in range(2)]
        # Rounding: other sizes let the runtime choose other kernels.
        same = all(
            np.allclose(values[k], single[0], rtol=1e-3, atol=1e-4 * np.abs(single).max())
            for k, found in enumerate(singles)
            for values, single in zip(both, found, strict=True)
        )
    except Exception:  # onnxruntime raises a dozen types of its own: sizes for one image are fixed inside the graph
        same = False
    if same:
        return _BATCH
    onnx.save(model, path)
    return 0


def _warmup_values(graph: Graph) -> dict[str, np.ndarray]:
    """Return the inputs of a first call that must not be zero: a box, and the mask of a square."""
    if graph.name == MASK_DECODER.name:
        corners = np.array([[[256, 256], [768, 768]]], np.float32)
        return {"point_coords": corners, "point_labels": np.array([[2, 3]], np.float32)}
    if graph.name == MATTE.name:
        logits = np.full((1, 1, MASK_SIDE, MASK_SIDE), -8, np.float32)
        logits[..., 64:192, 64:192] = 8
        size = np.array([SIDE, SIDE], np.int64)
        return {"mask_logits": logits, "input_size": size, "original_size": size}
    return {}


def _tensor(value: onnx.ValueInfoProto, batch: int) -> str:
    # Triton has no tensors without dimensions: a client sends one value, and the server takes the dimension away.
    scalar = "" if value.type.tensor_type.shape.dim else " reshape { shape: [ ] }"
    dims = [size if isinstance(size, int) else -1 for size in _sizes(value, batch)]
    return f'name: "{value.name}" {_type(value)} {_dims(dims)}{scalar}'


def _type(value: onnx.ValueInfoProto) -> str:
    return f"data_type: {_TYPES[value.type.tensor_type.elem_type]}"


def _sizes(value: onnx.ValueInfoProto, batch: int) -> list[int | str]:
    """Return the sizes of a tensor, without its batch dimension if Triton batches it."""
    sizes = [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
    return sizes[1:] if batch else sizes or [1]


def _dims(sizes: list[Any]) -> str:
    return f"dims: [ {', '.join(map(str, sizes))} ]"
