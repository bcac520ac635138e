"""SEMat's decoder of details: a convolutional U-Net that computes an alpha from an image and logits of a trimap.

Source: Xia et al. 2024, section 4.2; XiaRho/SEMat, modeling/decoder/unet_detail_capture.py, `MattingDetailDecoder`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mam.nets.resample import resample

_LOGIT_SCALE = 6.5
_WIDE_KERNEL, _DOWN_KERNEL, _UP_KERNEL = 13, 5, 3


class DetailDecoder(nn.Module):
    """The U-Net; between its halves it sees SAM's features.

    Args:
        features: channels of each of SAM's four features.
        widths: channels at 1/2, 1/4, 1/8 and 1/16 of the resolution.
    """

    def __init__(self, features: int, widths: tuple[int, int, int, int]) -> None:
        super().__init__()
        deepest, first = widths[3], _WIDE_KERNEL // 2
        self.big_kernel_process = nn.Sequential(
            *(nn.Conv2d(6, 16, _WIDE_KERNEL, padding=first), nn.BatchNorm2d(16), nn.GELU()),
            *(nn.Conv2d(16, 32, _WIDE_KERNEL, padding=first), nn.BatchNorm2d(32), nn.GELU()),
        )
        self.vit_feat_proj = nn.ModuleDict({str(i): nn.Conv2d(features, features // 4, 1) for i in range(4)})
        self.vit_feat_aggregation = nn.Sequential(
            nn.Conv2d(features // 4 * 4, deepest, 3, padding=1), nn.BatchNorm2d(deepest), nn.GELU()
        )
        down = zip((32, *widths), widths, strict=False)
        self.down_blks = nn.ModuleList(ResidualBlock(cin, cout, upsamples=False) for cin, cout in down)
        self.mid_layer = nn.Sequential(nn.Conv2d(2 * deepest, deepest, 1), nn.BatchNorm2d(deepest), nn.GELU())
        up = zip(widths[::-1], (*widths[2::-1], widths[0] // 2), strict=True)
        self.up_blks = nn.ModuleList(ResidualBlock(cin, cout, upsamples=True) for cin, cout in up)
        self.matting_head = nn.Conv2d(widths[0] // 2, 1, 3, padding=1)

    def forward(self, image: Tensor, trimap_logits: Tensor, features: Sequence[Tensor]) -> Tensor:
        """Compute the alpha.

        Args:
            image: (B, 3, H, W) float32, normalised.
            trimap_logits: (B, 3, H, W) float32.
            features: four of (B, H / 16, W / 16, C) float32.

        Returns:
            (B, 1, H, W) float32 in [0, 1].
        """
        x = self.big_kernel_process(torch.cat([image, trimap_logits / _LOGIT_SCALE], 1))
        details = []
        for block in self.down_blks:
            x = block(x)
            details.append(x)
        seen = [self.vit_feat_proj[str(i)](feature.permute(0, 3, 1, 2)) for i, feature in enumerate(features)]
        x = self.mid_layer(torch.cat([x, self.vit_feat_aggregation(torch.cat(seen, 1))], 1))
        for block, detail in zip(self.up_blks, reversed(details), strict=True):
            x = block(x + detail)
        return self.matting_head(x).sigmoid()


class ResidualBlock(nn.Module):
    """Four convolutions and a shortcut of one, which halve or double the resolution.

    Args:
        cin: input channels.
        cout: output channels.
        upsamples: whether it doubles the resolution.
    """

    def __init__(self, cin: int, cout: int, *, upsamples: bool) -> None:
        super().__init__()
        self.upsamples = upsamples
        kernel = _UP_KERNEL if upsamples else _DOWN_KERNEL
        half, stride = kernel // 2, 1 if upsamples else 2
        first = nn.ConvTranspose2d(cin, cout, 2, 2) if upsamples else nn.Conv2d(cin, cout, kernel, 2, half)

        def pair(opening: nn.Module) -> nn.Sequential:
            second = nn.Conv2d(cout, cout, kernel, padding=half)
            return nn.Sequential(opening, nn.BatchNorm2d(cout), nn.GELU(), second, nn.BatchNorm2d(cout))

        later = nn.Conv2d(cout, cout, kernel, padding=half)
        self.basic_layer = nn.Sequential(pair(first), nn.GELU(), pair(later))
        self.res_layer = nn.Conv2d(cin, cout, kernel, stride, half)

    def forward(self, x: Tensor) -> Tensor:
        """(B, cin, H, W) -> (B, cout, H / 2, W / 2), or of twice the size."""
        shortcut = self.res_layer(resample(x, 2) if self.upsamples else x)
        return F.gelu(self.basic_layer(x) + shortcut)
