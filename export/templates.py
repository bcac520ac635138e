"""Write graph templates: a variant's graphs without weights, for `mam.model.template` to complete with a checkpoint.

A template computes from the checkpoint's own tensors what the exported graphs hold in another form, such as weights
divided by their spectral norm. onnxruntime computes it once, when it loads the graph.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.attention import use_fused_attention
from export.graphs import modules
from export.trace import trace
from export.write import declare_shapes, fold_constants
from mam import weights
from mam.model.contract import IMAGE_ENCODER, MATTE, SEMAT, VERSION, Graph, metadata
from mam.model.frames import SIDE
from mam.model.semat import FILE as SEMAT_FILE
from mam.model.template import M2M_PREFIX, MANIFEST
from mam.model.variants import SEMAT as SEMAT_SIZES
from mam.model.variants import SematSizes, Variant
from mam.nets.m2m import NARROW_CHANNELS, SpectralNorm, subpixel_arrangement, subpixel_kernels
from mam.nets.mam import MattingAnything
from mam.nets.semat.network import SematNetwork

T = TypeVar("T")
Net = TypeVar("Net", bound=nn.Module)

SEED = 0
"""Of the weights that are traced; none of them is stored."""

_PREFIXES = {"encoder.": "image_encoder.", "sam.": "", "model.m2m.": M2M_PREFIX}
"""Of the names of weights in the traced modules of `export.graphs`, and what they are in a checkpoint."""


def write_template(variant: Variant, folder: Path, on_file: Callable[[Path], None] = lambda path: None) -> None:
    """Write the templates of a variant's graphs and their manifest.

    Args:
        variant: the sizes of the networks, and the names of the checkpoints.
        folder: created if missing.
        on_file: called with each path when the file is complete.
    """
    model = _with_distinct_weights(MattingAnything, variant)
    folder.mkdir(parents=True, exist_ok=True)
    stamp = metadata(variant.name, _digests(variant), variant.policy)
    checkpoint = dict(zip(("sam", "m2m"), variant.checkpoints, strict=False))
    manifest: dict[str, Any] = {}
    with _from_stored_weights(model.sam.image_encoder, model.m2m):
        for graph, (module, inputs) in modules(model).items():
            owner = checkpoint.get("m2m" if graph.name == MATTE.name else "sam")
            if owner is None:  # the embedded Mask-to-Matte takes its place
                continue
            path = folder / graph.file
            proto, shapes = _trace_without_weights(graph, module, inputs, path, _PREFIXES)
            onnx.helper.set_model_props(proto, {**stamp, "mam_graph": graph.name})
            onnx.save(proto, path)
            manifest[graph.name] = {"checkpoint": owner, "tensors": shapes}
            on_file(path)
    on_file(_write_manifest(folder, manifest))


def write_semat(
    folder: Path, sizes: SematSizes = SEMAT_SIZES, on_file: Callable[[Path], None] = lambda path: None
) -> None:
    """Write the template of SEMat's graph and its manifest; other arguments as for `write_template`."""
    net = _with_distinct_weights(SematNetwork, sizes)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / SEMAT.file
    inputs = torch.zeros(1, 3, SIDE, SIDE), torch.tensor([[200.0, 100.0, 800.0, 700.0]])
    with _from_stored_weights(net.encoder):
        proto, shapes = _trace_without_weights(SEMAT, net, inputs, path, {"": ""})
    onnx.helper.set_model_props(proto, {"mam_contract": VERSION, "mam_graph": SEMAT.name})
    onnx.save(proto, path)
    on_file(path)
    on_file(_write_manifest(folder, {SEMAT.name: {"checkpoint": SEMAT_FILE, "tensors": shapes}}))


def _write_manifest(folder: Path, graphs: dict[str, Any]) -> Path:
    path = folder / MANIFEST
    path.write_text(json.dumps({"graphs": graphs}, indent=1) + "\n", "utf-8")
    return path


def _with_distinct_weights(build: Callable[[T], Net], sizes: T) -> Net:
    """Build networks with random weights everywhere: the exporter makes one tensor of two with equal numbers."""
    torch.manual_seed(SEED)
    model = build(sizes).eval()
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5)
    return model


