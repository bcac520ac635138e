"""The folders that benchmarks come in, as lists of `Case`: which picture, which objects, which words.

| layout   | folder given | pictures                 | truth                                   | guidance |
|----------|--------------|--------------------------|-----------------------------------------|----------|
| ppm100   | PPM-100      | image/NAME.jpg           | matte/NAME.jpg                          | alpha    |
| am2k     | AM-2k        | validation/original      | validation/mask, validation/trimap      | alpha    |
| pm10k    | P3M-10k      | validation/P3M-500-NP/original_image | .../mask, .../trimap        | alpha    |
| rwp636   | RealWorldPortrait-636 | image           | alpha                                   | alpha    |
| him2k    | HIM2K        | images/natural/NAME.jpg  | alphas/natural/NAME/NN.png, one each    | mask     |
| rw100    | RefMatte_RW_100 | image_all             | mask, refmatte_rw100_label.json, eval_index_expression.json | mask |
| pairs    | any          | **/NAME.jpg              | **/NAME_alpha.png beside it             | alpha    |
| segments | as for training | photos/SOURCE/NAME.jpg | photos/SOURCE/NAME.png, a label map    | alpha    |

him2k_comp is him2k's synthetic half. Masks of `segments` are binary, so only their IoU is meaningful.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mam.errors import MamError
from mam.scene import Guidance

_PICTURES = (".jpg", ".jpeg", ".png", ".webp")
SMALLEST = 0.01  # share of the picture that a segment must cover to be asked for


@dataclass(frozen=True)
class Case:
    """One object of one picture.

    Attributes:
        name: unique within the benchmark, fit for a file name below a folder.
        image: the picture's file.
        truth: the file of the true alpha, or of the label map when `labels` are given.
        trimap: a file with 128 (or anything above 0, in P3M's) where the matte is unknown, or None.
        labels: which labels of the map make up the object; empty for an alpha.
        text: the words that refer to the object, if the benchmark has any.
    """

    name: str
    image: Path
    truth: Path
    trimap: Path | None = None
    labels: tuple[int, ...] = ()
    text: str | None = None

    @property
    def group(self) -> str:
        """What the cases of one picture have in common; the source of a segment."""
        return self.name.rpartition("/")[0]

    def read_truth(self) -> np.ndarray:
        """(H, W) float64 alpha in [0, 1]."""
        values = np.asarray(Image.open(self.truth) if self.labels else Image.open(self.truth).convert("L"))
        return np.isin(values, self.labels).astype(float) if self.labels else values / 255

    def read_unknown(self) -> np.ndarray | None:
        """(H, W) bool, the trimap's unknown region; None if the benchmark has no trimap."""
        if self.trimap is None:
            return None
        values = np.asarray(Image.open(self.trimap).convert("L"))
        # P3M's trimaps hold 0, 128, 255; a detail map holds only 0 and 255. 128 counts where there is any.
        return values == 128 if (values == 128).any() else values > 0


@dataclass(frozen=True)
class Layout:
    """How to read a benchmark: `cases(folder)` lists its objects; `guidance` is what the paper uses for it."""

    cases: Callable[[Path], Iterator[Case]]
    guidance: Guidance
    instances: bool = False  # several objects per picture, so that IMQ makes sense
    hard: bool = False  # masks, not alphas


def _folders(
    images: str, alphas: str, trimaps: str | None = None, suffix: str = ".png"
) -> Callable[[Path], Iterator[Case]]:
    """A layout with one object per picture and one folder for each kind of file."""

    def cases(root: Path) -> Iterator[Case]:
        for image in _pictures(root / images):
            trimap = root / trimaps / f"{image.stem}.png" if trimaps else None
            yield Case(image.stem, image, root / alphas / f"{image.stem}{suffix}", trimap)

    return cases


def _him2k(half: str) -> Callable[[Path], Iterator[Case]]:
    def cases(root: Path) -> Iterator[Case]:
        for image in _pictures(root / "images" / half):
            for alpha in sorted((root / "alphas" / half / image.stem).glob("*.png")):
                yield Case(f"{image.stem}/{alpha.stem}", image, alpha)

    return cases


def _rw100(root: Path) -> Iterator[Case]:
    words = json.loads((root / "refmatte_rw100_label.json").read_text())
    chosen = json.loads((root / "eval_index_expression.json").read_text())
    for image in _pictures(root / "image_all"):
        label = words[image.stem]
        text = label["expressions"][chosen[label["image_name"]]]
        yield Case(image.stem, image, root / "mask" / f"{image.stem}.png", text=text)


def _pairs(root: Path) -> Iterator[Case]:
    for truth in sorted(root.rglob("*_alpha.png")):
        stem = truth.name.removesuffix("_alpha.png")
        images = [truth.with_name(stem + suffix) for suffix in _PICTURES if truth.with_name(stem + suffix).exists()]
        if images:
            trimap = truth.with_name(f"{stem}_trimap.png")
            name = str(truth.parent.relative_to(root) / stem)
            yield Case(name, images[0], truth, trimap if trimap.exists() else None)


def _segments(root: Path) -> Iterator[Case]:
    for image in sorted((root / "photos").glob("*/*.jpg")):
        source, truth = image.parent.name, image.with_suffix(".png")
        labels = np.asarray(Image.open(truth))
        found = [int(v) for v in np.unique(labels[labels > 0])]
        if source == "ccp":  # parts of one person: their union is the object
            yield Case(f"{source}/{image.stem}", image, truth, labels=tuple(found))
            continue
        for label in found:
            if (labels == label).mean() >= SMALLEST:
                yield Case(f"{source}/{image.stem}_{label}", image, truth, labels=(label,))


LAYOUTS: dict[str, Layout] = {
    "ppm100": Layout(_folders("image", "matte", suffix=".jpg"), "alpha"),
    "am2k": Layout(_folders("validation/original", "validation/mask", "validation/trimap"), "alpha"),
    "pm10k": Layout(
        _folders(*(f"validation/P3M-500-NP/{kind}" for kind in ("original_image", "mask", "trimap"))), "alpha"
    ),
    "rwp636": Layout(_folders("image", "alpha"), "alpha"),
    "him2k": Layout(_him2k("natural"), "mask", instances=True),
    "him2k_comp": Layout(_him2k("comp"), "mask", instances=True),
    "rw100": Layout(_rw100, "mask"),
    "pairs": Layout(_pairs, "alpha"),
    "segments": Layout(_segments, "alpha", hard=True),
}


def read_cases(layout: str, root: Path) -> list[Case]:
    """All cases of a benchmark, in the order of their names.

    Raises:
        MamError: no such layout, nothing found, or the first case without a file it needs.
    """
    if layout not in LAYOUTS:
        raise MamError(f"no layout {layout!r}; expected one of {', '.join(LAYOUTS)}.")
    try:
        cases = sorted(LAYOUTS[layout].cases(root), key=lambda case: case.name)
    except (FileNotFoundError, KeyError) as error:
        raise MamError(
            f"{root} is no {layout}: {error} is missing; see mam/evaluation/benchmarks.py for the layout."
        ) from None
    if not cases:
        raise MamError(f"no pictures of layout {layout} in {root}; see mam/evaluation/benchmarks.py for the layout.")
    for case in cases:
        for file in filter(None, (case.truth, case.trimap)):
            if not file.exists():
                raise MamError(f"{case.image} has no {file}, which the layout {layout} wants.")
    return cases


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix.lower() in _PICTURES)
