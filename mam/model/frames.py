"""Conversion between the original frame (the user's pixels) and the input frame (1024 x 1024)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from mam.images.boxes import PixelBox

SIDE = 1024
MASK_SIDE = 256  # of the decoder's masks, which cover the input frame
PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class Frame:
    """A crop of an image in both frames.

    Attributes:
        box: (x0, y0, x1, y1), the crop in pixels of the original image; the whole image is a crop too.
        input_size: (h, w) inside the 1024 x 1024 input frame, top left; the rest is padding.
    """

    box: PixelBox
    input_size: tuple[int, int]

    @classmethod
    def of(cls, box: PixelBox, *, stretch: bool = False) -> Frame:
        """Return the frame of a crop.

        Args:
            box: the crop.
            stretch: both sides become 1024, and nothing is padding. By default the longest does, and the other keeps
                the proportions, rounded half up in integer arithmetic.
        """
        height, width = box[3] - box[1], box[2] - box[0]
        longest = max(height, width)
        h, w = (max(1, (2 * SIDE * side + longest) // (2 * longest)) for side in (height, width))
        return cls(box, (SIDE, SIDE) if stretch else (h, w))

    @property
    def original_size(self) -> tuple[int, int]:
        """(H, W) of the crop in pixels of the original image."""
        x0, y0, x1, y1 = self.box
        return y1 - y0, x1 - x0

    @property
    def mask_size(self) -> tuple[float, float]:
        """(h, w) of the crop in a mask of 256 x 256, top left."""
        h, w = self.input_size
        return h * MASK_SIDE / SIDE, w * MASK_SIDE / SIDE

    def to_input(self, points: np.ndarray) -> np.ndarray:
        """(..., 2) x and y in pixels of the original image -> float32 in the input frame; each axis has its scale."""
        (h0, w0), (h, w) = self.original_size, self.input_size
        return ((np.asarray(points, np.float64) - self.box[:2]) * (w / w0, h / h0)).astype(np.float32)


def resize_to_input(pixels: np.ndarray, frame: Frame) -> np.ndarray:
    """Resize a crop's (H, W, 3) uint8 RGB to the frame's `input_size` by Pillow's bilinear -> (h, w, 3) uint8."""
    h, w = frame.input_size
    return np.asarray(Image.fromarray(pixels).resize((w, h), Image.Resampling.BILINEAR))


def normalise(resized: np.ndarray) -> np.ndarray:
    """(h, w, 3) uint8 RGB -> (1, 3, 1024, 1024) float32: mean and std, zero padding.

    Source: segment_anything/modeling/sam.py, `preprocess`.
    """
    h, w = resized.shape[:2]
    image = np.zeros((1, 3, SIDE, SIDE), np.float32)
    image[0, :, :h, :w] = (
        (resized.astype(np.float32) - np.array(PIXEL_MEAN, np.float32)) / np.array(PIXEL_STD, np.float32)
    ).transpose(2, 0, 1)
    return image
