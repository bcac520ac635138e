"""Training pictures: photographs with label maps, cut-outs with alpha, and what is composed of them.

A folder of training data looks like this; any source may be missing:

    photos/<source>/<id>.jpg + <id>.png      uint8 label map, 0 background
    cutouts/<source>/<id>.webp               RGBA
    backgrounds/<source>/<id>.jpg

or like what `python -m mam pack` makes of it. Every example is a function of (seed, index) alone, so a run that was
interrupted goes on with the very next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from mam.training.files import Files
from mam.training.synthetic_foregrounds import draw_plant

# How often a source is drawn, whatever its number of pictures.
_SOURCE_WEIGHTS = {"coco": 0.34, "ccp": 0.22, "davis": 0.11, "bsds": 0.12, "balloon": 0.04, "mushroom": 0.02}
_BACKGROUND_WEIGHT = 0.20
# Photographs in which a label is a part of the one object: the object is their union.
PARTS = {"ccp"}
# Photographs whose labels cover everything: none is an object that could be cut out and pasted elsewhere.
_REGIONS = {"bsds"}


@dataclass(frozen=True)
class Photo:
    """One photograph with its label map, not yet read; `name` is of the .jpg."""

    source: str
    name: str
    files: Files

    def read(self) -> tuple[Image.Image, np.ndarray]:
        """RGB picture and (H, W) uint8 labels."""
        labels = self.files.open(self.name.removesuffix(".jpg") + ".png")
        return Image.open(self.files.open(self.name)).convert("RGB"), np.asarray(Image.open(labels))


class Library:
    """The files of a data folder, sorted into groups that are drawn by weight.

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
            # Frames of one video shot look alike: "<shot>_<frame>" are drawn shot first.
            shot = stem.rpartition("_")[0] if source == "davis" else stem
            groups.setdefault((source, shot), []).append(Photo(source, name, self.files))
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
        """Draw one photograph of the named sources that are there."""
        present = [s for s in sources if s in self.shots]
        weights = np.array([_SOURCE_WEIGHTS.get(s, 0.1) for s in present])
        shots = self.shots[present[rng.choice(len(present), p=weights / weights.sum())]]
        shot = shots[rng.integers(len(shots))]
        return shot[rng.integers(len(shot))]

    def picture(self, name: str) -> Image.Image:
        """Open one of `cutouts` or `backgrounds`."""
        return Image.open(self.files.open(name))

    def scene(self, rng: np.random.Generator) -> tuple[str, Image.Image, np.ndarray]:
        """Draw a picture to train on: (source, RGB, labels); a plain background has labels 0."""
        if self.backgrounds and rng.random() < _BACKGROUND_WEIGHT:
            image = self.picture(self.backgrounds[rng.integers(len(self.backgrounds))]).convert("RGB")
            return "background", image, np.zeros((image.height, image.width), np.uint8)
        photo = self.photo(rng, list(self.shots))
        return photo.source, *photo.read()

    def cutout(self, rng: np.random.Generator) -> Image.Image:
        """Draw a foreground as RGBA: a cut-out, or an object cut along its labels out of a photograph."""
        sources = [s for s in self.shots if s not in _REGIONS]
        if self.cutouts and (not sources or rng.random() < 0.6):
            return self.picture(self.cutouts[rng.integers(len(self.cutouts))]).convert("RGBA")
        photo = self.photo(rng, sources)
        image, labels = photo.read()
        mask = labels > 0
        if photo.source not in PARTS:
            values = np.unique(labels[mask])
            mask = labels == rng.choice(values) if len(values) else mask
        if not mask.any():
            return self.cutout(rng)
        y0, y1, x0, x1 = bounds(mask)
        cut = image.convert("RGBA")
        cut.putalpha(Image.fromarray(mask.astype(np.uint8) * 255).filter(ImageFilter.GaussianBlur(0.7)))
        return cut.crop((x0, y0, x1, y1))


