"""One crop of an image, encoded: everything that the decoder and the matte graph need to know about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mam.images.boxes import PixelBox
from mam.model import steps
from mam.model.frames import Frame, to_input_image
from mam.model.steps import Graphs, Values


@dataclass(frozen=True, eq=False)
class EncodedCrop:
    """A crop of an image and its features.

    Attributes:
        frame: the crop in pixels of the original image and in the input frame.
        input_image: (1, 3, 1024, 1024) float32, input frame.
        features: the encoder's outputs for it.
    """

    frame: Frame
    input_image: np.ndarray
    features: Values

    @classmethod
    def encode(cls, graphs: Graphs, pixels: np.ndarray, box: PixelBox) -> EncodedCrop:
        """Encode a crop of an image; the slow step.

        Args:
            graphs: the model.
            pixels: (H, W, 3) uint8 RGB, the whole image.
            box: the crop.
        """
        x0, y0, x1, y1 = box
        frame = Frame.of(box, stretch=graphs.policy.sam2)
        image = to_input_image(np.ascontiguousarray(pixels[y0:y1, x0:x1]), frame)
        return cls(frame, image, steps.encode(graphs, image))

    @property
    def box(self) -> PixelBox:
        """(x0, y0, x1, y1), the crop in pixels of the original image; the whole image is a crop too."""
        return self.frame.box
