"""Grounding DINO (words -> boxes) as one ONNX graph with its tokenizer, from Hugging Face's files.

    FOLDER/grounding.onnx     as `mam.contract.GROUNDING` says: the picture's size is fixed, the number of tokens is free
    FOLDER/tokenizer.json     as the package `tokenizers` reads it

Which words see each other depends on the phrases; `mam.grounding` works that out with numpy and feeds it.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from tokenizers import BertWordPieceTokenizer, Tokenizer
from transformers import GroundingDinoConfig, GroundingDinoForObjectDetection
from transformers.models.grounding_dino import modeling_grounding_dino as upstream

from export.trace import trace
from mam import contract, weights
from mam.errors import WeightsError
from mam.grounding import TOKENIZER, Canvas, Phrases
from mam.weights import sha256

LARGE = 1e4  # stands for infinity: softmax and sigmoid end at the same 0 and 1, and half precision can hold it


@dataclass(frozen=True)
class Source:
    """The files of one model. Without `preprocessor` its pictures are prepared as those of the published models."""

    name: str
    weights: Path
    config: Path
    tokenizer: Path
    preprocessor: Path | None = None


def in_folder(folder: Path) -> Source:
    """The files of a folder in Hugging Face's layout.

    Raises:
        WeightsError: one is missing.
    """
    tokenizer = folder / "tokenizer.json" if (folder / "tokenizer.json").exists() else folder / "vocab.txt"
    needed = folder / "model.safetensors", folder / "config.json", tokenizer
    missing = [path.name for path in needed if not path.exists()]
    if missing:
        raise WeightsError(
            f"{folder} lacks {', '.join(missing)}; expected Hugging Face's model.safetensors, config.json, and "
            "tokenizer.json or vocab.txt."
        )
    preprocessor = folder / "preprocessor_config.json"
    return Source(folder.resolve().name, *needed, preprocessor if preprocessor.exists() else None)


def downloaded(name: str) -> Source:
    """The files of a published model, "grounding-dino-tiny" or "-base", fetched if they are not there.

    Raises:
        WeightsError: they cannot be had.
    """
    return Source(name, *(weights.fetch(f"{name}.{kind}") for kind in ("safetensors", "config.json", "tokenizer.json")))


def load(source: Source) -> GroundingDinoForObjectDetection:
    """The network in eval mode.

    Raises:
        WeightsError: weights and config don't belong together.
    """
    from safetensors.torch import load_file

    config = GroundingDinoConfig.from_json_file(source.config)
    model, told = GroundingDinoForObjectDetection.from_pretrained(
        None, config=config, state_dict=load_file(source.weights), dtype=torch.float32, output_loading_info=True
    )
    lacking, other = sorted(told["missing_keys"]), told["mismatched_keys"]
    if lacking or other:
        raise WeightsError(
            f"{source.weights} does not fit {source.config}: {len(lacking)} tensors are missing ({', '.join(lacking[:3])}), "
            f"{len(other)} have another shape. Take both files from the same model."
        )
    return model.eval()


def read_canvas(source: Source, side: int | None = None) -> Canvas:
    """How the model wants its pictures, in a square of `side` pixels, or of the longest side that it was made for."""
    told = json.loads(source.preprocessor.read_text()) if source.preprocessor else {}
    usual, size = Canvas(), told.get("size") or {}
    mean, std = (tuple(told.get(f"image_{kind}", getattr(usual, kind))) for kind in ("mean", "std"))
    return Canvas(side or size.get("longest_edge", usual.side), size.get("shortest_edge", usual.shortest), mean, std)


def write_grounding(source: Source, folder: Path, side: int | None = None) -> list[Path]:
    """Write `grounding.onnx` and `tokenizer.json`.

    Args:
        source: the model's files.
        folder: made if missing.
        side: of the square that pictures are laid into; None for the longest side that the model was made for.

    Returns:
        The two paths.

    Raises:
        WeightsError: the files don't belong together, or this release of transformers is not what the export knows.
    """
    check_upstream()
    canvas = read_canvas(source, side)
    model = load(source)
    stamp = {"mam_graph": contract.GROUNDING.name, "mam_contract": contract.VERSION, "mam_variant": source.name}
    stamp |= {"mam_checkpoint_sha256": sha256(source.weights), **canvas.metadata()}
    folder.mkdir(parents=True, exist_ok=True)
    # What is interrupted must not look whole, so both files get their place at the end.
    with tempfile.TemporaryDirectory(dir=folder) as unfinished:
        graph, words = Path(unfinished) / contract.GROUNDING.file, Path(unfinished) / TOKENIZER
        tokenizer = write_tokenizer(source.tokenizer, words)
        # One phrase is enough: the number of tokens is free, and what depends on phrases is fed.
        inputs = example_inputs(canvas, Phrases.tokenise("a thing", tokenizer))
        trace(contract.GROUNDING, Traceable(model).eval(), inputs, graph, fixed=("Q", "side"))
        _finish(graph, model.config.num_queries, stamp)
        for path in (words, graph):
            os.replace(path, folder / path.name)
    return [folder / graph.name, folder / words.name]


def write_tokenizer(source: Path, target: Path) -> Tokenizer:
    """Copy a tokenizer.json, or make one of BERT's vocab.txt.

    Raises:
        WeightsError: its marks are not those that the network parts phrases by.
    """
    if source.suffix == ".json":
        shutil.copyfile(source, target)
    else:
        BertWordPieceTokenizer(str(source), lowercase=True).save(str(target))
    tokenizer = Tokenizer.from_file(str(target))
    marks = [tokenizer.token_to_id(mark) for mark in ("[CLS]", "[SEP]", ".", "?")]
    if marks != upstream.SPECIAL_TOKENS:
        raise WeightsError(
            f"{source} numbers [CLS] [SEP] . ? as {marks}, the network as {upstream.SPECIAL_TOKENS}: another model's."
        )
    return tokenizer


class Traceable(torch.nn.Module):
    """The network with the inputs and outputs of `mam.contract.GROUNDING`.

    Raises:
        WeightsError: its text encoder does not take masks of true and false.
    """

    def __init__(self, model: GroundingDinoForObjectDetection) -> None:
        super().__init__()
        attention = model.model.text_backbone.config._attn_implementation
        if attention != "sdpa":
            # The eager one would add the mask to the logits as 0 and 1, and be quietly wrong.
            raise WeightsError(f"the text encoder uses {attention!r} attention; only 'sdpa' takes the mask of phrases.")
        self.model = model

    def forward(
        self,
        image: torch.Tensor,
        pixel_mask: torch.Tensor,
        input_ids: torch.Tensor,
        position_ids: torch.Tensor,
        text_mask: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        with replacements(text_mask, position_ids):
            answer = self.model(pixel_values=image, pixel_mask=pixel_mask, input_ids=input_ids)
        return answer.logits, answer.pred_boxes


@contextlib.contextmanager
def replacements(text_mask: torch.Tensor, position_ids: torch.Tensor) -> Iterator[None]:
    """Replace what cannot be traced in transformers' module, and put it back afterwards."""

    # It asks for cumulated maxima, which ONNX has no operator for.
    def masks_from_outside(input_ids, special_tokens):
        return text_mask, position_ids

    # Its linspace reaches GridSample in double precision.
    def reference_points(spatial_shapes_list, valid_ratios, device):
        points = []
        for level, (height, width) in enumerate(spatial_shapes_list):
            y, x = torch.meshgrid(torch.arange(height).float() + 0.5, torch.arange(width).float() + 0.5, indexing="ij")
            scale = valid_ratios[:, None, level] * torch.stack([torch.as_tensor(width), torch.as_tensor(height)])
            points.append(torch.stack((x.reshape(-1), y.reshape(-1)), -1)[None] / scale)
        return torch.cat(points, 1)[:, :, None] * valid_ratios[:, None]

    # It reads values of tensors, which a trace has none of.
    def no_check(*_: Any, **__: Any) -> None: ...

    # It pads logits with minus infinity up to 256 tokens, through a ScatterND; no token is padding here.
    def logits(self, vision_hidden_state, text_hidden_state, text_token_mask):
        return vision_hidden_state @ text_hidden_state.transpose(-1, -2)

    with (
        _replaced(upstream, "generate_masks_with_special_tokens_and_transfer_map", masks_from_outside),
        _replaced(upstream.GroundingDinoEncoder, "get_reference_points", staticmethod(reference_points)),
        _replaced(upstream, "torch_compilable_check", no_check),
        _replaced(upstream.GroundingDinoContrastiveEmbedding, "forward", logits),
    ):
        yield


