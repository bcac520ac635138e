"""Mask-to-Matte (M2M): predicts three alphas, coarse to fine, from a mask, the image and its embedding.

Tensors have the authors' names, so that their checkpoints load strictly. The variant sets the widths.

Source: Li, Jain and Shi 2023, section 3.2; SHI-Labs/Matting-Anything, networks/m2ms/conv_sam.py.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mam.model.contract import EMBEDDING
from mam.model.variants import M2M
from mam.nets.resample import resample

NARROW_CHANNELS = 64  # up to this number, `_subpixel_convolution` is faster than a transposed convolution


class SpectralNorm(nn.Module):
    """A square convolution with its weight divided by the largest singular value, with the authors' tensor names.

    The state contains `weight_bar`, `weight_u` and `weight_v`. There is one power iteration per training step, and none
    in eval mode. The weight matrix is `weight_bar.reshape(shape[0], -1)`, for transposed convolutions too.

    Args:
        cin: input channels.
        cout: output channels.
        kernel: side of the kernel.
        stride: the convolution's stride.
        padding: the convolution's padding.
        transposed: use a transposed convolution.
    """

    def __init__(
        self, cin: int, cout: int, kernel: int, stride: int = 1, padding: int = 0, transposed: bool = False
    ) -> None:
        super().__init__()
        self.geometry, self.transposed = (kernel, stride, padding), transposed
        self.module = self._plain(cin, cout)
        weight = self.module.weight.detach()
        del self.module.weight
        nn.init.xavier_uniform_(weight)
        matrix = weight.reshape(weight.shape[0], -1)
        self.module.register_buffer("weight_u", F.normalize(torch.randn(matrix.shape[0]), dim=0))
        self.module.register_buffer("weight_v", F.normalize(torch.randn(matrix.shape[1]), dim=0))
        self.module.register_parameter("weight_bar", nn.Parameter(weight))

    def weight(self) -> Tensor:
        """Compute the normalised weight; in training mode, after one power iteration."""
        bar = self.module.get_parameter("weight_bar")
        u, v = self.module.get_buffer("weight_u"), self.module.get_buffer("weight_v")
        matrix = bar.reshape(bar.shape[0], -1)
        if self.training:
            with torch.no_grad():
                v.copy_(F.normalize(matrix.T @ u, dim=0))
                u.copy_(F.normalize(matrix @ v, dim=0))
            # Clones, because backward needs these values after the next iteration has overwritten the buffers.
            u, v = u.clone(), v.clone()
        return bar / (u @ (matrix @ v))

    def forward(self, x: Tensor) -> Tensor:
        """Convolve with the normalised weight, (B, in, H, W) -> (B, out, H', W')."""
        _, stride, padding = self.geometry
        convolve = F.conv_transpose2d if self.transposed else F.conv2d
        return convolve(x, self.weight(), None, stride, padding)

    def fold(self) -> nn.Module:
        """Return plain convolutions that compute the same as this module, which must be in eval mode."""
        weight = self.weight().detach()
        if self.transposed and self.module.in_channels <= NARROW_CHANNELS:
            return _subpixel_convolution(weight)
        plain = self._plain(self.module.in_channels, self.module.out_channels)
        plain.weight = nn.Parameter(weight)
        return plain

    def _plain(self, cin: int, cout: int) -> nn.Conv2d | nn.ConvTranspose2d:
        kernel, stride, padding = self.geometry
        if self.transposed:
            return nn.ConvTranspose2d(cin, cout, kernel, stride, padding, bias=False)
        return nn.Conv2d(cin, cout, kernel, stride, padding, bias=False)


def _subpixel_convolution(weight: Tensor) -> nn.Module:
    """Rewrite the transposed convolution of `_up` as two convolutions that are faster in onnxruntime.

    A 3x3 convolution computes the four output pixels of each input pixel, and a transposed convolution without overlap
    arranges them. onnxruntime computes both faster than a pixel shuffle or an overlapping transposed convolution.

    Args:
        weight: (in, out, 4, 4) float32.
    """
    cin, cout = weight.shape[:2]
    plain = nn.Conv2d(cin, 4 * cout, 3, padding=1, bias=False)
    plain.weight = nn.Parameter(subpixel_kernels(weight))
    arrange = nn.ConvTranspose2d(4 * cout, cout, 2, 2, bias=False)
    arrange.weight = nn.Parameter(subpixel_arrangement(cout))
    return nn.Sequential(plain, arrange)


def subpixel_kernels(weight: Tensor) -> Tensor:
    """Compute the kernels of the four output pixels, (in, out, 4, 4) -> (4 * out, in, 3, 3)."""
    cin, cout = weight.shape[:2]
    # Input j contributes to output 2i + a by the tap 2(i - j) + a + 1, if that is one of 0..3: the taps 3 and 1 of
    # inputs i - 1 and i for a = 0, the taps 2 and 0 of i and i + 1 for a = 1.
    taps = (torch.tensor([3, 1]), (0, 1)), (torch.tensor([2, 0]), (1, 0))
    rows = [F.pad(weight.index_select(2, chosen), (0, 0, *padding)) for chosen, padding in taps]
    kernels = [F.pad(row.index_select(3, chosen), padding) for row in rows for chosen, padding in taps]
    return torch.stack(kernels, 2).permute(1, 2, 0, 3, 4).reshape(4 * cout, cin, 3, 3)


def subpixel_arrangement(channels: int) -> Tensor:
    """Return the weight of the transposed convolution that arranges four output pixels, (4 * out, out, 2, 2)."""
    return torch.eye(4 * channels).reshape(4 * channels, channels, 2, 2)


def fold_spectral_norm(model: nn.Module) -> nn.Module:
    """Copy a model, in eval mode, with every `SpectralNorm` replaced by plain convolutions."""
    folded = copy.deepcopy(model).eval()
    for name, module in list(folded.named_modules()):
        if isinstance(module, SpectralNorm):
            folded.set_submodule(name, module.fold())
    return folded


def _up(cin: int, cout: int) -> SpectralNorm:
    return SpectralNorm(cin, cout, 4, 2, 1, transposed=True)


def _conv(cin: int, cout: int, kernel: int) -> SpectralNorm:
    return SpectralNorm(cin, cout, kernel, 1, kernel // 2)


class Residual(nn.Module):
    """The authors' residual block.

    Args:
        cin: input channels.
        cout: output channels; equal to `cin` unless `double`.
        double: upsample the output to twice the height and width.
    """

    def __init__(self, cin: int, cout: int, double: bool = False) -> None:
        super().__init__()
        self.conv1 = _up(cin, cin) if double else _conv(cin, cin, 3)
        self.bn1 = nn.BatchNorm2d(cin)
        self.conv2 = _conv(cin, cout, 3)
        self.bn2 = nn.BatchNorm2d(cout)
        nn.init.zeros_(self.bn2.weight)  # each block starts as its shortcut
        self.upsample = nn.Sequential(nn.Identity(), _conv(cin, cout, 1), nn.BatchNorm2d(cout)) if double else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in, h, w) -> (B, out, h, w), or (B, out, 2h, 2w) with `double`."""
        y = F.leaky_relu(self.bn1(self.conv1(x)), 0.2)
        y = self.bn2(self.conv2(y))
        if self.upsample is not None:
            # The authors upsample before the 1x1 convolution; this order gives the same at a quarter of the cost.
            x = F.interpolate(self.upsample(x), scale_factor=2.0, mode="nearest")
        return F.leaky_relu(y + x, 0.2)


