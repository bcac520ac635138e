"""Image encoder of `tiny`: a small convolutional network with some self-attention, designed for CPUs.

It keeps SAM's contract, (B, 3, S, S) -> (B, 256, S/16, S/16), but reads the image downsampled by 4, so that a
1024-pixel input frame costs about 1.4 GMAC, roughly 1/350 of SAM's ViT-B. Fine edges come from M2M, which reads the
full image. The embedding holds the features that `Sam.unpack` turns into the decoder's, and the downsampled image,
which mask refinement (`mam.nets.evidence`) needs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mam.nets.tiny.blocks import Attention, ResidualBlock, conv_bn, upsample
from mam.variants import CNN

_PIXELS = 4  # pixels of the downsampled image per cell of the embedding, in each direction
_EXPAND, _HEADS = 3, 6
_IMAGE_CHANNELS = 3 * _PIXELS**2  # channels of the embedding that hold the downsampled image


class CNNEncoder(nn.Module):
    """Three stages at strides 4, 8 and 16 of the downsampled image, merged by a feature pyramid to stride 4.

    Args:
        config: widths and depths.
    """

    def __init__(self, config: CNN) -> None:
        super().__init__()
        self.shrink = config.shrink
        w4, w8, w16 = config.widths
        n4, n8, n16 = config.depths
        self.stem = nn.Sequential(conv_bn(3, 32, 3, 2), nn.ReLU(), conv_bn(32, w4, 3, 2))
        self.stage4 = nn.Sequential(*[ResidualBlock(w4, _EXPAND) for _ in range(n4)])
        self.down8 = conv_bn(w4, w8, 3, 2)
        self.stage8 = nn.Sequential(*[ResidualBlock(w8, _EXPAND) for _ in range(n8)])
        self.down16 = conv_bn(w8, w16, 3, 2)
        # A depthwise 7x7 convolution with zero padding is the attention's only positional encoding, so any image size
        # works.
        self.position = conv_bn(w16, w16, 7, groups=w16)
        deep: list[nn.Module] = []
        for i in range(n16):
            deep.append(ResidualBlock(w16, _EXPAND))
            if i % config.attention_every == config.attention_every - 1:
                deep.append(Attention(w16, _HEADS))
        self.stage16 = nn.Sequential(*deep)
        p = config.pyramid
        self.lateral16, self.lateral8, self.lateral4 = conv_bn(w16, p, 1), conv_bn(w8, p, 1), conv_bn(w4, p, 1)
        self.merge8, self.merge4 = ResidualBlock(p, 2), ResidualBlock(p, 2)

    def forward(self, image: Tensor) -> Tensor:
        """Encode normalised images.

        Args:
            image: (B, 3, S, S) float32, SAM's mean and std, zero-padded; S a multiple of 16 * shrink.

        Returns:
            (B, 256, S / (4 * shrink), S / (4 * shrink)) float32: 64x64 for the 1024 input frame.
        """
        return self.read(F.avg_pool2d(image, self.shrink))

    def read(self, small: Tensor) -> Tensor:
        """Encode images that are downsampled already, as in training: (B, 3, s, s) -> (B, 256, s/4, s/4)."""
        x4 = self.stage4(self.stem(small))
        x8 = self.stage8(self.down8(x4))
        x16 = self.down16(x8)
        x16 = self.stage16(x16 + self.position(x16))
        y8 = self.merge8(self.lateral8(x8) + upsample(self.lateral16(x16)))
        y4 = self.merge4(self.lateral4(x4) + upsample(y8))
        return packed(F.relu(y4), small)


def packed(features: Tensor, image: Tensor) -> Tensor:
    """Join features (B, C, h, w), C at most 208, and an image (B, 3, 4h, 4w) into an embedding (B, 256, h, w)."""
    padding = 256 - _IMAGE_CHANNELS - features.shape[1]
    return torch.cat([F.pad(features, (0, 0, 0, 0, 0, padding)), F.pixel_unshuffle(image, _PIXELS)], 1)


def carried(embeddings: Tensor) -> Tensor:
    """Return the image in an embedding, (B, 256, h, w) -> (B, 3, 4h, 4w)."""
    return F.pixel_shuffle(embeddings[:, -_IMAGE_CHANNELS:], _PIXELS)


def pooled(embeddings: Tensor, by: int) -> Tensor:
    """Average embeddings and their images over `by` x `by` cells, (B, 256, h, w) -> (B, 256, h / by, w / by)."""
    return packed(F.avg_pool2d(embeddings[:, :-_IMAGE_CHANNELS], by), F.avg_pool2d(carried(embeddings), by))
