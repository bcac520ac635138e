"""Readers of benchmark folders: each object of each image becomes a `Case`.

| layout   | folder          | images                               | truth and other files                | guidance |
|----------|-----------------|--------------------------------------|--------------------------------------|----------|
| ppm100   | PPM-100         | image/NAME.jpg                       | matte/NAME.jpg                       | alpha    |
| am2k     | AM-2k           | validation/original                  | validation/mask, validation/trimap   | alpha    |
| pm10k    | P3M-10k         | validation/P3M-500-NP/original_image | .../mask, .../trimap                 | alpha    |
| rwp636   | RealWorldPortrait-636 | image                          | alpha                                | alpha    |
| him2k    | HIM2K           | images/natural/NAME.jpg              | alphas/natural/NAME/NN.png           | mask     |
| rw100    | RefMatte_RW_100 | image_all                            | mask, the JSON files in the root     | mask     |
| pairs    | any             | **/NAME.jpg                          | **/NAME_alpha.png in the same folder | alpha    |
| segments | training data   | photos/SOURCE/NAME.jpg or .webp      | photos/SOURCE/NAME.png, a label map  | alpha    |

The JSON files of RefMatte-RW100 are refmatte_rw100_label.json and eval_index_expression.json.
`him2k_comp` is the synthetic half of HIM2K. The truth of `segments` is a binary mask, so of its metrics only IoU is
meaningful.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mam.errors import MamError
from mam.scene import Guidance

_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
NAMES = "coco_labels.json"  # for each photograph ("coco/ID"), the name of each value of its label map
MIN_SEGMENT_AREA = 0.01  # smaller segments of a label map, as a fraction of the image, are skipped


@dataclass(frozen=True)
class Case:
    """One object of one image.

    Attributes:
        name: unique within the benchmark; a relative path without suffix.
        image: the image file.
        truth: the file of the true alpha, or of the label map if `labels` is not empty.
        trimap: a file with the value 128 where the matte is unknown, or any value above 0 if none is 128; None if the
            benchmark has no trimaps.
        labels: labels of the map that make up the object; empty for an alpha.
        text: a text that refers to the object alone, or None.
    """

    name: str
    image: Path
    truth: Path
    trimap: Path | None = None
    labels: tuple[int, ...] = ()
    text: str | None = None

    @property
    def group(self) -> str:
        """The name without its last part: the image of an instance, the source of a segment."""
        return self.name.rpartition("/")[0]

    def read_truth(self) -> np.ndarray:
        """Read the true alpha, (H, W) float64 in [0, 1]."""
        values = np.asarray(Image.open(self.truth) if self.labels else Image.open(self.truth).convert("L"))
        return np.isin(values, self.labels).astype(float) if self.labels else values / 255

    def read_unknown(self) -> np.ndarray | None:
        """Read the unknown region of the trimap, (H, W) bool; None if the benchmark has no trimaps."""
        if self.trimap is None:
            return None
        values = np.asarray(Image.open(self.trimap).convert("L"))
        # Trimaps of P3M hold 0, 128 and 255; detail maps hold only 0 and 255.
        return values == 128 if (values == 128).any() else values > 0


@dataclass(frozen=True)
class Layout:
    """How a benchmark is read and evaluated.

    Attributes:
        cases: lists the objects in a folder.
        guidance: the guidance that the paper uses for this benchmark.
        instances: images contain several objects, so that IMQ applies.
        hard: the truth is a binary mask, not an alpha.
    """

    cases: Callable[[Path], Iterator[Case]]
    guidance: Guidance
    instances: bool = False
    hard: bool = False


def _folders(
    images: str, alphas: str, trimaps: str | None = None, suffix: str = ".png"
) -> Callable[[Path], Iterator[Case]]:
    """Return a reader for one object per image and one folder for each kind of file."""

    def cases(root: Path) -> Iterator[Case]:
        for image in _list_images(root / images):
            trimap = root / trimaps / f"{image.stem}.png" if trimaps else None
            yield Case(image.stem, image, root / alphas / f"{image.stem}{suffix}", trimap)

    return cases


def _him2k(half: str) -> Callable[[Path], Iterator[Case]]:
    """Return a reader for one half of HIM2K, "natural" or "comp"."""

    def cases(root: Path) -> Iterator[Case]:
        for image in _list_images(root / "images" / half):
            for alpha in sorted((root / "alphas" / half / image.stem).glob("*.png")):
                yield Case(f"{image.stem}/{alpha.stem}", image, alpha)

    return cases


def _rw100(root: Path) -> Iterator[Case]:
    labels = json.loads((root / "refmatte_rw100_label.json").read_text())
    chosen = json.loads((root / "eval_index_expression.json").read_text())
    for image in _list_images(root / "image_all"):
        label = labels[image.stem]
        text = label["expressions"][chosen[label["image_name"]]]
        yield Case(image.stem, image, root / "mask" / f"{image.stem}.png", text=text)


def _pairs(root: Path) -> Iterator[Case]:
    for truth in sorted(root.rglob("*_alpha.png")):
        stem = truth.name.removesuffix("_alpha.png")
        images = [
            truth.with_name(stem + suffix) for suffix in _IMAGE_SUFFIXES if truth.with_name(stem + suffix).exists()
        ]
        if images:
            trimap = truth.with_name(f"{stem}_trimap.png")
            name = str(truth.parent.relative_to(root) / stem)
            yield Case(name, images[0], truth, trimap if trimap.exists() else None)


def _segments(root: Path) -> Iterator[Case]:
    named = json.loads((root / NAMES).read_text("utf-8")) if (root / NAMES).exists() else {}
    for image in sorted(path for path in (root / "photos").glob("*/*") if path.suffix in (".jpg", ".webp")):
        source, truth = image.parent.name, image.with_suffix(".png")
        labels = np.asarray(Image.open(truth))
        found = [int(v) for v in np.unique(labels[labels > 0])]
        if source == "ccp":  # the labels are parts of one person, and their union is the object
            yield Case(f"{source}/{image.stem}", image, truth, labels=tuple(found))
            continue
        for label in found:
            if (labels == label).mean() >= MIN_SEGMENT_AREA:
                names = named.get(f"{source}/{image.stem}", {})
                name = names.get(str(label))
                text = name if list(names.values()).count(name) == 1 else None
                yield Case(f"{source}/{image.stem}_{label}", image, truth, labels=(label,), text=text)


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
    """Read all cases of a benchmark, sorted by name.

    Args:
        layout: a key of `LAYOUTS`.
        root: the benchmark's folder.

    Raises:
        MamError: the layout is unknown, the folder holds no case of it, or a case lacks a file.
    """
    if layout not in LAYOUTS:
        raise MamError(f"no layout {layout!r}; expected one of {', '.join(LAYOUTS)}.")
    try:
        cases = sorted(LAYOUTS[layout].cases(root), key=lambda case: case.name)
    except (FileNotFoundError, KeyError) as error:
        raise MamError(
            f"{root} is no {layout}: {error} is missing; see training/evaluation/benchmarks.py for the layout."
        ) from None
    if not cases:
        raise MamError(f"no images of layout {layout} in {root}; see training/evaluation/benchmarks.py for the layout.")
    for case in cases:
        for file in filter(None, (case.truth, case.trimap)):
            if not file.exists():
                raise MamError(f"{case.image} has no {file}, which the layout {layout} needs.")
    return cases


def alone_in_image(cases: Sequence[Case]) -> list[Case]:
    """Return the cases with an image of their own, so that its main object is known."""
    counts = Counter(case.image for case in cases)
    return [case for case in cases if counts[case.image] == 1]


def _list_images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix.lower() in _IMAGE_SUFFIXES)
