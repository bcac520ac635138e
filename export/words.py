"""Export of the network that finds objects by name: `words.onnx`.

Weights are in half precision, the classifier's last layer in 8 bits with a scale per class: below 10 MB.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from export.write import write_graph
from mam import weights
from mam.model.contract import VERSION, WORDS
from mam.model.variants import VARIANTS
from mam.nets import checkpoint
from mam.nets.tiny.backbone import find_backbone
from mam.nets.tiny.words import WordFinder, read_classes

HEAD = "tiny_words.pt"
"""The head's checkpoint in `mam/bundle`, from `python -m training train tiny-words`."""


class Rows8(nn.Module):
    """A linear layer's weights, each row as 8-bit integers with a scale."""

    rows: Tensor
    scale: Tensor

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        scale = layer.weight.detach().abs().amax(1, keepdim=True) / 127
        self.register_buffer("rows", (layer.weight.detach() / scale).round().to(torch.int8))
        self.register_buffer("scale", scale)
        self.bias = layer.bias

    @property
    def weight(self) -> Tensor:
        """(outputs, inputs) float32."""
        return self.rows.float() * self.scale


def load_finder(head: Path) -> WordFinder:
    """Build the network from the head's checkpoint and the ImageNet weights, in the precision of the file.

    Raises:
        WeightsError: the checkpoint is unreadable, or holds another network.
        MamError: the package with the ImageNet weights is not installed.
    """
    finder = WordFinder(list(read_classes().values()))
    finder.classifier.load_pretrained(find_backbone())
    checkpoint.fill(finder.head, checkpoint.read_state(head, VARIANTS["tiny"]), [head])
    finder.half().float()
    finder.classifier._fc = Rows8(finder.classifier._fc)  # type: ignore[assignment]  # has the same two tensors
    return finder.eval()


def export_words(head: Path, folder: Path) -> Path:
    """Write `words.onnx` from the head's checkpoint; returns its path. The folder is created if missing.

    Raises:
        WeightsError, MamError: as `load_finder`.
    """
    finder = load_finder(head)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / WORDS.file
    stamp = {"mam_contract": VERSION, "mam_variant": "words", "mam_checkpoint_sha256": weights.sha256(head)}
    write_graph(WORDS, finder, (torch.zeros(1, 3, 96, 128),), path, stamp)
    return path
