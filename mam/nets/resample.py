"""`resample`, the bilinear resizing that all networks use when they change the resolution."""

from torch import Tensor
from torch.nn import functional as F


def resample(x: Tensor, factor: float) -> Tensor:
    """Resize bilinearly by a factor, with half-pixel centres and without antialiasing.

    The scale is `factor` itself, not the quotient of the rounded sizes. The result is therefore the same in torch and
    ONNX, and resizing a crop gives the crop of the resized whole, except at its edges.

    Args:
        x: (B, C, H, W) float32.
        factor: output size / input size.

    Returns:
        (B, C, H * factor, W * factor) float32.
    """
    if factor == 1:
        return x
    return F.interpolate(
        x, scale_factor=float(factor), mode="bilinear", align_corners=False, recompute_scale_factor=False
    )
