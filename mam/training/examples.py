"""Training examples for interactive segmentation: one image, one prompt's kind, one target mask.

A folder of training data looks like this; any source may be missing:

    photos/<source>/<id>.jpg|.webp + <id>.png   uint8 label map, 0 background; `MAIN_OBJECT` sources: mask, 0 to 255
    cutouts/<source>/<id>.webp                  RGBA
    backgrounds/<source>/<id>.jpg

or like what `python -m mam pack` makes of it. Every example is a function of (seed, index) alone, so an interrupted run
continues with the very next one.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageEnhance, ImageFilter
from scipy import ndimage
from torch.utils.data import Dataset

from mam.boxes import mask_bounds
from mam.training.files import Files

# How often a source is drawn, whatever its number of images.
SOURCE_WEIGHTS = {
    "duts": 0.40,
    "ecssd": 0.08,
    "coco": 0.18,
    "ccp": 0.13,
    "davis": 0.09,
    "feral_cat": 0.05,
    "butterfly": 0.03,
    "balloon": 0.02,
}
_BACKGROUND_WEIGHT = 0.10
MAIN_OBJECT = {"duts", "ecssd"}  # sources whose mask is the image's main object or objects
PARTS = {"ccp"}  # sources in which labels are parts of the one object
KINDS = ("empty", "box", "click", "scribble", "box+click", "mask")
_KIND_WEIGHTS = (0.14, 0.36, 0.34, 0.07, 0.05, 0.04)
_SMALLEST_COMPONENT = 0.004  # of the image, of a main object's mask that counts as an object of its own


@dataclass(frozen=True)
class Photo:
    """One photograph with its label map, not yet read."""

    source: str
    name: str
    files: Files

    def read(self) -> tuple[Image.Image, np.ndarray]:
        """RGB image and (H, W) uint8 labels, one value per object (per part for `PARTS`)."""
        stem = self.name.rpartition(".")[0]
        image = Image.open(self.files.open(self.name)).convert("RGB")
        labels = Image.open(self.files.open(f"{stem}.png"))
        if self.source not in MAIN_OBJECT:
            return image, np.asarray(labels)
        found, count = ndimage.label(np.asarray(labels.convert("L")) > 127)
        sizes = np.bincount(found.ravel(), minlength=count + 1)
        keep = np.flatnonzero(sizes >= _SMALLEST_COMPONENT * found.size)
        keep = keep[keep > 0][:254]
        values = np.zeros(count + 1, np.uint8)
        values[keep] = np.arange(1, len(keep) + 1)
        return image, values[found]


class Library:
    """The files of a data folder, drawn by the weight of their source.

    Args:
        root: see the module's docstring.

    Raises:
        FileNotFoundError: the folder holds no photographs.
    """

    def __init__(self, root: Path) -> None:
        self.files = Files(root)
        groups: dict[tuple[str, str], list[Photo]] = {}
        for name in self._named("photos", (".jpg", ".webp")):
            _, source, file = name.split("/")
            stem = file.rpartition(".")[0]
            # Frames of one video shot are alike: "<shot>_<frame>" are drawn shot first.
            shot = stem.rpartition("_")[0] if source == "davis" else stem
            groups.setdefault((source, shot), []).append(Photo(source, name, self.files))
        self.shots: dict[str, list[list[Photo]]] = {}
        for (source, _), photos in groups.items():
            self.shots.setdefault(source, []).append(photos)
        if not self.shots:
            raise FileNotFoundError(
                f"no photographs in {root / 'photos'}: expected <source>/<id>.jpg|.webp with <id>.png"
            )
        self.cutouts = self._named("cutouts", (".webp",))
        self.backgrounds = self._named("backgrounds", (".jpg",))

    def _named(self, folder: str, endings: tuple[str, ...]) -> list[str]:
        """The names FOLDER/<source>/<id>ENDING, sorted."""
        return [n for n in self.files.names if n.startswith(f"{folder}/") and n.count("/") == 2 and n.endswith(endings)]

    def photo(self, rng: np.random.Generator) -> Photo:
        """Draw one photograph."""
        sources = list(self.shots)
        weights = np.array([SOURCE_WEIGHTS.get(s, 0.05) for s in sources])
        shots = self.shots[sources[rng.choice(len(sources), p=weights / weights.sum())]]
        shot = shots[rng.integers(len(shots))]
        return shot[rng.integers(len(shot))]

    def background(self, rng: np.random.Generator) -> Image.Image:
        """Draw a background, RGB."""
        return Image.open(self.files.open(self.backgrounds[rng.integers(len(self.backgrounds))])).convert("RGB")

    def foreground(self, rng: np.random.Generator) -> Image.Image:
        """Draw an object as RGBA: a cut-out, or an object cut along its mask out of a photograph."""
        if self.cutouts and rng.random() < 0.3:
            return Image.open(self.files.open(self.cutouts[rng.integers(len(self.cutouts))])).convert("RGBA")
        while True:
            photo = self.photo(rng)
            if photo.source == "coco":  # its polygons are coarse
                continue
            image, labels = photo.read()
            if photo.source in PARTS:
                labels = (labels > 0).astype(np.uint8)
            values = np.unique(labels[labels > 0])
            if len(values):
                mask = labels == rng.choice(values)
                cut = image.convert("RGBA")
                cut.putalpha(Image.fromarray(mask.astype(np.uint8) * 255).filter(ImageFilter.GaussianBlur(0.7)))
                return cut.crop(_bounds(mask))


class Examples(Dataset[dict[str, np.ndarray]]):
    """Examples for a training loop; `examples[i]` depends on (seed, i) alone.

    Args:
        library: where images come from.
        size: longest side of an example in pixels.
        seed: of all randomness.
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
        """An image no larger than `size`, its (h, w) bool target and the prompt's kind; None if the draw is useless."""
        kind = str(rng.choice(KINDS, p=_KIND_WEIGHTS))
        if self.library.backgrounds and rng.random() < _BACKGROUND_WEIGHT:
            source, image = "background", self.library.background(rng)
            labels = np.zeros((image.height, image.width), np.uint8)
        else:
            photo = self.library.photo(rng)
            source, (image, labels) = photo.source, photo.read()
        whole_object = source in PARTS and (kind == "empty" or rng.random() < 0.85)
        if whole_object:
            labels = (labels > 0).astype(np.uint8)
        if kind == "empty":
            return self._main_object(rng, source, image, labels)

        if source == "background":
            image, labels = view(rng, image, labels, random_box(rng, labels), self.size)
            for _ in range(rng.integers(1, 4)):
                image, labels = paste(rng, image, labels, self.library.foreground(rng), rng.uniform(0.15, 0.9))
        wanted = choose(rng, labels, smallest=0.001)
        if wanted is None:
            return None
        # Several separate objects of the main-object sources are one target now and then: their box holds all of them.
        together = source in MAIN_OBJECT and kind != "click" and rng.random() < 0.5
        if together:
            labels = (labels > 0).astype(np.uint8)
            wanted = 1
        if source != "background":
            # What the library shows the network: the whole image, or the part around a prompt or an earlier mask.
            close = rng.random() < (0.3 if kind == "click" else 0.55)
            box = around(rng, _bounds(labels == wanted), image.size) if close else random_box(rng, labels)
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
        """The whole image, or most of it, and its main object; None for sources without a main object."""
        if source == "background":
            image, labels = view(rng, image, labels, random_box(rng, labels), self.size)
            image, labels = paste(rng, image, labels, self.library.foreground(rng), rng.uniform(0.4, 0.9), central=True)
        elif source in MAIN_OBJECT or source in PARTS or (source == "feral_cat"):
            w, h = image.size
            trim = rng.uniform(0, 0.08, 4) * (w, h, w, h) * (rng.random() < 0.5)
            box = (int(trim[0]), int(trim[1]), w - int(trim[2]), h - int(trim[3]))
            image, labels = view(rng, image, labels, box, self.size)
        else:
            return None
        mask = labels > 0
        return (image, mask, "empty") if 0.01 <= mask.mean() < 0.9 else None


