"""Smaller images and alphas, and alphas as bytes."""

from __future__ import annotations

import numpy as np
from PIL import Image


def to_uint8(alpha: np.ndarray) -> np.ndarray:
    """Convert floats in [0, 1] to uint8, rounded."""
    return (alpha * 255 + 0.5).astype(np.uint8)


def downsample(pixels: np.ndarray, longest: int) -> np.ndarray:
    """Downsample an image or an alpha by averaging, so that its longest side is at most `longest`.

    Args:
        pixels: (H, W), (H, W, 3) or (H, W, 4) uint8, or (H, W) float32.
        longest: the largest side in pixels.

    Returns:
        An array of the same dtype and channels; the array itself if it is small enough.
    """
    if longest >= max(pixels.shape[:2]):
        return pixels
    h, w = reduced_size((pixels.shape[0], pixels.shape[1]), longest)
    return np.asarray(Image.fromarray(pixels).resize((w, h), Image.Resampling.BOX))


def reduced_size(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """Return an (H, W) of the same shape whose longest side has `longest` pixels."""
    scale = longest / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
