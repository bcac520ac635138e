"""The building blocks of `tiny`'s networks. Attribute names are part of the weights, so they must not change."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

fast_depthwise: Callable[[Tensor, Tensor, Tensor | None, int, int], Tensor] | None = None
"""What training on CPUs uses under autocast in place of `DepthwiseConv2d`'s own code (`training.depthwise`)."""


class DepthwiseConv2d(nn.Conv2d):
    """A depthwise convolution. Under autocast it stays in float32, because bfloat16 gradients are slow on CPUs."""

    def __init__(self, width: int, kernel: int, stride: int = 1, padding: int | None = None) -> None:
        padding = kernel // 2 if padding is None else padding
        super().__init__(width, width, kernel, stride, padding, groups=width, bias=False)

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """(B, width, h, w) -> (B, width, h / stride, w / stride)."""
        if not torch.is_autocast_enabled(x.device.type):
            return super()._conv_forward(x, weight, bias)
        with torch.autocast(x.device.type, enabled=False):
            if fast_depthwise is not None and x.device.type == "cpu" and weight.shape[0] % 16 == 0:
                return fast_depthwise(x, weight, bias, self.stride[0], int(self.padding[0]))
            return super()._conv_forward(x.float(), weight, bias)


def conv_frozen_bn(x: Tensor, conv: nn.Conv2d, norm: nn.BatchNorm2d) -> Tensor:
    """Apply a convolution without bias, and a batch norm with fixed statistics, as one convolution: faster to train."""
    if torch.onnx.is_in_onnx_export():  # the weights' products do not fit the half precision that files are stored in
        return norm(conv(x))
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    weight, bias = conv.weight * scale.reshape(-1, 1, 1, 1), norm.bias - norm.running_mean * scale
    return conv._conv_forward(x, weight, bias)


def conv_bn(cin: int, cout: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Return a convolution that keeps the size (divided by `stride`), and batch normalisation."""
    return nn.Sequential(nn.Conv2d(cin, cout, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(cout))


def depthwise_bn(width: int, kernel: int) -> nn.Sequential:
    """Return a depthwise convolution that keeps the size, and batch normalisation."""
    return nn.Sequential(DepthwiseConv2d(width, kernel), nn.BatchNorm2d(width))


def upsample(x: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, C, 2h, 2w), bilinear."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


class ResidualBlock(nn.Module):
    """Depthwise 5x5 convolution, then an inverted bottleneck `expand` times as wide; residual."""

    def __init__(self, width: int, expand: int = 2) -> None:
        super().__init__()
        self.mix = depthwise_bn(width, 5)
        self.widen = conv_bn(width, width * expand, 1)
        self.narrow = conv_bn(width * expand, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, h, w) -> the same shape."""
        return x + self.narrow(F.relu(self.widen(self.mix(x))))


class Attention(nn.Module):
    """Multi-head self-attention over all cells, a few hundred tokens; residual."""

    def __init__(self, width: int, heads: int) -> None:
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
