"""Bilinear resizing by a factor, equal in torch and ONNX, for a crop and for the whole.

Used wherever the networks change resolution.
"""

from torch import Tensor
from torch.nn import functional as F


def resample(x: Tensor, factor: float) -> Tensor:
    """(B, C, H, W) -> (B, C, H * factor, W * factor), half-pixel centres, no antialiasing, always by `factor` itself.

    Taking the factor, not the two sizes, keeps a crop equal to the crop of the whole, in torch and in ONNX.
    """
    if factor == 1:
        return x
    return F.interpolate(
        x, scale_factor=float(factor), mode="bilinear", align_corners=False, recompute_scale_factor=False
    )
