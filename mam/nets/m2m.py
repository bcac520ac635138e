"""Mask-to-Matte: from a mask, the picture and its embedding to three alphas, coarse to fine.

Tensor names are the authors', so their checkpoints load strictly. The widths belong to the variant.

Source: Li, Jain and Shi 2023, section 3.2; SHI-Labs/Matting-Anything, networks/m2ms/conv_sam.py.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mam.nets.colour_line import colour_line
from mam.nets.resample import resample
from mam.variants import M2M

_NARROW = 64  # channels up to which a transposed convolution is faster as `_as_convolution`
_DOUBT = 2.0  # logits well within it are doubtful
_SPARE = 2  # empty channels that make them a multiple of 8, which onnxruntime computes twice as fast


class SpectralNorm(nn.Module):
    """A convolution whose weight is divided by its largest singular value, as the authors keep it.

    The state holds `weight_bar`, `weight_u` and `weight_v`; one power iteration a training step, none in eval mode.
    The weight matrix is always `weight_bar.reshape(shape[0], -1)`, also for transposed convolutions.
    """

    def __init__(self, convolution: nn.Conv2d | nn.ConvTranspose2d) -> None:
        super().__init__()
        self.module = convolution
        weight = convolution.weight.detach()
        del convolution.weight
        nn.init.xavier_uniform_(weight)
        matrix = weight.reshape(weight.shape[0], -1)
        convolution.register_buffer("weight_u", F.normalize(torch.randn(matrix.shape[0]), dim=0))
        convolution.register_buffer("weight_v", F.normalize(torch.randn(matrix.shape[1]), dim=0))
        convolution.weight_bar = nn.Parameter(weight)

    def weight(self) -> Tensor:
        """The normalised weight."""
        c = self.module
        matrix = c.weight_bar.reshape(c.weight_bar.shape[0], -1)
        if self.training:
            with torch.no_grad():
                c.weight_v.copy_(F.normalize(matrix.T @ c.weight_u, dim=0))
                c.weight_u.copy_(F.normalize(matrix @ c.weight_v, dim=0))
        # clone: the next iteration writes in place what backward still needs.
        return c.weight_bar / (c.weight_u.clone() @ (matrix @ c.weight_v.clone()))

    def forward(self, x: Tensor) -> Tensor:
        c = self.module
        if isinstance(c, nn.ConvTranspose2d):
            return F.conv_transpose2d(x, self.weight(), None, c.stride, c.padding)
        return F.conv2d(x, self.weight(), None, c.stride, c.padding)

    def folded(self) -> nn.Module:
        """Plain convolutions that compute the same in eval mode."""
        c = self.module
        weight = self.eval().weight().detach()
        if isinstance(c, nn.ConvTranspose2d) and c.in_channels <= _NARROW:
            return _as_convolution(weight)
        plain = type(c)(c.in_channels, c.out_channels, c.kernel_size, c.stride, c.padding, bias=False)
        plain.weight = nn.Parameter(weight)
        return plain


def _as_convolution(weight: Tensor) -> nn.Module:
    """The transposed convolution of `_up`, (in, out, 4, 4), as a 3x3 convolution for each of the four pixels that one becomes, and one
    that only puts these side by side. onnxruntime is fast at the first and at transposed ones that do not overlap, and slower
    at moving pixels.
    """
    cin, cout = weight.shape[:2]
    kernels = weight.new_zeros(cout, 2, 2, cin, 3, 3)
    for a, b in itertools.product(range(2), repeat=2):
        # Output 2i + a takes the tap 2(i - j) + a + 1 from input j; the others of the three around i have none.
        for d, e in itertools.product((a - 1, a), (b - 1, b)):
            kernels[:, a, b, :, d + 1, e + 1] = weight[:, :, a + 1 - 2 * d, b + 1 - 2 * e].T
    plain = nn.Conv2d(cin, 4 * cout, 3, padding=1, bias=False)
    plain.weight = nn.Parameter(kernels.reshape(4 * cout, cin, 3, 3))
    beside = nn.ConvTranspose2d(4 * cout, cout, 2, 2, bias=False)
    beside.weight = nn.Parameter(torch.eye(4 * cout).reshape(4 * cout, cout, 2, 2))
    return nn.Sequential(plain, beside)


def fold_spectral_norm(model: nn.Module) -> nn.Module:
    """Replace every `SpectralNorm` inside `model` by its plain convolution, in place; returns `model`."""
    for name, child in model.named_children():
        if isinstance(child, SpectralNorm):
            setattr(model, name, child.folded())
        else:
            fold_spectral_norm(child)
    return model


def _up(cin: int, cout: int) -> SpectralNorm:
    return SpectralNorm(nn.ConvTranspose2d(cin, cout, 4, 2, 1, bias=False))


def _conv(cin: int, cout: int, kernel: int) -> SpectralNorm:
    return SpectralNorm(nn.Conv2d(cin, cout, kernel, 1, kernel // 2, bias=False))


class Residual(nn.Module):
    """The authors' residual block; with `double` it doubles height and width on the way."""

    def __init__(self, cin: int, cout: int, double: bool = False) -> None:
        super().__init__()
        self.conv1 = _up(cin, cin) if double else _conv(cin, cin, 3)
        self.bn1 = nn.BatchNorm2d(cin)
        self.conv2 = _conv(cin, cout, 3)
        self.bn2 = nn.BatchNorm2d(cout)
        nn.init.zeros_(self.bn2.weight)  # every block starts as its shortcut
        self.upsample = nn.Sequential(nn.Identity(), _conv(cin, cout, 1), nn.BatchNorm2d(cout)) if double else None

    def forward(self, x: Tensor) -> Tensor:
        y = F.leaky_relu(self.bn1(self.conv1(x)), 0.2)
        y = self.bn2(self.conv2(y))
        if self.upsample is not None:
            # The authors repeat pixels first and convolve 1x1 after; the other order is the same at a quarter of the cost.
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
    """See the module's docstring.

    Args:
        config: widths; the defaults of `M2M` are the authors'.
    """

    def __init__(self, config: M2M) -> None:
        super().__init__()
        self.conv1 = _up(config.os2, config.os2)
        self.bn1 = nn.BatchNorm2d(config.os2)
        guide, last = (3 + 1 + 4, 3 + 3 + _SPARE) if config.cues else (3 + 1, 0)
        self.cues = config.cues
        self.layer2 = _stage(config.embedding + guide, config.os8, 3)
        self.layer3 = _stage(config.os8 + guide, config.os4, 3)
        self.layer4 = _stage(config.os4 + guide, config.os2, 2)
        self.refine_OS1 = _head(config.os2 + last, config.head)
        self.refine_OS4 = _head(config.os4, config.head)
        self.refine_OS8 = _head(config.os8, config.head)
        if config.embedding != 256:
            self.narrow = nn.Conv2d(256, config.embedding, 1)

    def forward(
        self, image_embeddings: Tensor, image: Tensor, mask_logits: Tensor, likeness: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Alphas of a picture, or of a part of it cut along the cells of the embedding.

        Args:
            image_embeddings: (B, 256, h, w) float32.
            image: (B, 3, 16h, 16w) float32, normalised.
            mask_logits: (B, 1, 4h, 4w) float32: SAM's low-resolution mask, positive inside; the authors' network sees no more of
                it than that.
            likeness: (B, 1, 8h, 8w) float32, see `mam.nets.likeness`; only a network with cues looks at it, and needs it.

        Returns:
            alpha_os8, alpha_os4, alpha_os1: (B, 1, 16h, 16w) float32 in [0, 1].
        """
        mask = (mask_logits > 0).to(image.dtype)
        guide = [torch.cat([resample(image, 1 / s), resample(mask, 4 / s)], 1) for s in (16, 8, 4)]
        if self.cues:
            position, certainty = colour_line(image, mask)
            cues = torch.cat(
                [torch.tanh(mask_logits / _DOUBT), F.avg_pool2d(position, 4), certainty, F.avg_pool2d(likeness, 2)], 1
            )
            guide = [torch.cat([g, F.avg_pool2d(cues, k)], 1) for g, k in zip(guide, (4, 2, 1))]
        x = self.narrow(image_embeddings) if hasattr(self, "narrow") else image_embeddings
        x8 = self.layer2(torch.cat([x, guide[0]], 1))
        x4 = self.layer3(torch.cat([x8, guide[1]], 1))
        x2 = self.layer4(torch.cat([x4, guide[2]], 1))
        x1 = F.leaky_relu(self.bn1(self.conv1(x2)), 0.2)
        if self.cues:
            empty = torch.zeros_like(image[:, :_SPARE])
            x1 = torch.cat([x1, image, position, resample(certainty, 4), resample(likeness, 2), empty], 1)
        logits = resample(self.refine_OS8(x8), 8), resample(self.refine_OS4(x4), 4), self.refine_OS1(x1)
        os8, os4, os1 = ((torch.tanh(x) + 1) / 2 for x in logits)
        return os8, os4, os1