def _stage(cin: int, cout: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(Residual(cin, cout, double=True), *[Residual(cout, cout) for _ in range(blocks - 1)])


def _head(cin: int, width: int) -> nn.Sequential:
    first, last = nn.Conv2d(cin, width, 3, 1, 1, bias=False), nn.Conv2d(width, 1, 3, 1, 1)
    nn.init.xavier_uniform_(first.weight)
    nn.init.xavier_uniform_(last.weight)
    return nn.Sequential(first, nn.BatchNorm2d(width), nn.LeakyReLU(0.2), last)


class MaskToMatte(nn.Module):
    """Three upsampling stages guided by image and mask, with an alpha head at output strides 8, 4 and 1.

    Args:
        config: widths; the defaults of `M2M` are the authors'.
    """

    uses_embeddings = True
    margin = 8  # cells of the embedding around the mask that the alphas depend on; 6 are too few

    def __init__(self, config: M2M) -> None:
        super().__init__()
        guide = 3 + 1  # the image and the mask
        self.conv1 = _up(config.os2, config.os2)
        self.bn1 = nn.BatchNorm2d(config.os2)
        self.layer2 = _stage(EMBEDDING[0] + guide, config.os8, 3)
        self.layer3 = _stage(config.os8 + guide, config.os4, 3)
        self.layer4 = _stage(config.os4 + guide, config.os2, 2)
        self.refine_OS1 = _head(config.os2, config.head)
        self.refine_OS4 = _head(config.os4, config.head)
        self.refine_OS8 = _head(config.os8, config.head)

    def forward(self, image_embeddings: Tensor, image: Tensor, mask_logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Predict the alphas of an image, or of a crop of it along the cells of the embedding.

        Args:
            image_embeddings: (B, 256, h, w) float32.
            image: (B, 3, 16h, 16w) float32, normalised.
            mask_logits: (B, 1, 4h, 4w) float32, SAM's low-resolution mask, positive inside; only the sign is used.

        Returns:
            alpha_os8, alpha_os4 and alpha_os1, each (B, 1, 16h, 16w) float32 in [0, 1].
        """
        mask = (mask_logits > 0).to(image.dtype)
        guide = [torch.cat([resample(image, 1 / s), resample(mask, 4 / s)], 1) for s in (16, 8, 4)]
        x8 = self.layer2(torch.cat([image_embeddings, guide[0]], 1))
        x4 = self.layer3(torch.cat([x8, guide[1]], 1))
        x2 = self.layer4(torch.cat([x4, guide[2]], 1))
        x1 = F.leaky_relu(self.bn1(self.conv1(x2)), 0.2)
        logits = resample(self.refine_OS8(x8), 8), resample(self.refine_OS4(x4), 4), self.refine_OS1(x1)
        os8, os4, os1 = ((torch.tanh(x) + 1) / 2 for x in logits)
        return os8, os4, os1
