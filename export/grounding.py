"""Export of Grounding DINO, which finds the boxes of objects named by a text: one ONNX graph and its tokenizer.

    FOLDER/grounding.onnx     as `mam.model.contract.GROUNDING` defines it, for images and texts of any size
    FOLDER/tokenizer.json     as the package `tokenizers` reads it

Which tokens attend to each other depends on the phrases; `mam.text` computes that mask with numpy and feeds it.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from tokenizers import BertWordPieceTokenizer, Tokenizer
from transformers import GroundingDinoConfig, GroundingDinoForObjectDetection

from export.grounding_network import LARGE, SPECIAL_TOKENS, TraceableGrounding, check_transformers
from export.trace import trace
from export.write import fold_constants
from mam import weights
from mam.errors import WeightsError
from mam.model import contract
from mam.text import TOKENIZER, Phrases, Preprocessor
from mam.text.preprocessor import STEP


@dataclass(frozen=True)
class Source:
    """The files of one model.

    Attributes:
        name: the model's name.
        weights: model.safetensors.
        config: config.json.
        tokenizer: tokenizer.json or vocab.txt.
        preprocessor: preprocessor_config.json; None prepares images as for the published models.
    """

    name: str
    weights: Path
    config: Path
    tokenizer: Path
    preprocessor: Path | None = None

    @classmethod
    def in_folder(cls, folder: Path) -> Source:
        """Return the files of a folder in Hugging Face's layout.

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
        return cls(folder.resolve().name, *needed, preprocessor if preprocessor.exists() else None)

    @classmethod
    def download(cls, name: str) -> Source:
        """Return the files of a published model, downloaded if they are not on this machine.

        Args:
            name: "grounding-dino-tiny" or "grounding-dino-base".

        Raises:
            WeightsError: they cannot be downloaded.
        """
        kinds = ("safetensors", "config.json", "tokenizer.json")
        return cls(name, *(weights.fetch(f"{name}.{kind}") for kind in kinds))


def write_grounding(source: Source, folder: Path, side: int | None = None) -> list[Path]:
    """Write `grounding.onnx` and `tokenizer.json`.

    Args:
        source: the model's files.
        folder: created if missing.
        side: the longest side of resized images; None for the one that the model was made for.

    Returns:
        The two paths.

    Raises:
        WeightsError: the files do not belong together, or another release of transformers is installed.
    """
    check_transformers()
    preprocessor = read_preprocessor(source, side)
    model = load_network(source)
    metadata = {"mam_graph": contract.GROUNDING.name, "mam_contract": contract.VERSION, "mam_variant": source.name}
    metadata |= {"mam_checkpoint_sha256": weights.sha256(source.weights), **preprocessor.metadata()}
    folder.mkdir(parents=True, exist_ok=True)
    # Both files are moved into place at the end, so that an interrupted export is not taken for a complete one.
    with tempfile.TemporaryDirectory(dir=folder) as unfinished:
        graph_file, tokenizer_file = Path(unfinished) / contract.GROUNDING.file, Path(unfinished) / TOKENIZER
        tokenizer = write_tokenizer(source.tokenizer, tokenizer_file)
        # One phrase is enough: the number of tokens is free, and all that depends on the phrases is an input.
        inputs = example_inputs(preprocessor, Phrases.tokenise("a thing", tokenizer))
        trace(contract.GROUNDING, TraceableGrounding(model).eval(), inputs, graph_file, fixed=("Q",))
        graph = fold_constants(graph_file)
        finish(graph, model.config.num_queries, metadata)
        onnx.save(graph, graph_file)
        onnx.checker.check_model(graph_file, full_check=True)
        for path in (tokenizer_file, graph_file):
            os.replace(path, folder / path.name)
    return [folder / graph_file.name, folder / tokenizer_file.name]


