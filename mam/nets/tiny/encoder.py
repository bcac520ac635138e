"""The image encoder of `tiny`: EfficientNet-Lite0, pretrained on ImageNet, with a light feature pyramid.

It keeps SAM's contract, (B, 3, 1024, 1024) -> (B, 256, 64, 64), but reads the image downsampled by 4, so that it costs
about 0.9 GMAC. Beside the embedding it gives two finer feature maps under SAM 2's names, for sharp edges.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mam.model.contract import EMBEDDING
from mam.nets.tiny.backbone import EfficientNetLite0
from mam.nets.tiny.blocks import ResidualBlock, conv_bn, upsample

SHRINK = 4  # the image is downsampled by this factor


class ImageEncoder(nn.Module):
    """See the module's docstring.

    Args:
        high_res: channels of `high_res_feats_0` and `high_res_feats_1`.
    """

    def __init__(self, high_res: tuple[int, int] = (16, 32)) -> None:
        super().__init__()
        pyramid = EMBEDDING[0] // 2  # the embedding concatenates two levels
        self.backbone = EfficientNetLite0(taps=(2, 4, 6))
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
        f2, f4, f8, f16, f32 = self.backbone(small)
        y16 = self.merge16(self.lateral16(f16) + upsample(self.lateral32(f32)))
        y8 = self.merge8(self.lateral8(f8) + upsample(y16))
        y4 = self.merge4(self.lateral4(f4) + upsample(y8))
        # Two levels of the pyramid: local features, and those of a larger neighbourhood.
        embedding = torch.cat([F.relu(y4), upsample(F.relu(y8))], 1)
        return embedding, F.relu(self.fine0(small)), F.relu(self.fine1(f2))