def around(
    rng: np.random.Generator, bounds: tuple[int, int, int, int], size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """A crop x0, y0, x1, y1 around bounds, mostly with the library's margin; sometimes it cuts into the object."""
    x0, y0, x1, y1 = bounds
    longest = max(y1 - y0, x1 - x0)
    if rng.random() < 0.6:
        room = longest * rng.uniform(0.15, 0.25) * np.ones(4)
    else:
        room = longest * np.exp(rng.uniform(np.log(0.08), np.log(1.2))) * rng.uniform(0.5, 1.5, 4)
    into = rng.uniform(0, 0.3, 4) * (x1 - x0, y1 - y0, x1 - x0, y1 - y0)
    room = np.where(rng.random(4) < 0.06, -into, room)
    w, h = size
    return max(0, int(x0 - room[0])), max(0, int(y0 - room[1])), min(w, int(x1 + room[2])), min(h, int(y1 + room[3]))


def random_box(rng: np.random.Generator, labels: np.ndarray) -> tuple[int, int, int, int]:
    """The whole image most of the time, else a random crop near an object, x0, y0, x1, y1."""
    h, w = labels.shape
    if rng.random() < 0.6:
        return 0, 0, w, h
    part = rng.uniform(0.45, 1.0)
    cw, ch = max(16, int(w * part * rng.uniform(0.8, 1))), max(16, int(h * part * rng.uniform(0.8, 1)))
    ys, xs = np.nonzero(labels)
    if len(ys):
        k = rng.integers(len(ys))
        x0 = int(np.clip(xs[k] - cw * rng.random(), 0, w - cw))
        y0 = int(np.clip(ys[k] - ch * rng.random(), 0, h - ch))
    else:
        x0, y0 = int(rng.integers(w - cw + 1)), int(rng.integers(h - ch + 1))
    return x0, y0, x0 + cw, y0 + ch


def view(
    rng: np.random.Generator, image: Image.Image, labels: np.ndarray, box: tuple[int, int, int, int], size: int
) -> tuple[Image.Image, np.ndarray]:
    """The part of the image in `box`, mirrored half the time, stretched a little, longest side = `size`."""
    cw, ch = box[2] - box[0], box[3] - box[1]
    stretch = rng.uniform(0.87, 1.15)
    scale = size / max(cw * stretch, ch)
    new = (min(size, max(8, round(cw * stretch * scale))), min(size, max(8, round(ch * scale))))
    image = image.resize(new, Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)
    labels = np.asarray(Image.fromarray(labels).resize(new, Image.Resampling.NEAREST, box=box))
    if rng.random() < 0.5:
        image, labels = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), labels[:, ::-1]
    return image, np.ascontiguousarray(labels)


