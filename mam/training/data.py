"""Training examples for segmentation, the first stage of the present network, from a folder of `mam.training.library`.

Every example is a function of (seed, index) alone, so an interrupted run continues with exactly the next one.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from mam.training.augmentation import choose_label, crop_around, jitter, paste, random_crop, view
from mam.training.library import PARTS, Library
from mam.training.synthetic_foregrounds import draw_plant


class Segments:
    """Examples for the segmentation stage; `examples[i]` depends on (seed, i) alone.

    Args:
        library: where images come from.
        size: longest side of an example in pixels.
        seed: of all randomness.
        close: share of crops around one object, as inference uses them; the rest shows whole scenes.
        filling: share of examples in which a large object, often cut off by the frame, is pasted and is the target.
    """

    def __init__(self, library: Library, size: int, seed: int, close: float = 0.6, filling: float = 0.45) -> None:
        self.library, self.size, self.seed, self.close, self.filling = library, size, seed, close, filling

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Draw one example.

        Returns:
            `image` (size, size, 3) uint8, zero-padded right and bottom; `valid` (2,), the h, w inside the padding;
            `mask` (size, size) bool, the target; `labels` (size, size) uint8, all known segments, 0 elsewhere.
        """
        rng = np.random.default_rng((self.seed, index))
        while True:
            source, image, labels = self.library.scene(rng)
            if source in PARTS and rng.random() < 0.85:
                labels = (labels > 0).astype(np.uint8)
            target = None
            if rng.random() < self.close:
                target = choose_label(rng, labels, smallest=0.001)
            box = random_crop(rng, labels) if target is None else crop_around(rng, labels == target)
            image, labels = view(rng, image, labels, box, self.size)
            pasted = rng.integers(1, 4) if source == "background" else rng.integers(1, 3) * (rng.random() < 0.3)
            for _ in range(pasted):
                image, labels = paste(rng, image, labels, self.library.foreground(rng), rng.uniform(0.12, 0.75))
            if rng.random() < self.filling:
                if rng.random() < 0.5:  # a portrait's background is out of focus
                    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 4)))
                image, labels = paste(rng, image, labels, self._large(rng), rng.uniform(0.6, 1.5))
                target = int(labels.max())
            if target is None or not 0.003 <= (labels == target).mean() < 0.95:
                target = choose_label(rng, labels, smallest=0.003)
            if target is not None:
                break
        image = jitter(rng, image)
        h, w = labels.shape
        canvas = np.zeros((self.size, self.size, 3), np.uint8)
        canvas[:h, :w] = np.asarray(image)
        known = np.zeros((self.size, self.size), np.uint8)
        known[:h, :w] = labels
        return {"image": canvas, "valid": np.array([h, w]), "mask": known == target, "labels": known}

    def _large(self, rng: np.random.Generator) -> Image.Image:
        """Draw a large foreground: mostly a cut-out, sometimes a plant, which no source of cut-outs has."""
        if rng.random() < 0.7:
            return self.library.foreground(rng)
        return draw_plant(rng, self.size, lambda size: self.library.scene(rng)[1].resize(size))
