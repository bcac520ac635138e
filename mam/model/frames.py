"""Conversion between the original frame (the user's pixels) and the input frame (longest side 1024, padded)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

SIDE = 1024
PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class Frame:
    """Sizes of one image in both frames.

    Attributes:
        original_size: (H, W) in the user's pixels.
        input_size: (h, w) inside the 1024 x 1024 input frame, top left; the rest is padding.
    """

    original_size: tuple[int, int]
    input_size: tuple[int, int]

    @classmethod
    def of(cls, original_size: tuple[int, int]) -> Frame:
        """Return the frame of an image of this (H, W): longest side 1024, rounded half up in integer arithmetic."""
        longest = max(original_size)
        h, w = (max(1, (2 * SIDE * side + longest) // (2 * longest)) for side in original_size)
        return cls((int(original_size[0]), int(original_size[1])), (h, w))

    def to_input(self, points: np.ndarray) -> np.ndarray:
        """(..., 2) x and y in original pixels -> float32 in the input frame; each axis has its own scale."""
        (h0, w0), (h, w) = self.original_size, self.input_size
        return (np.asarray(points, np.float64) * (w / w0, h / h0)).astype(np.float32)


def to_input_image(pixels: np.ndarray, frame: Frame) -> np.ndarray:
    """(H, W, 3) uint8 RGB -> (1, 3, 1024, 1024) float32: Pillow's bilinear, mean and std, then zero padding.

    Source: segment_anything/utils/transforms.py and modeling/sam.py, `preprocess`.
    """
    h, w = frame.input_size
    small = np.asarray(Image.fromarray(pixels).resize((w, h), Image.Resampling.BILINEAR), np.float32)
    image = np.zeros((1, 3, SIDE, SIDE), np.float32)
    image[0, :, :h, :w] = ((small - np.array(PIXEL_MEAN, np.float32)) / np.array(PIXEL_STD, np.float32)).transpose(
        2, 0, 1
    )
    return image
