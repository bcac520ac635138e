"""Smaller flavours of exported graphs, with the same inputs and outputs: half precision, half-precision weights, 8-bit integers.

None of them is exact; `python -m export bench` measures what each costs and gains. Only onnxruntime's own tools rewrite the graphs.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper

from mam.contract import GRAPHS, IMAGE_ENCODER, MASK_DECODER, MATTE, Graph
from mam.errors import GraphError
from mam.images import open_photo
from mam.matting import Matting
from mam.prompts import Prompt
from mam.runtime import CPU, OnnxGraphs, load_graphs

Feeds = dict[str, list[dict[str, np.ndarray]]]
"""For each graph's name, the inputs of some calls."""

# The parts that are networks, by where torch found them. Prompts' positions and refinement's thresholds need all their digits.
_NETWORKS = {
    IMAGE_ENCODER: ("/encoder",),
    MASK_DECODER: ("/transformer", "/output_upscaling", "/output_hypernetworks", "/iou_prediction_head"),
    MATTE: ("/m2m",),
}
# Where the work is in convolutions. SAM's encoders have three: two are small, and the first sees the picture itself.
_CONVOLUTIONS = ("/encoder/stage", "/m2m")
# Sums over many values, and what they are divided by.
_FULL_PRECISION = ["LayerNormalization", "InstanceNormalization", "Softmax", "ReduceMean", "Pow", "Sqrt"]
_TWO_GB = 2_000_000_000
# How onnxruntime's converter to half precision calls the nodes that it adds.
_INSERTED = re.compile(r"graph_(in|out)put_cast\d+|.*_cast_to_fp(16|32)_node")


def write_flavour(
    folder: Path,
    precision: str,
    out: Path,
    pictures: Sequence[Path] = (),
    *,
    written: Callable[[Path], None] = lambda path: None,
) -> None:
    """Write a flavour of a whole set of graphs.

    Args:
        folder: fp32 graphs, as `export.write` makes them.
        precision: a key of `FLAVOURS`.
        out: the new set's folder; made if missing.
        pictures: photographs that "int8" learns the ranges of values from.
        written: called with each path once it is there.

    Raises:
        GraphError: `folder` is no complete set, or the new one would replace it.
    """
    if folder.resolve() == out.resolve():
        raise GraphError(f"{out} holds the exact graphs; give another folder for the flavour.")
    load_graphs(folder, "cpu")  # a set that belongs together, or an error that says why not
    feeds = record(folder, pictures) if precision == "int8" else {}
    out.mkdir(parents=True, exist_ok=True)
    for graph in GRAPHS:
        target = out / graph.file
        target.with_name(f"{target.name}.data").unlink(missing_ok=True)  # onnx would append to it
        FLAVOURS[precision](graph, folder / graph.file, target, feeds.get(graph.name, []))
        _stamp(folder / graph.file, target, precision)
        onnx.checker.check_model(target)
        written(target)


def record(folder: Path, pictures: Sequence[Path]) -> Feeds:
    """What the graphs of a set are fed with for a box and for a click on each picture."""
    loaded = load_graphs(folder, "cpu")
    recording = _Recording(**vars(loaded))
    for path in pictures:
        scene = Matting(recording).open(open_photo(path).pixels)
        h, w = scene.photo.size
        for prompt in (Prompt(box=(0.2 * w, 0.1 * h, 0.85 * w, 0.95 * h)), Prompt(points=[(w / 2, h / 2)])):
            scene.mattes([prompt], recrop=False)
    return recording.feeds


@dataclass(frozen=True, eq=False)
class _Recording(OnnxGraphs):
    """Graphs that remember what they were fed with."""

    feeds: Feeds = field(default_factory=lambda: {graph.name: [] for graph in GRAPHS})

    def _run(self, graph: Graph, *values: np.ndarray) -> list[ort.OrtValue]:
        self.feeds[graph.name].append({tensor.name: value for tensor, value in zip(graph.inputs, values)})
        return super()._run(graph, *values)


