"""The Mask-to-Matte network of `tiny`: a U-Net on a pretrained backbone and the mask, with the authors' three outputs.

It does not see SAM's embedding, so it fits any SAM. Unlike the authors' network it reads the image at full resolution:
alpha follows colours along a line between foreground and background colours, and the network predicts these lines.

Source of the lines: the matting equation I = alpha F + (1 - alpha) B solved for alpha, as in Levin, Lischinski and
Weiss 2008, with learnt coefficients, as in Wu et al. 2018, "Fast End-to-End Trainable Guided Filter".
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mam.nets.resample import resample
from mam.nets.tiny.backbone import EfficientNetLite
from mam.nets.tiny.blocks import ResidualBlock, conv_bn, upsample

_LOGIT_SCALE = 4.0  # mask logits are compressed by tanh(logit / scale)
_PRIOR = 2.5  # logit of the alpha that the network starts from, inside the mask
_FINEST = 8  # channels at output stride 1
_LINES = 4  # colour lines at each pixel


class MatteUNet(nn.Module):
    """See the module's docstring.

    Args:
        widths: channels at strides 2, 4, 8 and 16.
    """

    uses_embeddings = False
    margin = 15  # cells of 16 pixels around the mask that the alphas depend on

    def __init__(self, widths: tuple[int, int, int, int]) -> None:
        super().__init__()
        w2, w4, w8, w16 = widths
        self.backbone = EfficientNetLite(taps=(2, 3))
        self.lateral2, self.lateral8, self.lateral16 = conv_bn(32, w2, 1), conv_bn(40, w8, 1), conv_bn(80, w16, 1)
        self.mask4 = conv_bn(24 + 1 + 6, w4, 3)
        self.stage4 = ResidualBlock(w4)
        self.down8 = conv_bn(w4, w8, 3, 2)
        self.stage8 = nn.Sequential(ResidualBlock(w8), ResidualBlock(w8))
        self.down16 = conv_bn(w8, w16, 3, 2)
        self.stage16 = nn.Sequential(ResidualBlock(w16), ResidualBlock(w16), ResidualBlock(w16))
        self.up8, self.merge8 = nn.Conv2d(w16, w8, 1), nn.Sequential(ResidualBlock(w8), ResidualBlock(w8))
        self.up4, self.merge4 = nn.Conv2d(w8, w4, 1), nn.Sequential(ResidualBlock(w4), ResidualBlock(w4))
        self.up2, self.merge2 = nn.Conv2d(w4, w2, 1), conv_bn(2 * w2, w2, 3)
        self.slopes, self.offsets = nn.Conv2d(w4, 3 * _LINES, 1), nn.Conv2d(w4, _LINES, 1)
        self.up1, self.merge1 = nn.Conv2d(w2, _FINEST, 1), conv_bn(3 + _FINEST + _LINES, 2 * _FINEST, 3)
        self.refine_OS8 = nn.Conv2d(w8, 1, 3, padding=1)
        self.refine_OS4 = nn.Conv2d(w4, 1, 3, padding=1)
        self.refine_OS1 = nn.Conv2d(2 * _FINEST, 1, 3, padding=1)
        # The network starts with the mask as alpha: from random alphas, tanh saturates within a few steps.
        for head in (self.refine_OS8, self.refine_OS4, self.refine_OS1):
            nn.init.zeros_(head.weight)

    def forward(self, image: Tensor, mask_logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Predict the alphas of an image, or of a crop of it.

        Args:
            image: (B, 3, 16h, 16w) float32, normalised.
            mask_logits: (B, 1, 4h, 4w) float32, positive inside.

        Returns:
            alpha_os8, alpha_os4 and alpha_os1, each (B, 1, 16h, 16w) float32 in [0, 1].
        """
        mask = torch.tanh(mask_logits / _LOGIT_SCALE)
        f2, f4, f8, f16 = self.backbone(image)
        x2 = F.relu(self.lateral2(f2))
        small = F.avg_pool2d(image, 4)
        x4 = self.stage4(F.relu(self.mask4(torch.cat([f4, mask, small, small * mask], 1))))
        x8 = self.stage8(F.relu(self.down8(x4) + self.lateral8(f8)))
        x16 = self.stage16(F.relu(self.down16(x8) + self.lateral16(f16)))
        y8 = self.merge8(x8 + upsample(self.up8(x16)))
        y4 = self.merge4(x4 + upsample(self.up4(y8)))
        y2 = F.relu(self.merge2(torch.cat([x2, upsample(self.up2(y4))], 1)))
        y1 = F.relu(self.merge1(torch.cat([image, upsample(self.up1(y2)), self._follow_colours(image, y4)], 1)))
        # Each scale adds detail to the logits of the coarser one.
        logits8 = _PRIOR * torch.tanh(F.avg_pool2d(mask_logits, 2)) + self.refine_OS8(F.relu(y8))
        logits4 = upsample(logits8) + self.refine_OS4(F.relu(y4))
        logits1 = resample(logits4, 4) + self.refine_OS1(y1)
        os8, os4, os1 = ((torch.tanh(x) + 1) / 2 for x in (resample(logits8, 8), resample(logits4, 4), logits1))
        return os8, os4, os1

    def _follow_colours(self, image: Tensor, y4: Tensor) -> Tensor:
        """Where each pixel lies on the colour lines, from features at stride 4 -> (B, _LINES, H, W)."""
        slopes, offsets = resample(self.slopes(y4), 4), resample(self.offsets(y4), 4)
        along = [(slopes[:, i : i + 3] * image).sum(1, keepdim=True) for i in range(0, 3 * _LINES, 3)]
        return torch.cat(along, 1) + offsets
