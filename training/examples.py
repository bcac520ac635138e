"""Training examples for interactive segmentation: one image, one kind of prompt, one target mask.

Images come from a folder of `training.library`. Every example is a function of (seed, index) alone, so an
interrupted run continues with exactly the next one.
"""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage
from torch.utils.data import Dataset

from training.augmentation import choose_label, crop_around, jitter, paste, random_crop, view
from training.library import MAIN_OBJECT, PARTS, SINGLE_OBJECT, Library

KINDS = ("empty", "box", "click", "scribble", "box+click", "mask")
_KIND_WEIGHTS = (0.14, 0.33, 0.34, 0.06, 0.05, 0.08)
_THIN = 3.0  # masks are kept with this probability times the share of their pixels near the edge, but at least _KEPT
_KEPT = 0.5
_NEAR = 0.04  # objects within this distance of the target, as a share of the image's side, are its neighbours


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
            (size, size) bool, the target; `part` and `more` (size, size) bool, what else a click may mean, a part of
            the target and the target with its neighbours; equal to `mask` where there is none; `kind` () int64, an
            index of `KINDS`.
        """
        rng = np.random.default_rng((self.seed, index))
        while True:
            example = self._draw(rng)
            if example is not None and rng.random() < max(_KEPT, _THIN * edge_share(example[1][0])):
                break
        image, masks, kind = example
        h, w = masks[0].shape
        canvas = np.zeros((self.size, self.size, 3), np.uint8)
        canvas[:h, :w] = np.asarray(jitter(rng, image))
        drawn = {"image": canvas, "valid": np.array([h, w]), "kind": np.array(KINDS.index(kind))}
        for name, mask in zip(("mask", "part", "more"), masks, strict=True):
            drawn[name] = np.zeros((self.size, self.size), bool)
            drawn[name][:h, :w] = mask
        return drawn

    def _draw(self, rng: np.random.Generator) -> tuple[Image.Image, tuple[np.ndarray, ...], str] | None:
        """Draw an image no larger than `size`, (h, w) bool target, part and more, and the prompt's kind; or None."""
        kind = str(rng.choice(KINDS, p=_KIND_WEIGHTS))
        source, image, labels = self.library.draw_image(rng)
        # The target is the whole object, of which a click may mean a part.
        whole_object = source in PARTS and (kind == "empty" or rng.random() < 0.85)
        if whole_object and kind != "click":
            labels = (labels > 0).astype(np.uint8)
        if kind == "empty":
            return self._main_object(rng, source, image, labels)

        if source == "background":
            image, labels = view(rng, image, labels, random_crop(rng, labels), self.size)
            for _ in range(rng.integers(1, 5)):
                image, labels = paste(rng, image, labels, self._foreground(rng, image), rng.uniform(0.15, 0.9))
        first = choose_label(rng, labels, smallest=0.001)
        if first is None:
            return None
        # Several separate objects of the main-object sources are one target now and then: their box holds all of them.
        together = source in MAIN_OBJECT and kind != "click" and rng.random() < 0.5
        if together:
            labels = (labels > 0).astype(np.uint8)
            first = 1
        own = np.arange(1, labels.max() + 1) if whole_object else np.array([first])  # labels of the target
        if source != "background":
            # As in inference: the whole image, or the part around a prompt or an earlier mask.
            close = rng.random() < (0.3 if kind == "click" else 0.55)
            box = crop_around(rng, np.isin(labels, own)) if close else random_crop(rng, labels)
            image, labels = view(rng, image, labels, box, self.size)
            for _ in range(int(rng.integers(1, 4)) * (rng.random() < 0.3)):
                image, labels = paste(rng, image, labels, self._foreground(rng, image), rng.uniform(0.12, 0.7))
                if rng.random() < 0.5:
                    own = labels.max()[None]
                    first = int(own[0])
        mask = np.isin(labels, own)
        if not 0.002 <= mask.mean() < 0.97:
            return None
        part = labels == first
        if kind != "click" or part.mean() < 0.002:
            part = mask
        return image, (mask, part, _with_neighbours(labels, mask) if kind == "click" else mask), kind

    def _foreground(self, rng: np.random.Generator, image: Image.Image) -> Image.Image:
        """Draw an object to paste; sometimes, of several, the one whose colour is nearest to the image's."""
        drawn = [self.library.foreground(rng) for _ in range(4 if rng.random() < 0.3 else 1)]
        colour = np.array(image.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0)), float)
        return min(drawn, key=lambda cutout: float(np.abs(_mean_colour(cutout) - colour).sum()))

    def _main_object(
        self, rng: np.random.Generator, source: str, image: Image.Image, labels: np.ndarray
    ) -> tuple[Image.Image, tuple[np.ndarray, ...], str] | None:
        """Return the whole image, or most of it, and its main object; None for sources without a main object."""
        if source == "background":
            image, labels = view(rng, image, labels, random_crop(rng, labels), self.size)
            image, labels = paste(rng, image, labels, self._foreground(rng, image), rng.uniform(0.4, 0.9), central=True)
        elif source in MAIN_OBJECT | PARTS | SINGLE_OBJECT:
            w, h = image.size
            trim = rng.uniform(0, 0.08, 4) * (w, h, w, h) * (rng.random() < 0.5)
            box = (int(trim[0]), int(trim[1]), w - int(trim[2]), h - int(trim[3]))
            image, labels = view(rng, image, labels, box, self.size)
        else:
            return None
        mask = labels > 0
        return (image, (mask, mask, mask), "empty") if 0.01 <= mask.mean() < 0.9 else None


def edge_share(mask: np.ndarray) -> float:
    """Return the share of a (H, W) bool mask, not empty, that lies within about 1% of its side of the edge."""
    inside = ndimage.binary_erosion(mask, iterations=max(1, round(max(mask.shape) / 100)), border_value=1)
    return 1 - float(inside.sum() / mask.sum())


def _with_neighbours(labels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return a mask together with the objects of the label map that touch it, or almost."""
    near = ndimage.maximum_filter(mask, 2 * round(_NEAR * max(mask.shape)) + 1)
    return np.isin(labels, np.unique(labels[near & (labels > 0)]))


def _mean_colour(cutout: Image.Image) -> np.ndarray:
    """Return the mean RGB of what an RGBA image shows."""
    red, green, blue, alpha = np.asarray(cutout.resize((32, 32)), float).reshape(-1, 4).T
    return np.array([(band * alpha).sum() for band in (red, green, blue)]) / max(1.0, alpha.sum())
