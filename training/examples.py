"""Training examples for interactive segmentation: one image, one kind of prompt, one target mask.

Images come from a folder of `training.library`. Every example is a function of (seed, index) alone, so an
interrupted run continues with exactly the next one.
"""

from __future__ import annotations

import numpy as np
from PIL import Image
from torch.utils.data import Dataset

from training.augmentation import choose_label, crop_around, jitter, paste, random_crop, view
from training.library import MAIN_OBJECT, PARTS, SINGLE_OBJECT, Library

KINDS = ("empty", "box", "click", "scribble", "box+click", "mask")
_KIND_WEIGHTS = (0.14, 0.36, 0.34, 0.07, 0.05, 0.04)


class Examples(Dataset[dict[str, np.ndarray]]):
    """Examples for a training loop; `examples[i]` depends on (seed, i) alone.

    Args:
        library: where images come from.
        size: longest side of an example in pixels.
        seed: seeds all random choices.
    """

    def __init__(self, library: Library, size: int, seed: int) -> None:
        self.library, self.size, self.seed = library, size, seed

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Draw one example.

        Returns:
            `image` (size, size, 3) uint8, zero-padded right and bottom; `valid` (2,) int64, its h and w; `mask`
            (size, size) bool, the target; `kind` () int64, an index of `KINDS`.
        """
        rng = np.random.default_rng((self.seed, index))
        while True:
            example = self._draw(rng)
            if example is not None:
                break
        image, mask, kind = example
        h, w = mask.shape
        canvas = np.zeros((self.size, self.size, 3), np.uint8)
        canvas[:h, :w] = np.asarray(jitter(rng, image))
        target = np.zeros((self.size, self.size), bool)
        target[:h, :w] = mask
        return {"image": canvas, "valid": np.array([h, w]), "mask": target, "kind": np.array(KINDS.index(kind))}

    def _draw(self, rng: np.random.Generator) -> tuple[Image.Image, np.ndarray, str] | None:
        """Draw an image no larger than `size`, its (h, w) bool target and the prompt's kind, or None."""
        kind = str(rng.choice(KINDS, p=_KIND_WEIGHTS))
        source, image, labels = self.library.scene(rng)
        whole_object = source in PARTS and (kind == "empty" or rng.random() < 0.85)
        if whole_object:
            labels = (labels > 0).astype(np.uint8)
        if kind == "empty":
            return self._main_object(rng, source, image, labels)

        if source == "background":
            image, labels = view(rng, image, labels, random_crop(rng, labels), self.size)
            for _ in range(rng.integers(1, 4)):
                image, labels = paste(rng, image, labels, self.library.foreground(rng), rng.uniform(0.15, 0.9))
        wanted = choose_label(rng, labels, smallest=0.001)
        if wanted is None:
            return None
        # Several separate objects of the main-object sources are one target now and then: their box holds all of them.
        together = source in MAIN_OBJECT and kind != "click" and rng.random() < 0.5
        if together:
            labels = (labels > 0).astype(np.uint8)
            wanted = 1
        if source != "background":
            # As in inference: the whole image, or the part around a prompt or an earlier mask.
            close = rng.random() < (0.3 if kind == "click" else 0.55)
            box = crop_around(rng, labels == wanted) if close else random_crop(rng, labels)
            image, labels = view(rng, image, labels, box, self.size)
            for _ in range(int(rng.integers(1, 3)) * (rng.random() < 0.25)):
                image, labels = paste(rng, image, labels, self.library.foreground(rng), rng.uniform(0.12, 0.7))
                if rng.random() < 0.5:
                    wanted = int(labels.max())
        mask = labels == wanted
        if not 0.002 <= mask.mean() < 0.97:
            return None
        return image, mask, kind

    def _main_object(
        self, rng: np.random.Generator, source: str, image: Image.Image, labels: np.ndarray
    ) -> tuple[Image.Image, np.ndarray, str] | None:
        """Return the whole image, or most of it, and its main object; None for sources without a main object."""
        if source == "background":
            image, labels = view(rng, image, labels, random_crop(rng, labels), self.size)
            image, labels = paste(rng, image, labels, self.library.foreground(rng), rng.uniform(0.4, 0.9), central=True)
        elif source in MAIN_OBJECT | PARTS | SINGLE_OBJECT:
            w, h = image.size
            trim = rng.uniform(0, 0.08, 4) * (w, h, w, h) * (rng.random() < 0.5)
            box = (int(trim[0]), int(trim[1]), w - int(trim[2]), h - int(trim[3]))
            image, labels = view(rng, image, labels, box, self.size)
        else:
            return None
        mask = labels > 0
        return (image, mask, "empty") if 0.01 <= mask.mean() < 0.9 else None
