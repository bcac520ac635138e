"""Conversion of exported graphs to half precision, half-precision weights or 8 bits, with the same inputs and outputs.

None of them is exact: `python -m export check` measures what each costs, `mam doctor` what it gains. All rewriting is
done by onnxruntime's own tools.
"""

from __future__ import annotations

import functools
import re
import tempfile
from collections.abc import Callable, Sequence
from graphlib import TopologicalSorter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper

from export.feeds import record_feeds
from export.limits import graph_bytes
from export.manifest import write_manifest
from mam.errors import GraphError
from mam.model.contract import GRAPHS, IMAGE_ENCODER, MASK_DECODER, MATTE, Graph
from mam.model.providers import CPU
from mam.model.runtime import load_graphs

# The parts that are networks, by the names of their nodes. Coordinates and refinement's thresholds stay in float32.
_NETWORKS = {
    IMAGE_ENCODER: ("/encoder",),
    MASK_DECODER: (
        *("/transformer", "/output_upscaling", "/output_hypernetworks", "/iou_prediction_head"),
        *(
            f"/mask_decoder/{part}"
            for part in ("features", "stage", "down", "position", "up", "merge", "refine", "masks")
        ),
    ),
    MATTE: ("/m2m",),
}
# Where convolutions do the work. SAM's encoders have only three: two are small, and the first reads the image itself.
_CONVOLUTIONS = ("/encoder/backbone/_blocks", "/encoder/merge", "/mask_decoder", "/m2m")
# Sums over many values, and divisions by such sums.
_FULL_PRECISION = ["LayerNormalization", "InstanceNormalization", "Softmax", "ReduceMean", "Pow", "Sqrt"]
TWO_GB = 2_000_000_000
# Names that onnxruntime's converter to half precision gives to the nodes it adds.
_INSERTED = re.compile(r"graph_(in|out)put_cast\d+|.*_cast_to_fp(16|32)_node")


def convert_graphs(
    folder: Path,
    precision: str,
    out: Path,
    images: Sequence[Path] = (),
    *,
    one_file: int = TWO_GB,
    on_file: Callable[[Path], None] = lambda path: None,
) -> None:
    """Convert a set of float32 graphs to another precision.

    Args:
        folder: fp32 graphs, as `export.write` makes them.
        precision: a key of `CONVERTERS`.
        out: the new set's folder; created if missing.
        images: photographs to calibrate on, for "int8".
        one_file: bytes of weights above which they are in a second file beside the graph; protobuf ends at `TWO_GB`.
        on_file: called with each path when the file is complete.

    Raises:
        GraphError: `folder` is no complete set, the new one would replace it, or "int8" has no photographs.
    """
    if folder.resolve() == out.resolve():
        raise GraphError(f"{out} holds the exact graphs; give another folder for the converted ones.")
    if precision == "int8" and not images:
        raise GraphError("int8 is calibrated on photographs like those it will be used on; give some with --images.")
    load_graphs(folder, "cpu")  # raises unless the three belong together
    feeds = record_feeds(folder, images) if precision == "int8" else {}
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for graph in GRAPHS:
        target = out / graph.file
        target.with_name(f"{target.name}.data").unlink(missing_ok=True)  # onnx would append to it
        CONVERTERS[precision](graph, folder / graph.file, target, feeds.get(graph.name, []), one_file)
        _stamp(folder / graph.file, target, precision)
        onnx.checker.check_model(target)
        written.append(target)
        on_file(target)
    on_file(write_manifest(out, _metadata(out / GRAPHS[0].file), "graphs", written, precision=precision))