class Segments:
    """Examples for the segmentation stage; `examples[i]` depends on (seed, i) alone.

    Args:
        library: where pictures come from.
        size: longest side of an example in pixels.
        seed: of all randomness.
        close: share of close looks at one object, as `mam.matting` takes them; the rest shows whole scenes.
        filling: share of scenes in which a large object, often cut by the frame, is pasted and asked for.
    """

    def __init__(self, library: Library, size: int, seed: int, close: float = 0.6, filling: float = 0.45) -> None:
        self.library, self.size, self.seed, self.close, self.filling = library, size, seed, close, filling

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """`image` (size, size, 3) uint8, zero-padded right and bottom; `valid` (2,) its h, w; `mask` (size, size) bool;
        `labels` (size, size) uint8, the segments known in the picture, 0 elsewhere.
        """
        rng = np.random.default_rng((self.seed, index))
        while True:
            source, image, labels = self.library.scene(rng)
            if source in PARTS and rng.random() < 0.85:
                labels = (labels > 0).astype(np.uint8)
            wanted = None
            if rng.random() < self.close:
                wanted = choose(rng, labels, smallest=0.001)
            if wanted is None:
                image, labels = random_view(rng, image, labels, self.size)
            else:
                image, labels = view(rng, image, labels, around(rng, bounds(labels == wanted), image.size), self.size)
            pasted = rng.integers(1, 4) if source == "background" else rng.integers(1, 3) * (rng.random() < 0.3)
            for _ in range(pasted):
                image, labels = paste(rng, image, labels, self.library.cutout(rng), rng.uniform(0.12, 0.75))
            if rng.random() < self.filling:
                if rng.random() < 0.5:  # a portrait's background is out of focus
                    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 4)))
                image, labels = paste(rng, image, labels, self._large(rng), rng.uniform(0.6, 1.5))
                wanted = int(labels.max())
            if wanted is None or not 0.003 <= (labels == wanted).mean() < 0.95:
                wanted = choose(rng, labels, smallest=0.003)
            if wanted is not None:
                break
        image = jitter(rng, image)
        h, w = labels.shape
        canvas = np.zeros((self.size, self.size, 3), np.uint8)
        canvas[:h, :w] = np.asarray(image)
        known = np.zeros((self.size, self.size), np.uint8)
        known[:h, :w] = labels
        return {"image": canvas, "valid": np.array([h, w]), "mask": known == wanted, "labels": known}

    def _large(self, rng: np.random.Generator) -> Image.Image:
        """A foreground for a place in front: mostly a cut-out; now and then a plant, which no source of cut-outs has."""
        if rng.random() < 0.7:
            return self.library.cutout(rng)
        return draw_plant(rng, self.size, lambda size: self.library.scene(rng)[1].resize(size))


def around(
    rng: np.random.Generator, bounds: tuple[int, int, int, int], size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """A crop box x0, y0, x1, y1 around an object's bounds y0, y1, x0, x1, with uneven room on its sides, which now and then
    cuts into the object.
    """
    y0, y1, x0, x1 = bounds
    room = max(y1 - y0, x1 - x0) * np.exp(rng.uniform(np.log(0.1), np.log(1.2))) * rng.uniform(0.6, 1.4, 4)
    into = rng.uniform(0, 0.3, 4) * (x1 - x0, y1 - y0, x1 - x0, y1 - y0)
    room = np.where(rng.random(4) < 0.12, -into, room)
    w, h = size
    return max(0, int(x0 - room[0])), max(0, int(y0 - room[1])), min(w, int(x1 + room[2])), min(h, int(y1 + room[3]))


def random_view(
    rng: np.random.Generator, image: Image.Image, labels: np.ndarray, size: int
) -> tuple[Image.Image, np.ndarray]:
    """A random crop (half the time the whole picture) as `view` shows it."""
    w, h = image.size
    cw, ch = w, h
    x0 = y0 = 0
    if rng.random() < 0.5:
        part = rng.uniform(0.4, 1.0)
        cw, ch = max(16, int(w * part * rng.uniform(0.8, 1))), max(16, int(h * part * rng.uniform(0.8, 1)))
        ys, xs = np.nonzero(labels)
        if len(ys):  # somewhere near an object
            k = rng.integers(len(ys))
            x0 = int(np.clip(xs[k] - cw * rng.random(), 0, w - cw))
            y0 = int(np.clip(ys[k] - ch * rng.random(), 0, h - ch))
        else:
            x0, y0 = int(rng.integers(w - cw + 1)), int(rng.integers(h - ch + 1))
    return view(rng, image, labels, (x0, y0, x0 + cw, y0 + ch), size)


def view(
    rng: np.random.Generator, image: Image.Image, labels: np.ndarray, box: tuple[int, int, int, int], size: int
) -> tuple[Image.Image, np.ndarray]:
    """The part of the picture in `box`, mirrored half the time, stretched a little, longest side = `size`."""
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
    """Put a cut-out, its longest side `share` of the picture's, somewhere on it, as a new label, now and then with a soft
    shadow.
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
        x, y = (int(rng.uniform(-0.25, 0.95) * s - 0.1 * c) for s, c in zip((w, h), cutout.size))
    else:  # its middle stays in the picture
        x, y = (int(rng.uniform(0.2, 0.8) * s - 0.5 * c) for s, c in zip((w, h), cutout.size))
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
    """Random brightness, contrast, saturation, hue; now and then grey or blurred."""
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


def bounds(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Tight y0, y1, x0, x1 (ends exclusive) of a mask that is not empty."""
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(ys[0]), int(ys[-1]) + 1, int(xs[0]), int(xs[-1]) + 1


def choose(rng: np.random.Generator, labels: np.ndarray, smallest: float) -> int | None:
    """A label, large ones somewhat more often; None if all cover less than `smallest` or more than 0.95 of the picture."""
    counts = np.bincount(labels.ravel(), minlength=256).astype(float)
    counts[0] = 0
    counts[(counts < smallest * labels.size) | (counts > 0.95 * labels.size)] = 0
    if not counts.any():
        return None
    weights = np.sqrt(counts)
    return int(rng.choice(256, p=weights / weights.sum()))
