"""The pointing game for text models: whether the best answer to a category's name points at such an object.

    ROOT/photos/SOURCE/ID.jpg     the image, and ID.png, its label map
    ROOT/coco_labels.json         "SOURCE/ID" -> label value -> name of the category

Source: Zhang et al. 2016, "Top-down Neural Attention by Excitation Backprop", section 4.1, with the centre of a box
for the maximum of a map, where a model scores boxes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mam.errors import MamError, UnknownWord
from mam.images import open_photo
from mam.text import FoundBoxes, TextModel
from training.evaluation.benchmarks import NAMES

MIN_AREA = 0.02  # of the image, for all objects of a category together


@dataclass(frozen=True)
class Named:
    """The objects of one category in one image.

    Attributes:
        image: the image file.
        category: its name.
        truth: the label map.
        labels: the objects' labels.
    """

    image: Path
    category: str
    truth: Path
    labels: tuple[int, ...]

    def mask(self) -> np.ndarray:
        """Return (H, W) bool, true on the objects."""
        return np.isin(np.asarray(Image.open(self.truth)), self.labels)


@dataclass(frozen=True)
class Pointed:
    """One answer.

    Attributes:
        category: that was asked for.
        is_hit: the best box has its point, or its centre, on such an object; False if there is no box.
        chance: share of the image that the objects cover, the accuracy of a random point.
    """

    category: str
    is_hit: bool
    chance: float


def read_names(root: Path) -> dict[str, dict[str, str]]:
    """Read `coco_labels.json` of a folder: for each photograph ("coco/ID"), the name of each value of its label map.

    Raises:
        MamError: it is missing or broken.
    """
    try:
        names: dict[str, dict[str, str]] = json.loads((root / NAMES).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise MamError(f"{root} has no {NAMES} with the names of objects ({error}).") from None
    return names


def read_named(root: Path) -> list[Named]:
    """Read the categories of all images of a folder that cover at least 2% of their image.

    Raises:
        MamError: the names or the images are missing.
    """
    names = read_names(root)
    found = []
    for key, labels in sorted(names.items()):
        image, truth = root / "photos" / f"{key}.jpg", root / "photos" / f"{key}.png"
        if not image.exists() or not truth.exists():
            raise MamError(f"{root} has no {image.relative_to(root)} and .png, which {NAMES} names.")
        for category in sorted(set(labels.values())):
            one = Named(image, category, truth, tuple(int(k) for k, name in labels.items() if name == category))
            if one.mask().mean() >= MIN_AREA:
                found.append(one)
    return found


def point(model: TextModel, named: Sequence[Named]) -> Iterator[Pointed]:
    """Ask a text model for each category of each image.

    Args:
        model: finds boxes; a category that it does not know is a miss.
        named: as from `read_named`.
    """
    for one in named:
        mask, boxes = one.mask(), _find(model, one)
        is_hit = False
        if boxes:
            x0, y0, x1, y1 = boxes[0].box
            x, y = boxes[0].point or ((x0 + x1) / 2, (y0 + y1) / 2)
            row, column = int(y), int(x)
            is_hit = bool(mask[min(row, mask.shape[0] - 1), min(column, mask.shape[1] - 1)])
        yield Pointed(one.category, is_hit, float(mask.mean()))


def _find(model: TextModel, one: Named) -> FoundBoxes | None:
    try:
        return model.find(open_photo(one.image).pixels, one.category, box_threshold=0.0)
    except UnknownWord:
        return None


def summary(answers: Sequence[Pointed]) -> str:
    """Return the accuracy over all answers, over persons, and of a random point, as text."""
    lines = [f"pointing: {_share(answers)}; a random point: {np.mean([one.chance for one in answers]):.0%}"]
    people = [one for one in answers if one.category == "person"]
    return "; ".join([*lines, *([f"persons: {_share(people)}"] if people else [])])


def _share(answers: Sequence[Pointed]) -> str:
    return f"{np.mean([one.is_hit for one in answers]):.0%} of {len(answers)}"