def _half(graph: Graph, source: Path, target: Path, feeds: list[dict[str, np.ndarray]], one_file: int) -> None:
    """Networks in half precision, arithmetic and weights: for GPUs and phones; CPUs convert each number back."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    # Shapes are inferred before the weights are read, because protobuf messages end at 2 GB.
    model = onnx.shape_inference.infer_shapes(onnx.load(source, load_external_data=False))
    onnx.load_external_data_for_model(model, str(source.parent))
    outside = [node.name for node in model.graph.node if not node.name.startswith(_NETWORKS[graph])]
    model = convert_float_to_float16(
        model, keep_io_types=True, disable_shape_infer=True, op_block_list=_FULL_PRECISION, node_block_list=outside
    )
    # Where several nodes read a value, the converter writes the same Cast for each of them, and all at the end.
    nodes = list({tuple(node.output): node for node in model.graph.node}.values())
    nodes = _sort_topologically(_remove_round_trips(nodes, {value.name for value in model.graph.output}))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    _save(model, target, one_file)


def _remove_round_trips(nodes: list[onnx.NodeProto], outputs: set[str]) -> list[onnx.NodeProto]:
    """Pass float32 values directly between nodes that stay in float32; the converter casts them to float16 and back.

    Args:
        nodes: the converted graph's nodes; casts that turn out to be superfluous become `Identity` or are dropped.
        outputs: names of the graph's outputs.
    """
    casts = [node for node in nodes if node.op_type == "Cast" and _INSERTED.fullmatch(node.name)]
    halved = {node.output[0]: node.input[0] for node in casts if node.attribute[0].i == onnx.TensorProto.FLOAT16}
    restored: dict[str, str] = {}
    for node in casts:
        if node.attribute[0].i == onnx.TensorProto.FLOAT and node.input[0] in halved:
            restored[node.output[0]] = halved[node.input[0]]
            node.op_type, node.input[0] = "Identity", halved[node.input[0]]
            del node.attribute[:]
    for node in nodes:
        for i, name in enumerate(node.input):
            node.input[i] = restored.get(name, name)
    read = outputs | {name for node in nodes for name in node.input}
    spare = {node.output[0] for node in casts} - read
    return [node for node in nodes if node.output[0] not in spare]


def _half_weights(graph: Graph, source: Path, target: Path, feeds: list[dict[str, np.ndarray]], one_file: int) -> None:
    """Weights stored in half precision, converted back on loading: half the file, the same arithmetic and speed."""
    model = onnx.load(source)
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT and np.prod(tensor.dims) >= 1024:
            name, limit = tensor.name, np.finfo(np.float16).max
            values = numpy_helper.to_array(tensor).clip(-limit, limit).astype(np.float16)
            tensor.CopyFrom(numpy_helper.from_array(values, f"{name}_half"))
            casts.append(onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(casts + nodes)
    _save(model, target, one_file)


def _int8(graph: Graph, source: Path, target: Path, feeds: list[dict[str, np.ndarray]], one_file: int) -> None:
    """8-bit weights; ranges of matrix products are computed at run time, ranges of convolutions on `feeds`."""
    from onnxruntime.quantization import QuantType, quantize_dynamic, quantize_static

    reader = SimpleNamespace(get_next=functools.partial(next, iter(feeds), None))  # as a CalibrationDataReader
    large = graph_bytes(source) > one_file
    with tempfile.TemporaryDirectory() as scratch:
        folded, products = Path(scratch) / "folded.onnx", Path(scratch) / "products.onnx"
        _fold(source, folded, large)
        content = onnx.load(folded, load_external_data=False).graph
        convolutions = [
            node.name for node in content.node if node.op_type == "Conv" and node.name.startswith(_CONVOLUTIONS)
        ]
        # Products with constants of more than two axes: onnxruntime quantises them, but cannot run the result.
        deep = {tensor.name for tensor in content.initializer if len(tensor.dims) > 2}
        excluded = [node.name for node in content.node if node.op_type == "MatMul" and deep.intersection(node.input)]
        # Seven of eight bits: CPUs without VNNI add two products in 16 bits, which full bytes overflow.
        common = {"weight_type": QuantType.QInt8, "per_channel": True, "reduce_range": True}
        common["use_external_data_format"] = large
        quantize_dynamic(
            folded,
            products if convolutions else target,
            op_types_to_quantize=["MatMul"],
            nodes_to_exclude=excluded,
            extra_options={"MatMulConstBOnly": True},
            **common,
        )
        if convolutions:
            quantize_static(
                products,
                target,
                reader,
                op_types_to_quantize=["Conv"],
                nodes_to_quantize=convolutions,
                activation_type=QuantType.QUInt8,
                **common,
            )


CONVERTERS: dict[str, Callable[[Graph, Path, Path, list[dict[str, np.ndarray]], int], None]] = {
    "fp16": _half,
    "fp16_weights": _half_weights,
    "int8": _int8,
}


def _sort_topologically(nodes: list[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """Return the same nodes in topological order."""
    maker = {name: index for index, node in enumerate(nodes) for name in node.output}
    before = {index: {maker[name] for name in node.input if name in maker} for index, node in enumerate(nodes)}
    return [nodes[index] for index in TopologicalSorter(before).static_order()]


def _fold(source: Path, target: Path, apart: bool) -> None:
    """Evaluate constant expressions, so that quantisation finds every weight; `apart` stores weights separately."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    if apart:
        options.add_session_config_entry(
            "session.optimized_model_external_initializers_file_name", f"{target.name}.data"
        )
    # A product fused with its bias into a Gemm would not be quantised.
    ort.InferenceSession(str(source), options, providers=[CPU], disabled_optimizers=["MatMulAddFusion"])


def _stamp(source: Path, target: Path, precision: str) -> None:
    model = onnx.load(target, load_external_data=False)
    onnx.helper.set_model_props(model, {**_metadata(source), "precision": precision})
    onnx.save(model, target)


def _metadata(path: Path) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load(path, load_external_data=False).metadata_props}


def _save(model: onnx.ModelProto, target: Path, one_file: int) -> None:
    large = sum(len(tensor.raw_data) for tensor in model.graph.initializer) > one_file
    onnx.save(model, target, save_as_external_data=large, location=f"{target.name}.data")