def paste(
    rng: np.random.Generator,
    image: Image.Image,
    labels: np.ndarray,
    cutout: Image.Image,
    share: float,
    central: bool = False,
) -> tuple[Image.Image, np.ndarray]:
    """Put an object somewhere on the image as a new label, half the time with a shadow, which is background.

    Args:
        rng: of all randomness.
        image: RGB.
        labels: (H, W) uint8, of the image.
        cutout: RGBA, at any size.
        share: the object's longest side in parts of the image's.
        central: the object's centre lies near the image's.
    """
    w, h = image.size
    scale = share * max(w, h) / max(cutout.size)
    cutout = cutout.resize(
        (max(4, round(cutout.width * scale)), max(4, round(cutout.height * scale))),
        Image.Resampling.BILINEAR,
        reducing_gap=2.0,
    )
    if rng.random() < 0.5:
        cutout = cutout.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if rng.random() < 0.3:
        cutout = cutout.rotate(rng.uniform(-30, 30), Image.Resampling.BILINEAR, expand=True)
    spread = (0.3, 0.7) if central else (0.1, 0.9) if share < 0.6 else (0.2, 0.8)
    x, y = (int(rng.uniform(*spread) * s - 0.5 * c) for s, c in zip((w, h), cutout.size, strict=True))
    if rng.random() < 0.5:
        image = ImageChops.multiply(image, _shadow(rng, cutout.getchannel("A"), (w, h), (x, y)).convert("RGB"))
    alpha = Image.new("L", (w, h))
    alpha.paste(cutout.getchannel("A"), (x, y))
    layer = Image.new("RGB", (w, h))
    layer.paste(jitter(rng, cutout.convert("RGB")), (x, y))
    new_label = min(255, int(labels.max()) + 1)
    return Image.composite(layer, image, alpha), np.where(np.asarray(alpha) > 127, np.uint8(new_label), labels)


