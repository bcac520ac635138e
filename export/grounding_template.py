"""Write the template of Grounding DINO: its graph without weights, for `mam.text.preparation` to complete.

The text encoder has two thirds of the weights and does a hundredth of the work: its matrices are stored in 8 bits and
converted while the graph runs. Others are stored in half precision and converted when the graph is loaded.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from safetensors.numpy import load_file
from torch import Tensor, nn
from transformers import GroundingDinoConfig, GroundingDinoForObjectDetection

from export.grounding import example_inputs, finish, smallest_side
from export.grounding_network import SPECIAL_TOKENS, TraceableGrounding, check_transformers
from export.templates import SEED
from export.trace import trace
from export.write import fold_constants
from mam import weights
from mam.model import contract
from mam.model.template import MANIFEST
from mam.text import Phrases, Preprocessor
from mam.text.preparation import INT8, SCALE, SIDE


def write_grounding_template(
    name: str, config: GroundingDinoConfig, preprocessor: Preprocessor, folder: Path
) -> list[Path]:
    """Write `grounding.onnx` without weights, and `template.json`.

    Args:
        name: the published model's name.
        config: its sizes.
        preprocessor: how images are prepared.
        folder: created if missing.

    Returns:
        The two paths.

    Raises:
        WeightsError: another release of transformers is installed.
    """
    check_transformers()
    torch.manual_seed(SEED)
    model = GroundingDinoForObjectDetection(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # distinct, as the exporter makes one tensor of two with equal numbers
            parameter.uniform_(0.5, 1.5)
    folder.mkdir(parents=True, exist_ok=True)
    names = published_names(model, folder)
    for path, layer in list(model.model.text_backbone.named_modules()):
        if isinstance(layer, nn.Linear):
            model.model.text_backbone.set_submodule(path, Linear8(layer))
        elif path.endswith("word_embeddings"):
            model.model.text_backbone.set_submodule(path, Embedding8(layer))
    path = folder / contract.GROUNDING.file
    inputs = example_inputs(preprocessor, _two_phrases())
    trace(contract.GROUNDING, TraceableGrounding(model).eval(), inputs, path, fixed=("Q",), store_weights=False)
    graph = fold_constants(path)
    shapes = _separate_weights(graph, names)
    metadata = {"mam_graph": contract.GROUNDING.name, "mam_contract": contract.VERSION, "mam_variant": name}
    digest = weights.look_up(f"{name}.safetensors").sha256
    finish(graph, config.num_queries, {**metadata, "mam_checkpoint_sha256": digest, **preprocessor.metadata()})
    onnx.save(graph, path)
    manifest = folder / MANIFEST
    manifest.write_text(json.dumps({"tensors": shapes}, indent=1) + "\n", "utf-8")
    return [path, manifest]


def write_published(name: str, folder: Path) -> list[Path]:
    """Write the template of a published model; its configuration is transformers' default.

    Args:
        name: "grounding-dino-tiny".
        folder: created if missing.
    """
    config = GroundingDinoConfig()
    window: Any = config.backbone_config
    return write_grounding_template(
        name, config, Preprocessor(SIDE, smallest=smallest_side(window.window_size)), folder
    )


def published_names(model: GroundingDinoForObjectDetection, folder: Path) -> dict[str, str]:
    """Return the names of the weights in a published file, by their names in the network.

    transformers renames modules from release to release, and writes files with the published names. Random weights
    are all different, so that equal ones are the same.
    """
    file = folder / "published"
    model.save_pretrained(file)
    written = {value.tobytes(): name for name, value in load_file(file / "model.safetensors").items()}
    for part in file.iterdir():
        part.unlink()
    file.rmdir()
    return {name: written[value.numpy().tobytes()] for name, value in model.state_dict().items()}


def _two_phrases() -> Phrases:
    """Return tokens of two phrases, without a tokenizer: only their number matters."""
    start, end, stop, _ = SPECIAL_TOKENS
    ids, block = np.array([[start, 1, stop, 2, 3, stop, end]]), np.array([0, 1, 1, 2, 2, 2, 3])
    positions = np.array([[0, 0, 1, 0, 1, 2, 0]])
    return Phrases(("one", "two"), np.zeros(7), ids, positions, (block[:, None] == block)[None])


def _separate_weights(graph: onnx.ModelProto, names: dict[str, str]) -> dict[str, list[int]]:
    """Rename the inputs that stand for weights and remove them; returns their shapes by their published names."""
    given = {tensor.name for tensor in contract.GROUNDING.inputs}
    stored = [value for value in graph.graph.input if value.name not in given]
    renamed, shapes = {}, {}
    for value in stored:
        name = value.name.removeprefix("model.")
        base, kind = next(((name.removesuffix(k), k) for k in (INT8, SCALE) if name.endswith(k)), (name, ""))
        renamed[value.name] = names[base] + kind
        if kind != SCALE:
            shapes[names[base] + kind] = [size.dim_value for size in value.type.tensor_type.shape.dim]
        graph.graph.input.remove(value)
    _shorten_names(graph, renamed)
    return shapes


def _shorten_names(graph: onnx.ModelProto, renamed: dict[str, str]) -> None:
    """Give tensors inside the graph numbers as names, which halves its file, and rename weights by `renamed`."""
    kept = [tensor.name for tensor in (*contract.GROUNDING.inputs, *contract.GROUNDING.outputs)]
    names = {"": "", **{name: name for name in kept}, **renamed}
    for tensor in graph.graph.initializer:
        tensor.name = names.setdefault(tensor.name, f"t{len(names)}")
    for node in graph.graph.node:
        node.name = ""
        node.input[:] = [names.setdefault(name, f"t{len(names)}") for name in node.input]
        node.output[:] = [names.setdefault(name, f"t{len(names)}") for name in node.output]


class Linear8(nn.Module):
    """A linear layer with its weights in 8 bits and a scale per row.

    Args:
        plain: the layer to replace.
    """

    def __init__(self, plain: nn.Linear) -> None:
        super().__init__()
        self.bias = plain.bias
        _store_in_8_bits(self, plain.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map (1, T, in) -> (1, T, out)."""
        weight = _Dequantised.apply(self.get_buffer("weight" + INT8), self.get_buffer("weight" + SCALE))
        return nn.functional.linear(x[0], weight, self.bias)[None]


class Embedding8(nn.Module):
    """An embedding with its rows in 8 bits and a scale per row.

    Args:
        plain: the layer to replace.
    """

    def __init__(self, plain: Any) -> None:
        super().__init__()
        _store_in_8_bits(self, plain.weight)

    def forward(self, ids: Tensor) -> Tensor:
        """Map (1, T) int64 -> (1, T, C) float32."""
        return self.get_buffer("weight" + INT8)[ids].float() * self.get_buffer("weight" + SCALE)[ids][..., None]


def _store_in_8_bits(layer: nn.Module, weight: Tensor) -> None:
    scale = weight.detach().abs().amax(1) / 127
    layer.register_buffer("weight" + INT8, (weight.detach() / scale[:, None]).round().to(torch.int8))
    layer.register_buffer("weight" + SCALE, scale)


class _Dequantised(torch.autograd.Function):
    """(N, K) int8 and (N) float32 -> (N, K) float32; one node, which onnxruntime does not compute in advance."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, scale: Tensor) -> Tensor:
        return rows.float() * scale[:, None]

    @staticmethod
    def symbolic(g: Any, rows: Any, scale: Any) -> Any:
        return g.op("DequantizeLinear", rows, scale, axis_i=0).setType(rows.type().with_dtype(torch.float32))
