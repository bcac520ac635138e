"""The text model's template, completed with weights, against transformers' network with the same rounded weights."""

import dataclasses
import json
from collections import Counter

import numpy as np
import onnx
import torch
from safetensors.numpy import load_file, save_file

from export import grounding as export
from export.grounding_template import write_published
from mam import Grounding
from mam.model import contract
from mam.text import NAME, Phrases
from mam.text.preparation import TEMPLATE, complete
from tests.grounding import one_thread


def rounded(values: np.ndarray, name: str, needed: set[str]) -> np.ndarray:
    """What remains of a tensor after `mam.text.preparation` has stored it."""
    if f"{name}_int8" in needed:
        scale = np.abs(values).max(1, keepdims=True) / np.float32(127)
        return np.round(values / scale) * scale
    return values.astype(np.float16).astype(np.float32) if values.ndim > 1 else values


def test_a_completed_template_computes_what_transformers_does(
    grounding_source, grounding_template, grounding_folder, tmp_path
) -> None:
    source = export.Source.in_folder(grounding_source)
    needed = set(json.loads((grounding_template / "template.json").read_text())["tensors"])
    state = {name: rounded(values, name, needed) for name, values in load_file(source.weights).items()}
    assert sum(name.endswith("_int8") for name in needed) == 7  # a layer's six matrices and the embedding of words
    save_file(state, tmp_path / "rounded.safetensors", {"format": "pt"})
    complete(grounding_template, source.weights, grounding_folder / "tokenizer.json", tmp_path / "model")
    model = Grounding.load(tmp_path / "model", "cpu", 1)
    preprocessor = dataclasses.replace(model.preprocessor, side=320, shortest=224)
    pixels = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    image, pixel_mask = preprocessor.place(pixels)
    phrases = Phrases.tokenise("the girl in the red sweater. dogs", model.tokenizer)
    inputs = (image, pixel_mask, phrases.input_ids, phrases.position_ids, phrases.text_mask)
    names = [tensor.name for tensor in contract.GROUNDING.inputs]
    logits, boxes = model.session.run(["logits", "boxes"], dict(zip(names, inputs, strict=True)))
    with one_thread(), torch.inference_mode():
        network = export.load_network(dataclasses.replace(source, weights=tmp_path / "rounded.safetensors"))
        expected = network(
            *map(torch.from_numpy, (image, phrases.input_ids)), pixel_mask=torch.from_numpy(pixel_mask).long()
        )
    tokens = phrases.input_ids.shape[1]
    # Sums in another order: logits of up to 20 differ in their sixth digit.
    assert np.abs(expected.logits[..., :tokens].numpy() - logits).max() < 1e-4
    assert np.abs(expected.pred_boxes.numpy() - boxes).max() < 1e-5


def test_files_of_either_name_of_a_shared_tensor_are_read(
    grounding_source, grounding_template, grounding_folder, tmp_path
) -> None:
    tokenizer, state = grounding_folder / "tokenizer.json", load_file(grounding_source / "model.safetensors")
    assert any(name.startswith("bbox_embed.0.") for name in state)
    renamed = {
        name.replace("bbox_embed.0.", "model.decoder.bbox_embed.0.") if name.startswith("bbox_embed.") else name: values
        for name, values in state.items()
    }
    save_file(renamed, tmp_path / "renamed.safetensors", {"format": "pt"})
    for name, file in (("a", grounding_source / "model.safetensors"), ("b", tmp_path / "renamed.safetensors")):
        complete(grounding_template, file, tokenizer, tmp_path / name)
    assert (tmp_path / "a" / "grounding.onnx").read_bytes() == (tmp_path / "b" / "grounding.onnx").read_bytes()


def test_the_export_gives_the_shipped_template(tmp_path) -> None:
    with one_thread():
        graph, manifest = write_published(NAME, tmp_path)
    assert manifest.read_text() == (TEMPLATE / manifest.name).read_text()
    operators, stamps = [], []
    for folder in (tmp_path, TEMPLATE):
        proto = onnx.load(folder / graph.name)
        operators.append(Counter(node.op_type for node in proto.graph.node))
        stamps.append({entry.key: entry.value for entry in proto.metadata_props})
    assert operators[0] == operators[1] and stamps[0] == stamps[1]