def _shadow(rng: np.random.Generator, alpha: Image.Image, size: tuple[int, int], at: tuple[int, int]) -> Image.Image:
    """The light that a shadow leaves, grey, 255 where there is none: behind the object, or laid flat from its feet."""
    side = max(alpha.size)
    shape, (x, y) = alpha, at
    if rng.random() < 0.5:
        flat = max(2, int(alpha.height * rng.uniform(0.1, 0.5)))
        lean = rng.uniform(-1.2, 1.2)
        width = alpha.width + int(abs(lean) * flat)
        shift = lean * flat if lean > 0 else 0.0
        shape = alpha.resize((alpha.width, flat))
        shape = shape.transform((width, flat), Image.Transform.AFFINE, (1, lean, -shift, 0, 1, 0))
        x, y = x - int(max(0.0, -shift)), y + alpha.height - flat
    else:
        x, y = (v + int(side * rng.uniform(-0.12, 0.12)) for v in at)
    light = Image.new("L", size)
    light.paste(shape, (x, y))
    dark = rng.uniform(0.25, 0.8)
    return light.filter(ImageFilter.GaussianBlur(side * rng.uniform(0.005, 0.06))).point(lambda v: 255 - v * dark)


def jitter(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """Random brightness, contrast, saturation, hue; now and then grey, blurred, noisy or compressed."""
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        if rng.random() < 0.6:
            image = enhance(image).enhance(rng.uniform(0.65, 1.4))
    draw = rng.random()
    if draw < 0.08:
        hsv = np.array(image.convert("HSV"))
        hsv[..., 0] += rng.integers(256, dtype=np.uint8)
        image = Image.fromarray(hsv, "HSV").convert("RGB")
    elif draw < 0.12:
        image = image.convert("L").convert("RGB")
    elif draw < 0.18:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.2)))
    elif draw < 0.23:
        noisy = np.asarray(image, np.float32) + rng.normal(0, rng.uniform(3, 14), (image.height, image.width, 3))
        image = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
    elif draw < 0.30:
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=int(rng.integers(25, 70)))
        image = Image.open(stream).convert("RGB")
    return image


def _bounds(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Tight x0, y0, x1, y1 (ends exclusive) of a mask that is not empty."""
    bounds = mask_bounds(mask)
    assert bounds is not None
    return bounds


def choose(rng: np.random.Generator, labels: np.ndarray, smallest: float) -> int | None:
    """A label, large ones more often; None if all cover less than `smallest` or more than 0.95 of the image."""
    counts = np.bincount(labels.ravel(), minlength=256).astype(float)
    counts[0] = 0
    counts[(counts < smallest * labels.size) | (counts > 0.95 * labels.size)] = 0
    if not counts.any():
        return None
    weights = np.sqrt(counts)
    return int(rng.choice(256, p=weights / weights.sum()))