def _half(graph: Graph, source: Path, target: Path, feeds: list) -> None:
    """The networks in half precision, arithmetic and weights; for GPUs and phones, as CPUs widen every number again."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    # Shapes are inferred before the weights are read, as protobuf cannot pass on more than 2 GB.
    model = onnx.shape_inference.infer_shapes(onnx.load(source, load_external_data=False))
    onnx.load_external_data_for_model(model, str(source.parent))
    outside = [node.name for node in model.graph.node if not node.name.startswith(_NETWORKS[graph])]
    model = convert_float_to_float16(
        model, keep_io_types=True, disable_shape_infer=True, op_block_list=_FULL_PRECISION, node_block_list=outside
    )
    # Where a value goes to several nodes, the converter writes the same Cast for each, and all at the end.
    nodes = list({tuple(node.output): node for node in model.graph.node}.values())
    nodes = _sorted(_without_round_trips(nodes, {value.name for value in model.graph.output}))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    _save(model, target)


def _without_round_trips(nodes: list[onnx.NodeProto], outputs: set[str]) -> list[onnx.NodeProto]:
    """The converter narrows all that leaves a node which it was to leave alone, and widens it again for the next of these: there
    goes the value itself. `outputs` names those of the graph.
    """
    casts = [node for node in nodes if node.op_type == "Cast" and _INSERTED.fullmatch(node.name)]
    narrowed = {node.output[0]: node.input[0] for node in casts if node.attribute[0].i == onnx.TensorProto.FLOAT16}
    whole: dict[str, str] = {}
    for node in casts:
        if node.attribute[0].i == onnx.TensorProto.FLOAT and node.input[0] in narrowed:
            whole[node.output[0]] = narrowed[node.input[0]]
            node.op_type, node.input[0] = "Identity", narrowed[node.input[0]]
            del node.attribute[:]
    for node in nodes:
        for i, name in enumerate(node.input):
            node.input[i] = whole.get(name, name)
    read = outputs | {name for node in nodes for name in node.input}
    spare = {node.output[0] for node in casts} - read
    return [node for node in nodes if node.output[0] not in spare]


def _half_weights(graph: Graph, source: Path, target: Path, feeds: list) -> None:
    """Weights stored in half precision and widened when the graph is loaded: half the file, the same arithmetic and speed."""
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
    _save(model, target)


def _int8(graph: Graph, source: Path, target: Path, feeds: list[dict[str, np.ndarray]]) -> None:
    """8-bit weights: matrix products with the ranges of the moment, convolutions with ranges learnt from `feeds`."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_dynamic, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.rest = iter(feeds)

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.rest, None)

    large = graph_bytes(source) > _TWO_GB
    with tempfile.TemporaryDirectory() as scratch:
        folded, products = Path(scratch) / "folded.onnx", Path(scratch) / "products.onnx"
        _fold(source, folded, large)
        convolutions = [
            node.name for node in _nodes(folded) if node.op_type == "Conv" and node.name.startswith(_CONVOLUTIONS)
        ]
        # Seven of eight bits: on CPUs without an instruction for it, products of full bytes overflow their sums of two.
        common = {
            "weight_type": QuantType.QInt8,
            "per_channel": True,
            "reduce_range": True,
            "use_external_data_format": large,
        }
        quantize_dynamic(
            folded,
            products if convolutions else target,
            op_types_to_quantize=["MatMul"],
            nodes_to_exclude=_deep_products(folded),
            extra_options={"MatMulConstBOnly": True},
            **common,
        )
        if convolutions:
            quantize_static(
                products,
                target,
                Reader(),
                op_types_to_quantize=["Conv"],
                nodes_to_quantize=convolutions,
                activation_type=QuantType.QUInt8,
                **common,
            )


FLAVOURS: dict[str, Callable[[Graph, Path, Path, list], None]] = {
    "fp16": _half,
    "fp16_weights": _half_weights,
    "int8": _int8,
}


def _sorted(nodes: list[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """Nodes in an order in which each comes after those that it reads from."""
    maker = {name: index for index, node in enumerate(nodes) for name in node.output}
    before = {index: {maker[name] for name in node.input if name in maker} for index, node in enumerate(nodes)}
    return [nodes[index] for index in TopologicalSorter(before).static_order()]


def _nodes(path: Path) -> Sequence[onnx.NodeProto]:
    return onnx.load(path, load_external_data=False).graph.node


def _deep_products(path: Path) -> list[str]:
    """Products with constants of more than two axes: they can be quantised, but then do not run."""
    graph = onnx.load(path, load_external_data=False).graph
    deep = {tensor.name for tensor in graph.initializer if len(tensor.dims) > 2}
    return [node.name for node in graph.node if node.op_type == "MatMul" and deep.intersection(node.input)]


def _fold(source: Path, target: Path, apart: bool) -> None:
    """Let onnxruntime compute what is constant, so that every weight stands where quantisation looks for it."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    if apart:
        options.add_session_config_entry(
            "session.optimized_model_external_initializers_file_name", f"{target.name}.data"
        )
    # A product and its bias as one Gemm would escape quantisation.
    ort.InferenceSession(str(source), options, providers=[CPU], disabled_optimizers=["MatMulAddFusion"])


def _stamp(source: Path, target: Path, precision: str) -> None:
    model = onnx.load(target, load_external_data=False)
    stamp = {entry.key: entry.value for entry in onnx.load(source, load_external_data=False).metadata_props}
    onnx.helper.set_model_props(model, {**stamp, "precision": precision})
    onnx.save(model, target)


def _save(model: onnx.ModelProto, target: Path) -> None:
    large = sum(len(tensor.raw_data) for tensor in model.graph.initializer) > _TWO_GB
    onnx.save(model, target, save_as_external_data=large, location=f"{target.name}.data")


def graph_bytes(path: Path) -> int:
    """Bytes of a graph's file, and of the weights beside it if they are apart."""
    data = path.with_name(f"{path.name}.data")
    return path.stat().st_size + (data.stat().st_size if data.exists() else 0)