@contextlib.contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = vars(owner)[name]
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


# The parameters of what is replaced, in the release that the replacements were written for.
KNOWN = {
    "generate_masks_with_special_tokens_and_transfer_map": ["input_ids", "special_tokens"],
    "GroundingDinoEncoder.get_reference_points": ["spatial_shapes_list", "valid_ratios", "device"],
    "torch_compilable_check": ["cond", "msg", "error_type"],
    "GroundingDinoContrastiveEmbedding.forward": [
        "self",
        "vision_hidden_state",
        "text_hidden_state",
        "text_token_mask",
    ],
}


def check_upstream() -> None:
    """Make sure that this release of transformers has what the replacements replace.

    Raises:
        WeightsError: it has not.
    """
    for name, known in KNOWN.items():
        found: Any = upstream
        for part in name.split("."):
            found = getattr(found, part, None)
        parameters = list(inspect.signature(found).parameters) if found is not None else None
        if parameters != known:
            import transformers

            raise WeightsError(
                f"transformers {transformers.__version__} has another {name}: parameters {parameters}, expected {known}. "
                "Install the release that requirements.txt names."
            )


def example_inputs(canvas: Canvas, phrases: Phrases) -> tuple[torch.Tensor, ...]:
    """A grey picture of 4 to 3 and some phrases, in the order of the contract."""
    picture = np.full((canvas.side * 3 // 4, canvas.side, 3), 127, np.uint8)
    fed = (*canvas.place(picture), phrases.input_ids, phrases.position_ids, phrases.text_mask)
    return tuple(torch.from_numpy(value) for value in fed)


def _finish(path: Path, queries: int, stamp: dict[str, str]) -> None:
    model = onnx.load(path)
    for tensor, found in zip(contract.GROUNDING.outputs, model.graph.output):
        # The trace lost sight of their sizes.
        shape = [queries if size == "Q" else size for size in tensor.shape]
        found.CopyFrom(onnx.helper.make_tensor_value_info(tensor.name, onnx.TensorProto.FLOAT, shape))
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                _make_finite(attribute.t)
    for tensor in model.graph.initializer:
        _make_finite(tensor)
    onnx.helper.set_model_props(model, stamp)
    onnx.save(model, path)
    onnx.checker.check_model(path, full_check=True)


def _make_finite(tensor: onnx.TensorProto) -> None:
    """Replace infinities, and the lowest numbers that stand for them, by what half precision and browsers can hold."""
    if tensor.data_type == onnx.TensorProto.FLOAT:
        values = numpy_helper.to_array(tensor)
        if np.abs(values).max(initial=0) > 1e30:
            tensor.CopyFrom(numpy_helper.from_array(np.clip(values, -LARGE, LARGE), tensor.name))