def read_preprocessor(source: Source, side: int | None = None) -> Preprocessor:
    """How the model's images are prepared.

    Args:
        source: the model's files.
        side: the longest side of resized images; None for the one that the model was made for.
    """
    config: dict[str, Any] = json.loads(source.preprocessor.read_text()) if source.preprocessor else {}
    default, size = Preprocessor(), config.get("size") or {}
    mean, std = (tuple(config.get(f"image_{kind}", getattr(default, kind))) for kind in ("mean", "std"))
    longest, shortest = size.get("longest_edge", default.side), size.get("shortest_edge", default.shortest)
    window = json.loads(source.config.read_text())["backbone_config"]["window_size"]
    return Preprocessor(side or longest, shortest, smallest_side(window), mean, std)


def smallest_side(window: int) -> int:
    """Return the shortest side for which every stage of the image encoder is larger than its attention windows."""
    return STEP * (window + 1)


def load_network(source: Source) -> GroundingDinoForObjectDetection:
    """Return the network in eval mode.

    Raises:
        WeightsError: weights and config do not belong together.
    """
    from safetensors.torch import load_file

    config = GroundingDinoConfig.from_json_file(source.config)
    loaded: Any = GroundingDinoForObjectDetection.from_pretrained(
        None, config=config, state_dict=load_file(source.weights), dtype=torch.float32, output_loading_info=True
    )
    model, report = loaded
    missing, mismatched = sorted(report["missing_keys"]), report["mismatched_keys"]
    if missing or mismatched:
        raise WeightsError(
            f"{source.weights} does not fit {source.config}: {len(missing)} tensors are missing "
            f"({', '.join(missing[:3])}), {len(mismatched)} have another shape. Take both files from the same model."
        )
    return model.eval()


def write_tokenizer(source: Path, target: Path) -> Tokenizer:
    """Copy a tokenizer.json, or make one of BERT's vocab.txt.

    Raises:
        WeightsError: its special tokens are not those by which the network separates phrases.
    """
    if source.suffix == ".json":
        shutil.copyfile(source, target)
    else:
        BertWordPieceTokenizer(str(source), lowercase=True).save(str(target))
    tokenizer = Tokenizer.from_file(str(target))
    numbers = [tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]", ".", "?")]
    if numbers != SPECIAL_TOKENS:
        raise WeightsError(
            f"{source} numbers [CLS] [SEP] . ? as {numbers}, the network as {SPECIAL_TOKENS}: another model's."
        )
    return tokenizer


def example_inputs(preprocessor: Preprocessor, phrases: Phrases) -> tuple[torch.Tensor, ...]:
    """Return a grey image and some phrases, in the order of the contract.

    The image is the smallest in height, and so wide that no stage of the encoder fits its windows exactly, unless it
    does so for every image: a trace would leave out the padding.
    """
    h, w = preprocessor.smallest, 2 * preprocessor.smallest - STEP
    image, mask = np.full((1, 3, h, w), 0.5, np.float32), np.ones((1, h, w), bool)
    inputs = (image, mask, phrases.input_ids, phrases.position_ids, phrases.text_mask)
    return tuple(torch.from_numpy(value) for value in inputs)


def finish(graph: onnx.ModelProto, queries: int, metadata: dict[str, str]) -> None:
    """Declare the outputs' shapes, replace infinities, and store the metadata, in place."""
    for tensor, output in zip(contract.GROUNDING.outputs, graph.graph.output, strict=True):
        # The tracer does not find these sizes.
        shape = [queries if size == "Q" else size for size in tensor.shape]
        output.CopyFrom(onnx.helper.make_tensor_value_info(tensor.name, onnx.TensorProto.FLOAT, shape))
    del graph.graph.value_info[:]  # inferred again when it is loaded
    for node in graph.graph.node:
        node.ClearField("doc_string")
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                _make_finite(attribute.t)
    for tensor in graph.graph.initializer:
        _make_finite(tensor)
    onnx.helper.set_model_props(graph, metadata)


def _make_finite(tensor: onnx.TensorProto) -> None:
    """Replace infinities, and the lowest float32 numbers, by what half precision and browsers can represent."""
    if tensor.data_type == onnx.TensorProto.FLOAT:
        values = numpy_helper.to_array(tensor)
        if np.abs(values).max(initial=0) > 1e30:
            finite = np.where(np.abs(values) > 1e30, np.sign(values) * np.float32(LARGE), values)
            tensor.CopyFrom(numpy_helper.from_array(finite.astype(np.float32), tensor.name))
