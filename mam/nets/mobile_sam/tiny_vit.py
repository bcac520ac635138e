"""MobileSAM's image encoder, TinyViT-5M for 1024 pixels; its tensors have the authors' names.

Convolutions down to stride 4, then three stages of transformer blocks with attention inside windows. The last stage
keeps the resolution of the third, so that the embedding has SAM's 64 x 64 cells.

Source: Zhang et al. 2023, "Faster Segment Anything"; Wu et al. 2022, "TinyViT"; ChaoningZhang/MobileSAM,
mobile_sam/modeling/tiny_vit_sam.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mam.model.contract import EMBEDDING
from mam.model.variants import TinyViT
from mam.nets.segment_anything import segment_anything_modeling

_EXPANSION = 4  # of channels inside convolutional blocks and MLPs
_CLASSES = 1000  # of the unused classifier, which the authors' file holds too


class ConvBN(nn.Sequential):
    """A convolution without bias, and a batch norm.

    Args:
        cin: input channels.
        cout: output channels.
        kernel: side of the kernel; the padding keeps the size, before the stride.
        stride: the convolution's stride.
        groups: the convolution's groups.
    """

    def __init__(self, cin: int, cout: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.add_module("c", nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False))
        self.add_module("bn", nn.BatchNorm2d(cout))


class PatchEmbed(nn.Module):
    """The stem, which quarters height and width.

    Args:
        channels: the number of output channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.seq = nn.Sequential(ConvBN(3, half, 3, 2), nn.GELU(), ConvBN(half, channels, 3, 2))

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, 3, H, W) -> (B, C, H / 4, W / 4)."""
        features: Tensor = self.seq(image)
        return features


class MBConv(nn.Module):
    """An inverted residual block.

    Args:
        channels: the number of input and output channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = _EXPANSION * channels
        self.conv1 = ConvBN(channels, hidden, 1)
        self.conv2 = ConvBN(hidden, hidden, 3, groups=hidden)
        self.conv3 = ConvBN(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) -> (B, C, H, W)."""
        y = F.gelu(self.conv2(F.gelu(self.conv1(x))))
        return F.gelu(x + self.conv3(y))


class PatchMerging(nn.Module):
    """The passage to the next stage.

    Args:
        cin: channels of this stage.
        cout: channels of the next one.
        stride: 2 halves height and width, 1 keeps them.
    """

    def __init__(self, cin: int, cout: int, stride: int) -> None:
        super().__init__()
        self.conv1 = ConvBN(cin, cout, 1)
        self.conv2 = ConvBN(cout, cout, 3, stride, groups=cout)
        self.conv3 = ConvBN(cout, cout, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in, H, W) -> (B, out, H / stride, W / stride)."""
        return self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x)))))


class WindowAttention(nn.Module):
    """Attention among the tokens of a window, with a learnt bias for each distance between them.

    Args:
        channels: the number of input and output channels.
        heads: the number of attention heads.
        window: tokens along a side of the window.
    """

    def __init__(self, channels: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.norm = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window**2))

    def forward(self, x: Tensor) -> Tensor:
        """Map the tokens of each window, (B, window * window, C) -> the same shape."""
        b, n, channels = x.shape
        # Query, key and value of a head are neighbours.
        q, k, v = self.qkv(self.norm(x)).reshape(b, n, self.heads, 3, -1).permute(3, 0, 2, 1, 4)
        scores = (q @ k.transpose(-2, -1)) / math.sqrt(channels // self.heads) + self._bias()
        return self.proj((scores.softmax(-1) @ v).transpose(1, 2).reshape(b, n, channels))

    def _bias(self) -> Tensor:
        """Return the bias between all tokens, (heads, window * window, window * window)."""
        place = torch.arange(self.window, device=self.attention_biases.device)
        distance = (place[:, None] - place).abs()
        # Rows of both tokens and columns of both tokens; the authors number distances row by row.
        index = distance[:, None, :, None] * self.window + distance[None, :, None, :]
        return self.attention_biases[:, index.reshape(self.window**2, -1)]


class MLP(nn.Module):
    """A normalised two-layer MLP.

    Args:
        channels: the number of input and output channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.fc1 = nn.Linear(channels, _EXPANSION * channels)
        self.fc2 = nn.Linear(_EXPANSION * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, N, C) -> (B, N, C)."""
        return self.fc2(F.gelu(self.fc1(self.norm(x))))


class Block(nn.Module):
    """Attention inside windows, a depthwise convolution across them, an MLP.

    Args:
        channels: the number of input and output channels.
        heads: the number of attention heads.
        window: tokens along a side of a window.
    """

    def __init__(self, channels: int, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.attn = WindowAttention(channels, heads, window)
        self.local_conv = ConvBN(channels, channels, 3, groups=channels)
        self.mlp = MLP(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) -> (B, C, H, W)."""
        x = self.local_conv(x + self._attend(x))
        return x + self.mlp(x.flatten(2).transpose(1, 2)).transpose(1, 2).reshape(x.shape)

    def _attend(self, x: Tensor) -> Tensor:
        (b, channels, h, w), side = x.shape, self.window
        # The padding takes part in the attention, as in training.
        padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 0, -w % side, 0, -h % side))
        rows, columns = padded.shape[1] // side, padded.shape[2] // side
        windows = padded.reshape(b, rows, side, columns, side, channels).transpose(2, 3)
        mixed = self.attn(windows.reshape(-1, side * side, channels))
        joined = mixed.reshape(b, rows, columns, side, side, channels).transpose(2, 3).reshape(padded.shape)
        return joined[:, :h, :w].permute(0, 3, 1, 2)


class Stage(nn.Module):
    """Blocks of one resolution, and the passage to the next stage.

    Args:
        blocks: this stage's blocks.
        downsample: to the next stage; None after the last.
    """

    def __init__(self, blocks: Sequence[nn.Module], downsample: PatchMerging | None) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the next stage's input."""
        x = self.blocks(x)
        return x if self.downsample is None else self.downsample(x)


class TinyViTEncoder(nn.Module):
    """See the module's docstring.

    Args:
        config: sizes of the four stages.
    """

    def __init__(self, config: TinyViT) -> None:
        super().__init__()
        dims, last = config.embed_dims, len(config.embed_dims) - 1
        self.patch_embed = PatchEmbed(dims[0])
        stages = []
        for i, (channels, depth, heads, window) in enumerate(
            zip(dims, config.depths, config.num_heads, config.window_sizes, strict=True)
        ):
            blocks = [Block(channels, heads, window) if i else MBConv(channels) for _ in range(depth)]
            merging = PatchMerging(channels, dims[i + 1], 1 if i == last - 1 else 2) if i < last else None
            stages.append(Stage(blocks, merging))
        self.layers = nn.Sequential(*stages)
        norm = segment_anything_modeling().image_encoder.LayerNorm2d
        out = EMBEDDING[0]
        self.neck = nn.Sequential(
            nn.Conv2d(dims[-1], out, 1, bias=False),
            norm(out),
            nn.Conv2d(out, out, 3, padding=1, bias=False),
            norm(out),
        )
        # A classifier that TinyViT was pretrained with: in the authors' file, and used by nothing.
        self.norm_head, self.head = nn.LayerNorm(dims[-1]), nn.Linear(dims[-1], _CLASSES)

    def forward(self, image: Tensor) -> Tensor:
        """Encode normalised images, (B, 3, 16h, 16w) float32 -> (B, 256, h, w)."""
        embeddings: Tensor = self.neck(self.layers(self.patch_embed(image)))
        return embeddings
