"""The images of a training data folder: photographs with label maps, cut-outs with alpha, and backgrounds.

A folder of training data has this layout; any source may be missing:

    photos/<source>/<id>.jpg|.webp + <id>.png   uint8 label map, 0 background; for `MAIN_OBJECT` a soft mask, 0 to 255
    cutouts/<source>/<id>.webp                  RGBA
    backgrounds/<source>/<id>.jpg
    alpha/<source>/<id>.webp + <id>_alpha.png   photographs with alphas that were predicted by other networks
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from scipy import ndimage

from mam.images.boxes import mask_bounds

# Sources in which the label map is a soft mask of the image's main object or objects.
MAIN_OBJECT = frozenset({"duts", "ecssd"})
# Sources in which each label is a part of the one object, which is their union.
PARTS = frozenset({"ccp"})
# Sources of photographs of one object.
SINGLE_OBJECT = frozenset({"feral_cat"})
_SMALLEST_COMPONENT = 0.004  # share of the image from which a component of a soft mask is an object of its own


@dataclass(frozen=True)
class Mix:
    """How often each kind of image is drawn, independent of the number of images.

    Attributes:
        sources: weights of the photographs' sources.
        other: weight of a source that is not listed.
        background: probability of a plain background instead of a photograph.
        cutout: probability that a foreground is a cut-out, not an object of a photograph.
        not_cut: sources from which no foregrounds are cut.
    """

    sources: Mapping[str, float]
    other: float
    background: float
    cutout: float
    not_cut: frozenset[str]


# The polygons of "coco" are too coarse to cut foregrounds along them.
MIX = Mix(
    {
        "duts": 0.32,
        "ecssd": 0.08,
        "coco": 0.27,
        "ccp": 0.13,
        "davis": 0.09,
        "feral_cat": 0.05,
        "butterfly": 0.03,
        "balloon": 0.02,
    },
    other=0.05,
    background=0.10,
    cutout=0.3,
    not_cut=frozenset({"coco"}),
)


@dataclass(frozen=True)
class LabelledPhoto:
    """One photograph with its label map, not yet read; `name` is the image file's name."""

    source: str
    name: str
    root: Path

    def read(self) -> tuple[Image.Image, np.ndarray]:
        """Read the RGB image and its (H, W) uint8 labels, one value per object (per part for `PARTS`)."""
        stem = self.name.rpartition(".")[0]
        image = Image.open(self.root / self.name).convert("RGB")
        labels = Image.open(self.root / f"{stem}.png")
        if self.source in MAIN_OBJECT:
            return image, label_components(np.asarray(labels.convert("L")) > 127)
        return image, np.asarray(labels)


class Library:
    """The files of a data folder, in groups that are drawn by weight.

    Args:
        root: see the module's docstring.
        mix: how often each source is drawn.

    Raises:
        FileNotFoundError: the folder holds no photographs.
    """

    def __init__(self, root: Path, mix: Mix = MIX) -> None:
        self.mix, self.root = mix, root
        self._names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
        groups: dict[tuple[str, str], list[LabelledPhoto]] = {}
        for name in self._named("photos", ".jpg", ".webp"):
            _, source, file = name.split("/")
            stem = file.rpartition(".")[0]
            # Frames of one video shot are similar, so of "<shot>_<frame>" the shot is drawn first.
            shot = stem.rpartition("_")[0] if source == "davis" else stem
            groups.setdefault((source, shot), []).append(LabelledPhoto(source, name, root))
        self.shots: dict[str, list[list[LabelledPhoto]]] = {}
        for (source, _), photos in groups.items():
            self.shots.setdefault(source, []).append(photos)
        if not self.shots:
            raise FileNotFoundError(
                f"no photographs in {root / 'photos'}: expected <source>/<id>.jpg|.webp with <id>.png"
            )
        self.cutouts = self._named("cutouts", ".webp")
        self.backgrounds = self._named("backgrounds", ".jpg")
        self.alphas = self._named("alpha", ".webp")

    def _named(self, folder: str, *endings: str) -> list[str]:
        """Return the names FOLDER/<source>/<id>ENDING, sorted."""
        return [n for n in self._names if n.startswith(f"{folder}/") and n.count("/") == 2 and n.endswith(endings)]

    def photo(self, rng: np.random.Generator, sources: Sequence[str] | None = None) -> LabelledPhoto:
        """Draw one photograph from the named sources that the folder has, or from all sources if none are named."""
        present = [s for s in self.shots if sources is None or s in sources]
        weights = np.array([self.mix.sources.get(s, self.mix.other) for s in present])
        shots = self.shots[present[rng.choice(len(present), p=weights / weights.sum())]]
        shot = shots[rng.integers(len(shots))]
        return shot[rng.integers(len(shot))]

    def draw_image(self, rng: np.random.Generator) -> tuple[str, Image.Image, np.ndarray]:
        """Draw an image to train on: (source, RGB, labels); a plain background has labels 0."""
        if self.backgrounds and rng.random() < self.mix.background:
            name = self.backgrounds[rng.integers(len(self.backgrounds))]
            image = Image.open(self.root / name).convert("RGB")
            return "background", image, np.zeros((image.height, image.width), np.uint8)
        photo = self.photo(rng)
        return photo.source, *photo.read()

    def photo_with_alpha(self, rng: np.random.Generator) -> tuple[Image.Image, Image.Image]:
        """Draw a photograph with a predicted alpha: RGB, and L of the same size."""
        name = self.alphas[rng.integers(len(self.alphas))]
        image = Image.open(self.root / name).convert("RGB")
        return image, Image.open(self.root / f"{name.removesuffix('.webp')}_alpha.png").convert("L")

    def cut_along_alpha(self, rng: np.random.Generator) -> Image.Image:
        """Draw the foreground of a photograph with a predicted alpha, as RGBA."""
        image, alpha = self.photo_with_alpha(rng)
        bounds = mask_bounds(np.asarray(alpha) > 0)
        image.putalpha(alpha)
        return image.crop(bounds) if bounds else image

    def foreground(self, rng: np.random.Generator) -> Image.Image:
        """Draw an object as RGBA: a cut-out, or an object of a photograph, cut out along its label map."""
        sources = [s for s in self.shots if s not in self.mix.not_cut]
        if self.cutouts and (not sources or rng.random() < self.mix.cutout):
            return Image.open(self.root / self.cutouts[rng.integers(len(self.cutouts))]).convert("RGBA")
        while True:
            photo = self.photo(rng, sources or None)
            image, labels = photo.read()
            if photo.source in PARTS:
                labels = (labels > 0).astype(np.uint8)
            values = np.unique(labels[labels > 0])
            if len(values):
                mask = labels == rng.choice(values)
                cut = image.convert("RGBA")
                cut.putalpha(Image.fromarray(mask.astype(np.uint8) * 255).filter(ImageFilter.GaussianBlur(0.7)))
                return cut.crop(mask_bounds(mask))


def label_components(mask: np.ndarray) -> np.ndarray:
    """Number the connected components of a (H, W) bool mask from 1, without very small ones -> (H, W) uint8."""
    components, count = ndimage.label(mask)
    sizes = np.bincount(components.ravel(), minlength=count + 1)
    keep = np.flatnonzero(sizes >= _SMALLEST_COMPONENT * mask.size)
    keep = keep[keep > 0][:254]
    values = np.zeros(count + 1, np.uint8)
    values[keep] = np.arange(1, len(keep) + 1)
    return values[components]
