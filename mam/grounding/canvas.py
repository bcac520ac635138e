"""Preparation of the image input of a grounding graph: resizing, normalisation, padding to a square."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Canvas:
    """The square input of the graph, which holds a resized image at its top left.

    Attributes:
        side: of the square in pixels; also the limit for the longest side of a resized image.
        shortest: the shortest side of a resized image in pixels, unless the longest side would then exceed `side`.
        mean: per channel, for values in [0, 1].
        std: per channel, for values in [0, 1].
    """

    side: int = 1333
    shortest: int = 800
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
            The padded image, (1, 3, side, side) float32, and its mask, (1, side, side) bool, true on the image.
        """
        h, w = self.resized_size((image.shape[0], image.shape[1]))
        small = np.asarray(Image.fromarray(image).resize((w, h), Image.Resampling.BILINEAR), np.float32) / 255
        padded = np.zeros((1, 3, self.side, self.side), np.float32)
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        padded[0, :, :h, :w] = ((small - mean) / std).transpose(2, 0, 1)
        mask = np.zeros((1, self.side, self.side), bool)
        mask[0, :h, :w] = True
        return padded, mask

    def metadata(self) -> dict[str, str]:
        """Return the attributes as metadata of a graph."""
        return {
            "mam_side": str(self.side),
            "mam_shortest": str(self.shortest),
            "mam_pixel_mean": ",".join(map(str, self.mean)),
            "mam_pixel_std": ",".join(map(str, self.std)),
        }

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Canvas:
        """Create a canvas from the metadata of a graph."""
        mean, std = (tuple(map(float, metadata[f"mam_pixel_{kind}"].split(","))) for kind in ("mean", "std"))
        return cls(int(metadata["mam_side"]), int(metadata["mam_shortest"]), mean, std)
