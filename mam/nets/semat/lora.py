"""Low-rank adaptation (LoRA): a layer with a trained difference of its weight, with peft's tensor names.

Source: Hu et al. 2022, "LoRA: Low-Rank Adaptation of Large Language Models", section 4.1.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class LoraLinear(nn.Module):
    """A linear layer with the weight W + B A; as in SEMat, the scale alpha / rank of B A is 1.

    Args:
        plain: the layer with W.
        rank: rows of A, columns of B.
    """

    def __init__(self, plain: nn.Linear, rank: int) -> None:
        super().__init__()
        self.base_layer = plain
        self.lora_A = nn.ModuleDict({"default": nn.Linear(plain.in_features, rank, bias=False)})
        self.lora_B = nn.ModuleDict({"default": nn.Linear(rank, plain.out_features, bias=False)})

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in) -> (..., out), as rows: see `export.templates.FlatLinear`."""
        rows = F.linear(x.reshape(-1, x.shape[-1]), _merged(self), self.base_layer.bias)
        return rows.reshape(*x.shape[:-1], -1)


class LoraConv2d(nn.Module):
    """A convolution without padding whose stride is its kernel's side, with the weight W + B A as `LoraLinear`.

    Args:
        plain: the layer with W.
        rank: output channels of A, input channels of B, which is a 1 x 1 convolution.
    """

    def __init__(self, plain: nn.Conv2d, rank: int) -> None:
        super().__init__()
        self.base_layer = plain
        side = plain.kernel_size[0]
        self.lora_A = nn.ModuleDict({"default": nn.Conv2d(plain.in_channels, rank, side, side, bias=False)})
        self.lora_B = nn.ModuleDict({"default": nn.Conv2d(rank, plain.out_channels, 1, bias=False)})

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (B, in, H, W) -> (B, out, H / side, W / side)."""
        return F.conv2d(x, _merged(self), self.base_layer.bias, self.base_layer.stride)


def _merged(layer: LoraLinear | LoraConv2d) -> Tensor:
    """Return W + B A. In a graph it is a constant expression, which onnxruntime computes once, when it loads it."""
    weight = layer.base_layer.weight
    a, b = (part.get_submodule("default").get_parameter("weight") for part in (layer.lora_A, layer.lora_B))
    return weight + (b.flatten(1) @ a.flatten(1)).reshape(weight.shape)
