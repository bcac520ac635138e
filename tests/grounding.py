"""A random Grounding DINO, small but with every part of the real one, in Hugging Face's layout."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mam import weights
from mam.text import NAME

WORDS = ("the", "a", "girl", "in", "red", "sweater", "cat", "dog", "flower", "thing", "one", "two", "##s", ",")
MARKS = {
    0: "[PAD]",
    100: "[UNK]",
    101: "[CLS]",
    102: "[SEP]",
    103: "[MASK]",
    1012: ".",
    1029: "?",
}  # as in BERT's vocabulary


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread: on more, this small model is no faster, and on a busy machine a hundred times slower."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def write_source(folder: Path) -> Path:
    """Write model.safetensors, config.json, vocab.txt and preprocessor_config.json; returns the folder."""
    import torch
    from transformers import BertConfig, GroundingDinoConfig, GroundingDinoForObjectDetection, SwinConfig

    config = GroundingDinoConfig(
        backbone_config=SwinConfig(
            embed_dim=16, depths=[1, 1, 2, 1], num_heads=[1, 2, 2, 4], window_size=4, out_indices=[2, 3, 4]
        ),
        text_config=BertConfig(
            vocab_size=1100, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=48
        ),
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        num_queries=20,
    )
    torch.manual_seed(0)
    model = GroundingDinoForObjectDetection(config)
    with torch.no_grad():
        # Parameters that start at zero (sampling offsets, boxes, fusion) are random too, so that each one matters.
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape) * 0.1)
    model.save_pretrained(folder)
    vocabulary = {
        **{i: f"[unused{i}]" for i in range(1100)},
        **MARKS,
        **{1040 + i: word for i, word in enumerate(WORDS)},
    }
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in vocabulary.values()))
    preparation = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
    (folder / "preprocessor_config.json").write_text(
        json.dumps({**preparation, "size": {"shortest_edge": 96, "longest_edge": 160}})
    )
    return folder


def write_mirror(source: Path, tokenizer: Path, folder: Path) -> Path:
    """Write the files that a server has of the published model; returns the folder."""
    folder.mkdir(exist_ok=True)
    shutil.copyfile(source / "model.safetensors", folder / f"{NAME}.safetensors")
    shutil.copyfile(tokenizer, folder / f"{NAME}.tokenizer.json")
    return folder


def publish(patch: pytest.MonkeyPatch, mirror: Path) -> None:
    """Let the registry expect the files of a mirror."""
    for file in mirror.iterdir():
        entry = dataclasses.replace(weights.look_up(file.name), size=file.stat().st_size, sha256=weights.sha256(file))
        patch.setitem(weights.REGISTRY, file.name, entry)
