"""Training images for segmentation: photographs with label maps, cut-outs with alpha, and compositions of both.

A folder of training data has this layout; any source may be missing:

    photos/<source>/<id>.jpg + <id>.png      uint8 label map, 0 background
    cutouts/<source>/<id>.webp               RGBA
    backgrounds/<source>/<id>.jpg

or is what `python -m mam pack` made of it. Every example is a function of (seed, index) alone, so an interrupted run
continues with exactly the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from mam.boxes import mask_bounds
from mam.training.files import Files
from mam.training.synthetic_foregrounds import draw_plant

# How often a source is drawn, independent of its number of images.
_SOURCE_WEIGHTS = {"coco": 0.34, "ccp": 0.22, "davis": 0.11, "bsds": 0.12, "balloon": 0.04, "mushroom": 0.02}
_BACKGROUND_WEIGHT = 0.20
# Sources in which each label is a part of the one object, which is their union.
PARTS = {"ccp"}
# Sources in which labels are regions of any kind, not objects that could be cut out and pasted elsewhere.
_REGIONS = {"bsds"}


@dataclass(frozen=True)
class Photo:
    """One photograph with its label map, not yet read; `name` is that of the .jpg."""

    source: str
    name: str
    files: Files

    def read(self) -> tuple[Image.Image, np.ndarray]:
        """Read the RGB image and its (H, W) uint8 labels."""
        labels = self.files.open(self.name.removesuffix(".jpg") + ".png")
        return Image.open(self.files.open(self.name)).convert("RGB"), np.asarray(Image.open(labels))


class Library:
    """The files of a data folder, in groups that are drawn by weight.

    Args:
        root: see the module's docstring.

    Raises:
        FileNotFoundError: the folder holds no photographs.
    """

    def __init__(self, root: Path) -> None:
        self.files = Files(root)
        self.shots: dict[str, list[list[Photo]]] = {}
        groups: dict[tuple[str, str], list[Photo]] = {}
        for name in self._named("photos", ".jpg"):
            _, source, file = name.split("/")
            stem = file.removesuffix(".jpg")
            # Frames of one video shot are similar, so of "<shot>_<frame>" the shot is drawn first.
            group = stem.rpartition("_")[0] if source == "davis" else stem
            groups.setdefault((source, group), []).append(Photo(source, name, self.files))
        for (source, _), shot in groups.items():
            self.shots.setdefault(source, []).append(shot)
        if not self.shots:
            raise FileNotFoundError(f"no photographs in {root / 'photos'}: expected <source>/<id>.jpg with <id>.png")
        self.cutouts = self._named("cutouts", ".webp")
        self.backgrounds = self._named("backgrounds", ".jpg")

    def _named(self, folder: str, ending: str) -> list[str]:
        """The names FOLDER/<source>/<id>ENDING, sorted."""
        return [n for n in self.files.names if n.startswith(f"{folder}/") and n.count("/") == 2 and n.endswith(ending)]

    def photo(self, rng: np.random.Generator, sources: Sequence[str]) -> Photo:
        """Draw one photograph of those of the named sources that the folder has."""
        present = [s for s in sources if s in self.shots]
        weights = np.array([_SOURCE_WEIGHTS.get(s, 0.1) for s in present])
        shots = self.shots[present[rng.choice(len(present), p=weights / weights.sum())]]
        shot = shots[rng.integers(len(shots))]
        return shot[rng.integers(len(shot))]

    def open(self, name: str) -> Image.Image:
        """Open one of `cutouts` or `backgrounds`."""
        return Image.open(self.files.open(name))

    def scene(self, rng: np.random.Generator) -> tuple[str, Image.Image, np.ndarray]:
        """Draw an image to train on: (source, RGB, labels); a plain background has labels 0."""
        if self.backgrounds and rng.random() < _BACKGROUND_WEIGHT:
            image = self.open(self.backgrounds[rng.integers(len(self.backgrounds))]).convert("RGB")
            return "background", image, np.zeros((image.height, image.width), np.uint8)
        photo = self.photo(rng, list(self.shots))
        return photo.source, *photo.read()

    def cutout(self, rng: np.random.Generator) -> Image.Image:
        """Draw a foreground as RGBA: a cut-out, or an object of a photograph, cut out along its label map."""
        sources = [s for s in self.shots if s not in _REGIONS]
        if self.cutouts and (not sources or rng.random() < 0.6):
            return self.open(self.cutouts[rng.integers(len(self.cutouts))]).convert("RGBA")
        photo = self.photo(rng, sources)
        image, labels = photo.read()
        mask = labels > 0
        if photo.source not in PARTS:
            values = np.unique(labels[mask])
            mask = labels == rng.choice(values) if len(values) else mask
        box = mask_bounds(mask)
        if box is None:
            return self.cutout(rng)
        cut = image.convert("RGBA")
        cut.putalpha(Image.fromarray(mask.astype(np.uint8) * 255).filter(ImageFilter.GaussianBlur(0.7)))
        return cut.crop(box)


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
        """One example.

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
            if target is None:
                image, labels = random_view(rng, image, labels, self.size)
            else:
                image, labels = view(rng, image, labels, crop_around(rng, labels == target), self.size)
            pasted = rng.integers(1, 4) if source == "background" else rng.integers(1, 3) * (rng.random() < 0.3)
            for _ in range(pasted):
                image, labels = paste(rng, image, labels, self.library.cutout(rng), rng.uniform(0.12, 0.75))
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
        """A large foreground: mostly a cut-out, sometimes a plant, which no source of cut-outs has."""
        if rng.random() < 0.7:
            return self.library.cutout(rng)
        return draw_plant(rng, self.size, lambda size: self.library.scene(rng)[1].resize(size))


