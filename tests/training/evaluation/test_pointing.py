"""The pointing game: whether the best box for a category's name has its centre on such an object."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.mock_graphs import MockGrounding
from training.__main__ import main
from training.evaluation.pointing import point, read_named, summary


@pytest.fixture()
def folder(tmp_path):
    """An image with a large object at the left, two at the right, and a small one."""
    photos = tmp_path / "photos" / "coco"
    photos.mkdir(parents=True)
    labels = np.zeros((100, 200), np.uint8)
    labels[20:80, 20:80], labels[:10, 150:], labels[40:60, 140:160], labels[90:, 190:] = 1, 2, 3, 4
    Image.fromarray(labels).save(photos / "one.png")
    Image.new("RGB", (200, 100)).save(photos / "one.jpg")
    names = {"1": "left", "2": "right", "3": "right", "4": "person"}
    (tmp_path / "coco_labels.json").write_text(json.dumps({"coco/one": names}))
    return tmp_path


def test_objects_of_a_category_count_together_and_small_ones_do_not(folder) -> None:
    named = read_named(folder)
    assert [(one.category, one.labels) for one in named] == [("left", (1,)), ("right", (2, 3))]
    assert named[1].mask().sum() == 500 + 400


def test_the_centre_of_the_best_box_counts(folder) -> None:
    answers = list(point(MockGrounding(), read_named(folder)))
    assert [(one.category, one.is_hit) for one in answers] == [("left", True), ("right", True)]
    labels = np.asarray(Image.open(folder / "photos/coco/one.png")).copy()
    labels[40:60, 140:160] = 0  # the right half's centre is on nothing
    Image.fromarray(labels).save(folder / "photos/coco/one.png")
    answers = list(point(MockGrounding(), read_named(folder)))
    assert [one.is_hit for one in answers] == [True, False]
    assert summary(answers) == "pointing: 50% of 2; a random point: 10%"


def test_the_command_asks_the_text_model(folder, grounding_folder, capsys, tmp_path) -> None:
    (folder / "coco_labels.json").write_text(json.dumps({"coco/one": {"1": "cat", "2": "dog", "3": "dog"}}))
    options = ["--prompt", "pointing", "--device", "cpu", "--grounding"]
    assert main(["evaluate", str(folder), *options, str(grounding_folder)]) == 0
    assert "% of 2; a random point: 11%" in capsys.readouterr().out
    assert main(["evaluate", str(folder), *options, str(tmp_path / "nothing")]) == 1
    assert "there is no text model in" in capsys.readouterr().err
