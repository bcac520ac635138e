"""One crop of an image, encoded: everything that the decoder and the matte graph need to know about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mam.images.boxes import PixelBox
from mam.masks import crops
from mam.masks.segment import Segment
from mam.model import steps
from mam.model.frames import Frame, normalise, resize_to_input
from mam.model.steps import Graphs, Values


@dataclass(frozen=True, eq=False)
class EncodedCrop:
    """A crop of an image and its features.

    Attributes:
        frame: the crop in pixels of the original image and in the input frame.
        resized: (h, w, 3) uint8 RGB for Mask-to-Matte, not stretched: a quarter of the memory of `input_image`.
        features: the encoder's outputs for it.
    """

    frame: Frame
    resized: np.ndarray
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
        part = np.ascontiguousarray(pixels[y0:y1, x0:x1])
        frame, padded = Frame.of(box, stretch=graphs.policy.sam2), Frame.of(box)
        resized = resize_to_input(part, frame)
        features = steps.encode(graphs, normalise(resized))
        if frame == padded:
            return cls(frame, resized, features)
        kept = {name: values for name, values in features.items() if name != "image"}
        return cls(frame, resize_to_input(part, padded), kept)

    @property
    def box(self) -> PixelBox:
        """(x0, y0, x1, y1), the crop in pixels of the original image; the whole image is a crop too."""
        return self.frame.box

    @property
    def input_image(self) -> np.ndarray:
        """(1, 3, 1024, 1024) float32 for Mask-to-Matte, padded and not stretched."""
        return normalise(self.resized)

    def matte_inputs(
        self, segments: Sequence[Segment]
    ) -> tuple[np.ndarray, Values, np.ndarray, tuple[int, int], tuple[int, int]]:
        """Return what `steps.matte` needs for masks of this crop, from `image` to `original_size`.

        Mask-to-Matte was trained on images that are not stretched, and its alphas of stretched ones are worse.
        """
        padded = Frame.of(self.box)
        logits = [crops.transfer_logits(segment.logits, segment.frame, padded)[None] for segment in segments]
        return self.input_image, self.features, np.stack(logits), padded.input_size, padded.original_size