def crop_around(rng: np.random.Generator, mask: np.ndarray) -> tuple[int, int, int, int]:
    """A crop (x0, y0, x1, y1) around a (H, W) bool mask, with random margins that may cut into the object.

    Raises:
        ValueError: the mask is empty.
    """
    bounds = mask_bounds(mask)
    if bounds is None:
        raise ValueError("the mask is empty; there is nothing to crop around.")
    x0, y0, x1, y1 = bounds
    margin = max(y1 - y0, x1 - x0) * np.exp(rng.uniform(np.log(0.1), np.log(1.2))) * rng.uniform(0.6, 1.4, 4)
    into = rng.uniform(0, 0.3, 4) * (x1 - x0, y1 - y0, x1 - x0, y1 - y0)
    left, top, right, bottom = np.where(rng.random(4) < 0.12, -into, margin)
    h, w = mask.shape
    return max(0, int(x0 - left)), max(0, int(y0 - top)), min(w, int(x1 + right)), min(h, int(y1 + bottom))


def random_view(
    rng: np.random.Generator, image: Image.Image, labels: np.ndarray, size: int
) -> tuple[Image.Image, np.ndarray]:
    """A random crop, half the time the whole image, prepared by `view`."""
    w, h = image.size
    cw, ch = w, h
    x0 = y0 = 0
    if rng.random() < 0.5:
        part = rng.uniform(0.4, 1.0)
        cw, ch = max(16, int(w * part * rng.uniform(0.8, 1))), max(16, int(h * part * rng.uniform(0.8, 1)))
        ys, xs = np.nonzero(labels)
        if len(ys):  # around some pixel of an object
            k = rng.integers(len(ys))
            x0 = int(np.clip(xs[k] - cw * rng.random(), 0, w - cw))
            y0 = int(np.clip(ys[k] - ch * rng.random(), 0, h - ch))
        else:
            x0, y0 = int(rng.integers(w - cw + 1)), int(rng.integers(h - ch + 1))
    return view(rng, image, labels, (x0, y0, x0 + cw, y0 + ch), size)


