"""Training of the head that finds objects by name: photographs, features, loss, a run."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from mam.errors import MamError
from mam.model.variants import VARIANTS
from mam.nets import checkpoint
from mam.nets.tiny.words import Classifier, WordHead, read_classes
from training import run, words
from training.recipes import RECIPES
from training.words import WordExamples, read_named_photos, word_loss

NAMES = list(read_classes())


@pytest.fixture(scope="module")
def named(data):
    """The made-up training folder, with names for its objects."""
    (data / "coco_labels.json").write_text(json.dumps({"coco/1": {"1": "dog", "2": "cup"}, "coco/2": {"1": "dog"}}))
    return data


@pytest.fixture(scope="module")
def classifier():
    torch.manual_seed(0)
    return Classifier(list(read_classes().values())).eval()


@pytest.fixture()
def small(monkeypatch):
    """Small views, for speed."""
    monkeypatch.setattr(words, "VIEWS", ((64, False), (64, True)))


def test_labels_become_numbers_of_names_and_whole_objects_of_their_source(named) -> None:
    photos = read_named_photos(named, NAMES)
    assert [photo.image.name for photo in photos] == ["1.jpg", "2.jpg", "a.jpg"]  # one of six photographs of ccp
    dog, cup = NAMES.index("dog") + 1, NAMES.index("cup") + 1
    assert photos[0].numbers == {1: dog, 2: cup} and photos[1].numbers == {1: dog}
    assert set(photos[2].numbers.values()) == {NAMES.index("person") + 1}


def test_missing_names_are_an_error(tmp_path) -> None:
    with pytest.raises(MamError, match=r"has no coco_labels\.json"):
        read_named_photos(tmp_path, NAMES)


def test_a_mirrored_view_has_mirrored_labels(named, classifier) -> None:
    photo = read_named_photos(named, NAMES)[0]
    views = words.NamedPhoto(photo.image, photo.labels, photo.numbers, ((64, False), (64, True)))
    plain, mirrored = WordExamples(classifier, [views]).examples
    assert np.array_equal(plain["labels"], mirrored["labels"][:, ::-1]) and plain["labels"].any()
    assert plain["fine"].shape == (152, *plain["labels"].shape)


def test_examples_are_padded_and_come_in_a_new_order_each_time(named, classifier) -> None:
    photo = read_named_photos(named, NAMES)[0]
    views = words.NamedPhoto(photo.image, photo.labels, photo.numbers, ((128, False), (64, True)))
    examples = WordExamples(classifier, [views])
    drawn = [examples[i] for i in range(8)]
    assert {one["fine"].shape for one in drawn} == {(152, 8, 8)} and {one["top"].shape for one in drawn} == {
        (1280, 4, 4)
    }
    assert (drawn[0]["labels"][-1] == 255).all()
    for first in range(0, 8, 2):  # each view once per round
        assert not np.array_equal(drawn[first]["labels"], drawn[first + 1]["labels"])
    assert all(np.array_equal(examples[3][name], drawn[3][name]) for name in drawn[3])


def test_rare_names_weigh_more_but_not_without_limit(named, classifier, small) -> None:
    photos = read_named_photos(named, NAMES)
    weights = WordExamples(classifier, photos).weights()
    assert weights[0] == 1 and weights.max() <= 6
    assert weights[NAMES.index("zebra") + 1] >= weights[NAMES.index("dog") + 1]


class Fixed(torch.nn.Module):
    """Stands for the head: logits that are given."""

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, *features):
        return self.logits


def test_the_loss_prefers_the_right_place_and_ignores_padding() -> None:
    labels = torch.zeros(1, 4, 4, dtype=torch.uint8)
    labels[0, :2, :2], labels[0, :, 3] = 1, 255
    unused = {"fine": torch.zeros(1), "top": torch.zeros(1), "evidence": torch.zeros(1), "labels": labels}

    def loss(row: int, column: int) -> dict[str, float]:
        logits = torch.zeros(1, 3, 4, 4)
        logits[0, 1, row : row + 2, column : column + 2] = 8.0
        return word_loss(Fixed(logits), unused, torch.ones(3))[1]

    right, wrong = loss(0, 0), loss(2, 1)
    assert right["where"] < 0.01 < 2 < wrong["where"] and right["what"] < wrong["what"]
    assert right["which"] == pytest.approx(wrong["which"])
    outside = torch.zeros(1, 3, 4, 4)
    outside[0, :, :, 3] = 50.0
    assert word_loss(Fixed(outside), unused, torch.ones(3))[1]["where"] == pytest.approx(math.log(12 / 4), abs=1e-5)


def test_an_image_without_names_has_a_loss_too() -> None:
    labels = torch.zeros(1, 4, 4, dtype=torch.uint8)
    unused = {"fine": torch.zeros(1), "top": torch.zeros(1), "evidence": torch.zeros(1), "labels": labels}
    loss, figures = word_loss(Fixed(torch.zeros(1, 3, 4, 4)), unused, torch.ones(3))
    assert torch.isfinite(loss) and figures["where"] == 0


def test_a_run_learns_and_uses_the_statistics_of_imagenet(named, tmp_path, small, classifier, monkeypatch) -> None:
    torch.save(Classifier(list(read_classes().values())).state_dict(), tmp_path / "whole.pt")
    state = torch.load(tmp_path / "whole.pt", weights_only=True)
    torch.save({name.removeprefix("backbone."): value for name, value in state.items()}, tmp_path / "imagenet.pt")
    monkeypatch.setattr(run, "find_backbone", lambda: tmp_path / "imagenet.pt")
    modes = []
    make = WordExamples.__init__

    def watch(self, classifier, photos, seed=0):
        modes.append(classifier.training or classifier._bn1.training)
        make(self, classifier, photos, seed)

    monkeypatch.setattr(WordExamples, "__init__", watch)
    lines: list[str] = []
    recipe = RECIPES["tiny-words"].replace(steps=50, batch=2, lr=3e-3, warmup=1)
    file = run.train_words(recipe, named, tmp_path / "out", log=lines.append)
    assert file == Path(tmp_path / "out" / "tiny_words.pt") and modes == [False]
    head = WordHead(len(NAMES))
    checkpoint.fill(head, checkpoint.read_state(file, VARIANTS["tiny"]), [file])
    assert head.out.weight.abs().max() > 0 and "where" in lines[-1]
