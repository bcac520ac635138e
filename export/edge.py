"""Write graphs for edge runtimes: static shapes, borders of float32 and int32, Mask-to-Matte apart from refinement.

| file | what it computes |
|---|---|
| `image_encoder.onnx` | as in an ordinary set |
| `mask_decoder_N.onnx` | as in an ordinary set, for one prompt of N points |
| `m2m.onnx` | Mask-to-Matte on the whole input frame, without the crop around the mask |
| `refinement.onnx` | from the three alphas of `m2m.onnx` to the alpha in the original frame; H and W are dynamic |
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from export.attention import use_fused_attention
from export.graphs import high_res_features, modules
from export.manifest import write_manifest
from export.ort_format import OPERATORS, to_ort_format
from export.write import ONE_FILE, is_vit_encoder, write_graph
from mam.errors import GraphError
from mam.model.contract import IMAGE_ENCODER, MASK_DECODER, MATTE, Graph, metadata
from mam.model.contract import Tensor as Declared
from mam.model.frames import MASK_SIDE, SIDE
from mam.model.variants import SamM2M, Variant
from mam.nets.mam import MattingAnything, to_original_frame
from mam.nets.refine import refine

_ALPHAS = tuple(Declared(f"alpha_os{stride}", "float32", (1, 1, SIDE, SIDE)) for stride in (8, 4, 1))
_LOGITS = Declared("mask_logits", "float32", (1, 1, MASK_SIDE, MASK_SIDE))
M2M = Graph("m2m", (*MATTE.inputs[:2], _LOGITS), _ALPHAS)
REFINEMENT = Graph(
    "refinement",
    (
        _LOGITS,
        *_ALPHAS,
        Declared("input_size", "int32", (2,)),
        Declared("original_size", "int32", (2,)),
        Declared("mask_guidance", "float32", (1,)),
    ),
    (Declared("alpha", "float32", (1, 1, "H", "W")),),
)


def default_points(variant: Variant) -> tuple[int, ...]:
    """Return the numbers of points that decoders are written for.

    The decoder of `tiny` does not see padding points, so one file answers every shorter prompt too. SAM's does, and was
    trained with one padding point beside clicks without a box: 2 is a box, or a click; 3 a box with a click, or two
    clicks.
    """
    return (2, 3) if isinstance(variant.networks, SamM2M) else (16,)


def write_edge(
    model: MattingAnything,
    checkpoint_sha256: str,
    target: str,
    folder: Path,
    points: Collection[int] = (),
    on_file: Callable[[Path], None] = lambda path: None,
) -> None:
    """Write a model's graphs for a runtime, and `manifest.json`.

    Args:
        model: in eval mode; it is not changed.
        checkpoint_sha256: stored in the metadata of all files.
        target: one of `export.targets.TARGETS`.
        folder: created if missing.
        points: numbers of points to write decoders for; empty for `default_points`.
        on_file: called with each path when the file is complete.

    Raises:
        GraphError: a number of points is less than 2, or the model is too large for the format.
    """
    # tensorrt has no fused attention of onnxruntime; phones read onnxruntime's own format.
    is_plain, in_ort_format = target == "tensorrt", target == "mobile"
    if any(n < 2 for n in points):
        raise GraphError(f"points are {' '.join(map(str, points))}; a box, or a click with its padding, has 2.")
    nbytes = sum(tensor.nbytes for tensor in model.sam.image_encoder.state_dict().values())
    if in_ort_format and nbytes > ONE_FILE:
        raise GraphError(
            f"the image encoder of {model.variant.name} has {nbytes / 1e9:.1f} GB of weights; a file in onnxruntime's "
            "own format has at most 2 GB, and a phone less memory. Take a smaller variant, or --for openvino."
        )
    folder.mkdir(parents=True, exist_ok=True)
    stamp, paths = metadata(model.variant.name, checkpoint_sha256, model.variant.policy), []
    for graph, module, inputs in _static_modules(model, sorted(set(points)) or default_points(model.variant)):
        path = folder / graph.file
        fused = graph.name == IMAGE_ENCODER.name and not is_plain
        with use_fused_attention(model.sam.image_encoder) if fused else contextlib.nullcontext():
            write_graph(graph, module, inputs, path, stamp, fold=not is_vit_encoder(graph, model))
        paths.append(path)
        if not in_ort_format:
            on_file(path)
    if in_ort_format:
        paths = to_ort_format(paths)
        for path in paths:
            on_file(path)
    graphs = [path for path in paths if path.name != OPERATORS]
    fill_up = not isinstance(model.variant.networks, SamM2M)
    on_file(write_manifest(folder, stamp, target, graphs, fill_up=fill_up))


def _static_modules(
    model: MattingAnything, points: Collection[int]
) -> Iterator[tuple[Graph, nn.Module, tuple[Tensor, ...]]]:
    """Yield each graph, static, with its module and example inputs."""
    model = model.with_folded_spectral_norm()
    (encoder, encoding), (decoder, decoding), (matte, matting) = modules(model).items()
    channels = {f"C{i}": shape[1] for i, shape in enumerate(high_res_features(model.variant).values())}
    yield _fix_sizes(encoder, channels), *encoding
    module, (*features, _, _, masks, _) = decoding
    for n in points:
        sizes = channels | {"B": 1, "N": n}
        graph = dataclasses.replace(_fix_sizes(decoder, sizes), name=f"{MASK_DECODER.name}_{n}")
        labels = torch.tensor([[2.0, 3.0, *[1.0] * n]])[:, :n]
        coords = torch.linspace(100, 900, 2 * n).reshape(1, n, 2)
        yield graph, module, (*features, coords, labels, masks[:1], torch.ones(1))
    _, (image, *rest) = matting
    seen, logits = rest[:-4], rest[-4][:1]
    m2m = M2M.having({tensor.name for tensor in matte.inputs})
    yield m2m, MaskToMatteModule(model), (image, *seen, logits)
    alphas = torch.rand(3, 1, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    input_size, original_size = (size.int() for size in rest[-3:-1])
    yield REFINEMENT, Refinement(), (logits, *alphas, input_size, original_size, torch.ones(1))


def _fix_sizes(graph: Graph, sizes: Mapping[str, int]) -> Graph:
    """Return a graph with numbers in place of dynamic sizes."""

    def static(tensors: tuple[Declared, ...]) -> tuple[Declared, ...]:
        return tuple(
            dataclasses.replace(t, shape=tuple(sizes[s] if isinstance(s, str) else s for s in t.shape)) for t in tensors
        )

    return dataclasses.replace(graph, inputs=static(graph.inputs), outputs=static(graph.outputs))


class MaskToMatteModule(nn.Module):
    """`m2m.onnx`."""

    def __init__(self, model: MattingAnything) -> None:
        super().__init__()
        self.m2m = model.m2m

    def forward(self, image: Tensor, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`image`, `image_embeddings` if M2M uses them, and `mask_logits` -> three alphas in the input frame."""
        *embeddings, mask_logits = inputs
        os8, os4, os1 = self.m2m(*embeddings, image, mask_logits)
        return os8, os4, os1


class Refinement(nn.Module):
    """`refinement.onnx`."""

    def forward(
        self,
        mask_logits: Tensor,
        os8: Tensor,
        os4: Tensor,
        os1: Tensor,
        input_size: Tensor,
        original_size: Tensor,
        mask_guidance: Tensor,
    ) -> Tensor:
        """The inputs of `REFINEMENT` -> `alpha` (1, 1, H, W)."""
        (h, w), (height, width) = input_size.long().unbind(), original_size.long().unbind()
        alphas = torch.cat([os8, os4, os1], 1)
        logits, (os8, os4, os1) = to_original_frame(mask_logits, alphas, (h, w), (height, width))
        alpha = refine(logits > 0, os8, os4, os1, mask_guidance > 0.5)
        return alpha.clamp(0, 1)  # a runtime's tanh may exceed 1 by some 1e-8
