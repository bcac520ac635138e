"""Training of the head that finds objects by name (`mam.nets.tiny.words`), on features that are computed once.

DATA/coco_labels.json       "coco/ID" -> label value -> name of the object
DATA/photos/coco/ID.jpg     with ID.png, its label map; other sources as in `SOURCES`
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from mam.nets.tiny.words import Classifier, WordHead
from mam.text.closed_set import prepare_image
from training.evaluation.pointing import read_names

SOURCES = {"ccp": ("person", 6), "feral_cat": ("cat", 5)}
"""Sources with objects of one name. One of so many photographs is used, so that they do not outweigh coco."""
VIEWS = ((640, False), (640, True), (448, False))
OTHER_VIEWS = ((448, False), (320, True))
"""Views of coco's photographs and of the others: longest side in pixels, and whether they are mirrored."""

_CELL = 16  # pixels of an image per logit
_IGNORED = 255  # label of cells outside the image
_HEAVIEST = 6.0  # weight of a rare name, relative to none of the names
_SMALLEST = 0.004  # share of the cells from which an object's place is learnt


@dataclass(frozen=True)
class NamedPhoto:
    """A photograph, its label map, and how it is used.

    Attributes:
        image: the image file.
        labels: its label map.
        numbers: for each label the number of its name, from 1; other labels are background.
        views: as `VIEWS`.
    """

    image: Path
    labels: Path
    numbers: Mapping[int, int]
    views: Sequence[tuple[int, bool]]


def read_named_photos(root: Path, names: Sequence[str]) -> list[NamedPhoto]:
    """Find the photographs of a data folder that have names.

    Args:
        root: see the module's docstring.
        names: in the order of the head's outputs.

    Raises:
        MamError: the names are missing.
    """
    labels = read_names(root)
    number = {name: k for k, name in enumerate(names, 1)}
    photos = [
        NamedPhoto(
            root / "photos" / f"{key}.jpg",
            root / "photos" / f"{key}.png",
            {int(label): number[name] for label, name in own.items() if name in number},
            VIEWS,
        )
        for key, own in sorted(labels.items())
    ]
    for source, (name, every) in SOURCES.items():
        images = sorted(path for path in (root / "photos" / source).glob("*.*") if path.suffix in (".jpg", ".webp"))
        numbers = dict.fromkeys(range(1, 256), number[name])
        photos += [NamedPhoto(image, image.with_suffix(".png"), numbers, OTHER_VIEWS) for image in images[::every]]
    return photos


class WordExamples(Dataset):
    """Features and labels of photographs, each in several views, in random order.

    The values of an example are padded to the size of the largest view.

    Args:
        classifier: computes the features, once.
        photos: to train on.
        seed: seeds the order.
    """

    def __init__(self, classifier: Classifier, photos: Sequence[NamedPhoto], seed: int = 0) -> None:
        self.seed, self.cells = seed, max(side for photo in photos for side, _ in photo.views) // _CELL
        self.examples = [example for photo in photos for example in _examples(classifier, photo)]

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        epoch, number = divmod(index, len(self.examples))
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.examples))
        example = self.examples[order[number]]
        padded = {}
        for name, values in example.items():
            side = self.cells if name in ("fine", "labels") else self.cells // 2
            rows, columns = (side - length for length in values.shape[-2:])
            around = [(0, 0)] * (values.ndim - 2) + [(0, rows), (0, columns)]
            padded[name] = np.pad(values, around, constant_values=_IGNORED if name == "labels" else 0)
        return padded

    def weights(self) -> Tensor:
        """Return the weight of each label in the loss, (1 + N): rare names weigh more, by the square root."""
        names = self.examples[0]["evidence"].shape[0] // 2
        shares = np.zeros(1 + names)
        for example in self.examples:
            shares += np.bincount(example["labels"].ravel(), minlength=1 + names) / example["labels"].size
        weights = np.sqrt((shares[0] + 1) / (shares + 1)).clip(max=_HEAVIEST)
        return torch.from_numpy(weights).float()


@torch.inference_mode()
def _examples(classifier: Classifier, photo: NamedPhoto) -> Iterator[dict[str, np.ndarray]]:
    image = np.asarray(Image.open(photo.image).convert("RGB"))
    numbers = np.zeros(256, np.uint8)
    for label, number in photo.numbers.items():
        numbers[label] = number
    labels = Image.fromarray(numbers[np.asarray(Image.open(photo.labels))])
    for side, mirrored in photo.views:
        pixels = torch.from_numpy(prepare_image(image, side))
        fine, top, evidence = classifier(pixels.flip(3) if mirrored else pixels)
        h, w = fine.shape[2:]
        small = np.asarray(labels.resize((w, h), Image.Resampling.NEAREST))
        yield {
            "fine": fine[0].half().numpy(),
            "top": top[0].half().numpy(),
            "evidence": evidence[0].half().numpy(),
            "labels": np.ascontiguousarray(small[:, ::-1] if mirrored else small),
        }


def word_loss(head: WordHead, examples: Mapping[str, Tensor], weights: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Compute the loss of a batch: what is at each place, which names are in the image, and where each one is.

    Args:
        head: in training mode.
        examples: `fine`, `top`, `evidence` and `labels` of B examples.
        weights: (1 + N), as from `WordExamples.weights`.
    """
    logits = head(*(examples[name].float() for name in ("fine", "top", "evidence"))).float()
    labels = examples["labels"].long()
    what = F.cross_entropy(logits, labels, weights, ignore_index=_IGNORED)
    ones = torch.ones_like(labels, dtype=logits.dtype).flatten(1)
    counts = logits.new_zeros(len(labels), 256).scatter_add_(1, labels.flatten(1), ones)
    covered = counts[:, 1 : logits.shape[1]] / labels[0].numel()  # share of the cells, (B, N)
    outside = (labels == _IGNORED).unsqueeze(1)
    names = logits[:, 1:].masked_fill(outside, -1e4)
    # The highest places for a name in the image must pass those where there is none, and the other way round.
    peaks = (names - logits[:, :1]).flatten(2).topk(4, 2).values.mean(2)
    is_there = (covered > 0).float()
    which = F.binary_cross_entropy_with_logits(peaks, is_there, pos_weight=torch.full_like(is_there[0], 4.0))
    # For a name in the image, a distribution over places: its mass on the objects.
    example, name = (covered > _SMALLEST).nonzero(as_tuple=True)
    places = names[example, name].flatten(1).log_softmax(1)
    on_object = labels[example].flatten(1) == name.unsqueeze(1) + 1
    where = -places.masked_fill(~on_object, -1e4).logsumexp(1).mean() if len(name) else logits.new_zeros(())
    loss = what + 0.3 * which + 0.5 * where
    return loss, {"what": what.item(), "which": which.item(), "where": where.item()}
