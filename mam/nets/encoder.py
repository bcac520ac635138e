"""Image encoder of `tiny`: a small convolutional network with some self-attention, designed for CPUs.

Its shapes are those of SAM's encoder, (B, 3, S, S) -> (B, 256, S/16, S/16), but it downsamples the image by 4 first, so
that an input frame of 1024 pixels costs about 1.4 GMAC, roughly 1/350 of SAM's ViT-B. M2M reads the full image and adds
the fine edges. The embedding contains the features, which `Sam.unpack` maps to the decoder's, and the downsampled
image, which mask refinement (`mam.nets.evidence`) uses.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mam.variants import CNN

_PIXELS = 4  # pixels of the downsampled image per cell of the embedding, in each direction
_IMAGE_CHANNELS = 3 * _PIXELS**2  # channels of the embedding that hold the downsampled image


def _conv_bn(cin: int, cout: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(cout)
    )


class Block(nn.Module):
    """Residual block: a depthwise 5x5 convolution, then an inverted bottleneck.

    Args:
        width: channels.
        expand: the bottleneck has `expand` times as many channels.
    """

    def __init__(self, width: int, expand: int = 3) -> None:
        super().__init__()
        self.mix = _conv_bn(width, width, 5, groups=width)
        self.widen = _conv_bn(width, width * expand, 1)
        self.narrow = _conv_bn(width * expand, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, h, w) -> the same shape."""
        return x + self.narrow(F.relu(self.widen(self.mix(x))))


class Attention(nn.Module):
    """Residual block: global self-attention over all cells, a few hundred tokens.

    Args:
        width: channels, a multiple of `heads`.
        heads: number of attention heads.
    """

    def __init__(self, width: int, heads: int = 6) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.BatchNorm2d(width)
        self.qkv = nn.Conv2d(width, 3 * width, 1)
        self.out = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, h, w) -> the same shape."""
        b, c, h, w = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(b, 3, self.heads, c // self.heads, h * w).transpose(-1, -2).unbind(1)
        y = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(y.transpose(-1, -2).reshape(b, c, h, w))


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
        self.stem = nn.Sequential(_conv_bn(3, 32, 3, 2), nn.ReLU(), _conv_bn(32, w4, 3, 2))
        self.stage4 = nn.Sequential(*[Block(w4) for _ in range(n4)])
        self.down8 = _conv_bn(w4, w8, 3, 2)
        self.stage8 = nn.Sequential(*[Block(w8) for _ in range(n8)])
        self.down16 = _conv_bn(w8, w16, 3, 2)
        # The only positional encoding of the attention is a depthwise 7x7 convolution with zero padding, so that the
        # encoder works for any image size.
        self.position = _conv_bn(w16, w16, 7, groups=w16)
        deep: list[nn.Module] = []
        for i in range(n16):
            deep.append(Block(w16))
            if i % config.attention_every == config.attention_every - 1:
                deep.append(Attention(w16))
        self.stage16 = nn.Sequential(*deep)
        p = config.pyramid
        self.lateral16, self.lateral8, self.lateral4 = _conv_bn(w16, p, 1), _conv_bn(w8, p, 1), _conv_bn(w4, p, 1)
        self.merge8, self.merge4 = Block(p, 2), Block(p, 2)

    def forward(self, image: Tensor) -> Tensor:
        """Encode normalised images.

        Args:
            image: (B, 3, S, S) float32, normalised by SAM's mean and std, zero-padded; S is a multiple of 16 * shrink.

        Returns:
            (B, 256, S / (4 * shrink), S / (4 * shrink)) float32, 64x64 cells for the input frame of 1024 pixels.
        """
        return self.read(F.avg_pool2d(image, self.shrink))

    def read(self, small: Tensor) -> Tensor:
        """Encode images that are already downsampled, as in training: (B, 3, s, s) -> (B, 256, s/4, s/4)."""
        x4 = self.stage4(self.stem(small))
        x8 = self.stage8(self.down8(x4))
        x16 = self.down16(x8)
        x16 = self.stage16(x16 + self.position(x16))
        y8 = self.merge8(self.lateral8(x8) + _double(self.lateral16(x16)))
        y4 = self.merge4(self.lateral4(x4) + _double(y8))
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


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
