"""Mask IoU on photographs with label maps, for tight boxes and for one click in the box's middle."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mam.matting import Matting, Scene
from mam.prompts import Prompt


@dataclass(frozen=True)
class Score:
    """IoU in [0, 1] of one object of one photograph, from each kind of prompt."""

    source: str
    photo: str
    label: int
    box: float
    click: float


def iou(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union of two bool masks of one shape, in [0, 1]; two empty masks agree: 1."""
    union = (predicted | truth).sum()
    return float((predicted & truth).sum() / union) if union else 1.0


def targets(source: str, labels: np.ndarray, smallest: float = 0.01) -> Iterator[tuple[int, np.ndarray]]:
    """The objects to ask for in a (H, W) uint8 label map, as (label, bool mask).

    ccp labels parts of one person: the target is their union. Elsewhere each label over `smallest` of the picture counts.
    """
    if source == "ccp":
        yield 1, labels > 0
        return
    for label in np.unique(labels[labels > 0]):
        mask = labels == label
        if mask.mean() >= smallest:
            yield int(label), mask


def evaluate_masks(matting: Matting, data: Path, sources: list[str]) -> Iterator[Score]:
    """Score every target of `data/photos/<source>/<id>.jpg` with `<id>.png`.

    Args:
        matting: the model.
        data: a folder as `mam.training.data` describes it.
        sources: names of sub-folders.

    Raises:
        FileNotFoundError: a source has no photographs.
    """
    for source in sources:
        files = sorted((data / "photos" / source).glob("*.jpg"))
        if not files:
            raise FileNotFoundError(f"no photographs in {data / 'photos' / source}")
        for file in files:
            scene = matting.open(file)
            for label, truth in targets(source, np.asarray(Image.open(file.with_suffix(".png")))):
                ys, xs = np.flatnonzero(truth.any(1)), np.flatnonzero(truth.any(0))
                box = (xs[0], ys[0], xs[-1] + 1, ys[-1] + 1)
                middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
                yield Score(
                    source,
                    file.stem,
                    label,
                    _score(scene, truth, Prompt(box=box)),
                    _score(scene, truth, Prompt(points=[middle])),
                )


def _score(scene: Scene, truth: np.ndarray, prompt: Prompt) -> float:
    return iou(scene.segment([prompt])[0].mask, truth)
