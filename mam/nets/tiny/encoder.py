"""The image encoder of `tiny`: EfficientNet-Lite, pretrained on ImageNet, with a light feature pyramid.

It keeps SAM's contract, (B, 3, 1024, 1024) -> (B, 256, 64, 64), but reads the image downsampled to 256, 384 or 512
pixels. Beside the embedding it gives two finer feature maps under SAM 2's names, for sharp edges.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mam.model.contract import EMBEDDING
from mam.nets.tiny.backbone import WIDTHS, EfficientNetLite
from mam.nets.tiny.blocks import ResidualBlock, conv_bn, upsample


class ImageEncoder(nn.Module):
    """See the module's docstring.

    At 256 pixels the embedding holds features at strides 4 and 8, at 384 and 512 those at strides 8 and 16; the finer
    maps come from the two levels below. At 384 the features are enlarged to the contract's sizes.

    Args:
        backbone: "lite0" or "lite2".
        read_side: 256, 384 or 512: pixels that the input frame is downsampled to.
        high_res: channels of `high_res_feats_0` and `high_res_feats_1`.
    """

    def __init__(self, backbone: str = "lite0", read_side: int = 256, high_res: tuple[int, int] = (16, 32)) -> None:
        super().__init__()
        pyramid = EMBEDDING[0] // 2  # the embedding concatenates two levels
        self.read_side, self.coarse = read_side, read_side > 256
        _, c4, c8, _, c16, _, c32 = WIDTHS[backbone]
        self.backbone = EfficientNetLite(taps=(2, 4, 6), size=backbone)
        self.lateral32, self.lateral16 = conv_bn(c32, pyramid, 1), conv_bn(c16, pyramid, 1)
        self.lateral8 = conv_bn(c8, pyramid, 1)
        self.merge16, self.merge8 = ResidualBlock(pyramid), ResidualBlock(pyramid)
        if not self.coarse:
            self.lateral4, self.merge4 = conv_bn(c4, pyramid, 1), ResidualBlock(pyramid)
        self.fine0 = conv_bn(32 if self.coarse else 3, high_res[0], 3)
        self.fine1 = conv_bn(c4 if self.coarse else 32, high_res[1], 3)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Encode normalised images.

        Args:
            image: (B, 3, S, S) float32, SAM's mean and std, zero-padded; S a multiple of 128, at a `read_side` of 384
                of 256.

        Returns:
            `image_embeddings` (B, 256, S/16, S/16), `high_res_feats_0` (B, C0, S/4, S/4) and `high_res_feats_1`
            (B, C1, S/8, S/8).
        """
        small = F.avg_pool2d(image, 2 if self.coarse else 4)
        if self.read_side == 384:
            small = F.interpolate(small, scale_factor=0.75, mode="bilinear")
        return self.encode_small(small)

    def encode_small(self, small: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `forward`, for images that are already downsampled, as in training, (B, 3, s, s)."""
        f2, f4, f8, f16, f32 = self.backbone(small)
        y16 = self.merge16(self.lateral16(f16) + upsample(self.lateral32(f32)))
        y8 = self.merge8(self.lateral8(f8) + upsample(y16))
        if self.coarse:
            near, far, below = y8, y16, (f2, f4)
        else:
            near, far, below = self.merge4(self.lateral4(f4) + upsample(y8)), y8, (small, f2)
        # Two levels of the pyramid: local features, and those of a larger neighbourhood.
        embedding = torch.cat([F.relu(near), upsample(F.relu(far))], 1)
        features = embedding, F.relu(self.fine0(below[0])), F.relu(self.fine1(below[1]))
        if self.read_side == 384:
            embedding, fine0, fine1 = (F.interpolate(x, scale_factor=4 / 3, mode="bilinear") for x in features)
            return embedding, fine0, fine1
        return features
