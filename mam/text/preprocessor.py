"""Preparation of the image input of a grounding graph: resizing, normalisation, padding to multiples of 32 pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

STEP = 32
"""Pixels per cell of the coarsest features of the image encoder: the graph takes multiples of it."""


@dataclass(frozen=True)
class Preprocessor:
    """The input of the graph, which holds a resized image at its top left.

    Attributes:
        side: limit for the longest side of a resized image in pixels.
        shortest: the shortest side of a resized image in pixels, unless the longest side would then exceed `side`.
        smallest: the least side of the input in pixels, a multiple of 32.
        mean: per channel, for values in [0, 1].
        std: per channel, for values in [0, 1].
    """

    side: int = 1333
    shortest: int = 800
    smallest: int = 256
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)

    def resized_size(self, original: tuple[int, int]) -> tuple[int, int]:
        """Compute the size of a resized image.

        Args:
            original: (H, W) in pixels.

        Returns:
            (h, w) in pixels, both at least 1.

        Source: transformers/image_transforms.py, `get_size_with_aspect_ratio`, with the same rounding.
        """
        low, high = min(original), max(original)
        exact = self.shortest if high / low * self.shortest <= self.side else self.side * low / high
        short, long = max(1, round(exact)), max(1, int(exact * high / low))
        return (long, short) if original[0] > original[1] else (short, long)

    def place(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Resize and normalise an image, and pad it with zeros to the right and below.

        Args:
            image: (H, W, 3) uint8 RGB.

        Returns:
            The padded image, (1, 3, height, width) float32, and its mask, (1, height, width) bool, true on the image;
            height and width are the next multiples of 32, and at least `smallest`.
        """
        h, w = self.resized_size((image.shape[0], image.shape[1]))
        small = np.asarray(Image.fromarray(image).resize((w, h), Image.Resampling.BILINEAR), np.float32) / 255
        height, width = (max(self.smallest, -(-length // STEP) * STEP) for length in (h, w))
        padded = np.zeros((1, 3, height, width), np.float32)
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        padded[0, :, :h, :w] = ((small - mean) / std).transpose(2, 0, 1)
        mask = np.zeros((1, height, width), bool)
        mask[0, :h, :w] = True
        return padded, mask

    def metadata(self) -> dict[str, str]:
        """Return the attributes as metadata of a graph."""
        return {
            "mam_side": str(self.side),
            "mam_shortest": str(self.shortest),
            "mam_smallest": str(self.smallest),
            "mam_pixel_mean": ",".join(map(str, self.mean)),
            "mam_pixel_std": ",".join(map(str, self.std)),
        }

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Preprocessor:
        """Create a preprocessor from the metadata of a graph."""
        mean, std = (tuple(map(float, metadata[f"mam_pixel_{kind}"].split(","))) for kind in ("mean", "std"))
        side, shortest, smallest = (int(metadata[f"mam_{name}"]) for name in ("side", "shortest", "smallest"))
        return cls(side, shortest, smallest, mean, std)