def _digests(variant: Variant) -> str:
    return " ".join(weights.look_up(name).sha256 or "unknown" for name in variant.checkpoints)


def _trace_without_weights(
    graph: Graph, module: nn.Module, inputs: tuple[Tensor, ...], path: Path, prefixes: dict[str, str]
) -> tuple[onnx.ModelProto, dict[str, list[int]]]:
    """Return the graph with weights that it refers to but does not have, and their shapes by their checkpoint names."""
    trace(graph, module.eval(), inputs, path, fixed=("C0", "C1"), store_weights=False)
    # SAM's encoder has a fused operator, which is not standard, and few constants, which would be large.
    proto = onnx.load(path) if graph.name in (IMAGE_ENCODER.name, SEMAT.name) else fold_constants(path)
    declare_shapes(proto, graph)
    named = {tensor.name for tensor in graph.inputs}
    stored = [value for value in proto.graph.input if value.name not in named]
    names = {value.name: _checkpoint_name(value.name, prefixes) for value in stored}
    shapes = {names[v.name]: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in stored}
    for value in stored:
        proto.graph.input.remove(value)
    for node in proto.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.ClearField("doc_string")
    del proto.graph.value_info[:]  # three quarters of the file, and inferred again when it is loaded
    return proto, shapes


def _checkpoint_name(name: str, prefixes: dict[str, str]) -> str:
    (prefix,) = [prefix for prefix in prefixes if name.startswith(prefix)]
    return prefixes[prefix] + name.removeprefix(prefix)


@contextlib.contextmanager
def _from_stored_weights(encoder: nn.Module, m2m: nn.Module | None = None) -> Iterator[None]:
    """Compute from the tensors as a checkpoint holds them, inside the `with`."""
    replaced: list[tuple[nn.Module, str, nn.Module]] = []
    rules: list[tuple[nn.Module, type[nn.Module], type[nn.Module]]] = [(encoder, nn.Linear, FlatLinear)]
    if m2m is not None:
        rules.append((m2m, SpectralNorm, NormalisedConvolution))
    with use_fused_attention(encoder):
        for net, kind, replacement in rules:
            for name, plain in list(net.named_modules()):
                if isinstance(plain, kind):
                    replaced.append((net, name, plain))
                    net.set_submodule(name, replacement(plain))
        try:
            yield
        finally:
            for net, name, plain in replaced:
                net.set_submodule(name, plain)


class FlatLinear(nn.Module):
    """A linear layer on rows, one `Gemm`, which packs the weights as they are stored.

    For more axes the exporter writes `Transpose` and `MatMul`, and onnxruntime would transpose a copy of the weights.

    Args:
        plain: the layer to replace.
    """

    def __init__(self, plain: Any) -> None:
        super().__init__()
        self.weight, self.bias = plain.weight, plain.bias

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in) -> (..., out)."""
        rows = F.linear(x.reshape(-1, x.shape[-1]), self.weight, self.bias)
        return rows.reshape(*x.shape[:-1], -1)


class NormalisedConvolution(nn.Module):
    """A convolution with spectral norm that computes in the graph what `SpectralNorm.fold` computes before it.

    Args:
        plain: the layer to replace, in eval mode.
    """

    def __init__(self, plain: Any) -> None:
        super().__init__()
        self.module, self.geometry, self.transposed = plain.module, plain.geometry, plain.transposed
        self._weight = plain.weight

    def forward(self, x: Tensor) -> Tensor:
        """Convolve as `SpectralNorm` does."""
        _, stride, padding = self.geometry
        weight = self._weight()
        if not self.transposed:
            return F.conv2d(x, weight, None, stride, padding)
        cin, cout = weight.shape[:2]
        if cin > NARROW_CHANNELS:
            return F.conv_transpose2d(x, weight, None, stride, padding)
        pixels = F.conv2d(x, subpixel_kernels(weight), padding=1)
        return F.conv_transpose2d(pixels, subpixel_arrangement(cout), stride=2)