def view(
    rng: np.random.Generator, image: Image.Image, labels: np.ndarray, box: tuple[int, int, int, int], size: int
) -> tuple[Image.Image, np.ndarray]:
    """The part of the image in `box`, mirrored half the time, stretched a little, with a longest side of `size`."""
    cw, ch = box[2] - box[0], box[3] - box[1]
    stretch = rng.uniform(0.85, 1.18)
    scale = size / max(cw * stretch, ch)
    new = (min(size, max(8, round(cw * stretch * scale))), min(size, max(8, round(ch * scale))))
    image = image.resize(new, Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)
    labels = np.asarray(Image.fromarray(labels).resize(new, Image.Resampling.NEAREST, box=box))
    if rng.random() < 0.5:
        image, labels = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), labels[:, ::-1]
    return image, np.ascontiguousarray(labels)


def paste(
    rng: np.random.Generator, image: Image.Image, labels: np.ndarray, cutout: Image.Image, share: float
) -> tuple[Image.Image, np.ndarray]:
    """Paste a cut-out somewhere, sometimes with a soft shadow, and give it a new label.

    Args:
        rng: source of all randomness.
        image: RGB.
        labels: (H, W) uint8.
        cutout: RGBA.
        share: longest side of the pasted object, as a share of that of the image.

    Returns:
        The image and the labels with the object.
    """
    w, h = image.size
    side = share * max(w, h)
    scale = side / max(cutout.size)
    new = (max(4, round(cutout.width * scale)), max(4, round(cutout.height * scale)))
    cutout = cutout.resize(new, Image.Resampling.BILINEAR, reducing_gap=2.0)
    if rng.random() < 0.5:
        cutout = cutout.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if rng.random() < 0.4:
        cutout = cutout.rotate(rng.uniform(-40, 40), Image.Resampling.BILINEAR, expand=True)
    if share < 0.6:
        x, y = (int(rng.uniform(-0.25, 0.95) * s - 0.1 * c) for s, c in zip((w, h), cutout.size, strict=True))
    else:  # its centre stays inside the image
        x, y = (int(rng.uniform(0.2, 0.8) * s - 0.5 * c) for s, c in zip((w, h), cutout.size, strict=True))
    alpha = Image.new("L", (w, h))
    alpha.paste(cutout.getchannel("A"), (x, y))
    layer = Image.new("RGB", (w, h))
    layer.paste(jitter(rng, cutout.convert("RGB")), (x, y))
    if rng.random() < 0.3:
        shade = Image.new("L", (w, h))
        shade.paste(cutout.getchannel("A").point(lambda v: v * 0.6), (x + int(side * 0.05), y + int(side * 0.05)))
        image = Image.composite(Image.new("RGB", (w, h)), image, shade.filter(ImageFilter.GaussianBlur(side * 0.04)))
    new_label = min(255, int(labels.max()) + 1)
    return Image.composite(layer, image, alpha), np.where(np.asarray(alpha) > 127, np.uint8(new_label), labels)


def jitter(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """Random brightness, contrast, saturation and hue; sometimes grey or blurred."""
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        if rng.random() < 0.7:
            image = enhance(image).enhance(rng.uniform(0.65, 1.4))
    draw = rng.random()
    if draw < 0.15:
        hsv = np.array(image.convert("HSV"))
        hsv[..., 0] += rng.integers(256, dtype=np.uint8)
        image = Image.fromarray(hsv, "HSV").convert("RGB")
    elif draw < 0.2:
        image = image.convert("L").convert("RGB")
    elif draw < 0.25:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.2)))
    return image


def choose_label(rng: np.random.Generator, labels: np.ndarray, smallest: float) -> int | None:
    """Draw a label, large ones more often; None if all cover less than `smallest` or more than 0.95 of the image."""
    counts = np.bincount(labels.ravel(), minlength=256).astype(float)
    counts[0] = 0
    counts[(counts < smallest * labels.size) | (counts > 0.95 * labels.size)] = 0
    if not counts.any():
        return None
    weights = np.sqrt(counts)
    return int(rng.choice(256, p=weights / weights.sum()))
