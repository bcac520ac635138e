"""Mask IoU and what is asked for."""

import numpy as np
import pytest
from PIL import Image

from mam.__main__ import main
from mam.evaluation.masks import evaluate_masks, iou, targets
from tests.conftest import EXAMPLES


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [([1, 1, 0, 0], [1, 0, 0, 0], 0.5), ([0, 0], [0, 0], 1.0), ([1, 0], [0, 1], 0.0), ([1, 1], [1, 1], 1.0)],
)
def test_iou(a, b, expected) -> None:
    assert iou(np.array(a, bool), np.array(b, bool)) == expected


def test_targets() -> None:
    labels = np.zeros((10, 100), np.uint8)
    labels[0, :50], labels[5, 0], labels[7:9, 10:60] = 3, 4, 9
    assert [(label, int(mask.sum())) for label, mask in targets("coco", labels)] == [(3, 50), (9, 100)]
    assert [(label, int(mask.sum())) for label, mask in targets("ccp", labels)] == [(1, 151)]


@pytest.fixture()
def data(tmp_path):
    folder = tmp_path / "photos" / "davis"
    folder.mkdir(parents=True)
    Image.open(EXAMPLES / "flower.jpg").save(folder / "flower.jpg")
    y, x = np.mgrid[:427, :640]
    disc = ((x - 313) ** 2 / 133**2 + (y - 220) ** 2 / 138**2 < 1).astype(np.uint8)  # roughly the blossom
    Image.fromarray(disc).save(folder / "flower.png")
    return tmp_path


def test_flower_is_found_by_box_and_click(matting, data) -> None:
    (score,) = evaluate_masks(matting, data, ["davis"])
    assert (score.source, score.photo, score.label) == ("davis", "flower", 1)
    assert score.box > 0.7 and score.click > 0.5


def test_command_prints_a_table(data, capsys) -> None:
    assert main(["evaluate", str(data), "--sources", "davis", "--device", "cpu"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:2] == ["davis", "1"]
    assert main(["evaluate", str(data), "--sources", "coco"]) == 1
    assert "no photographs in" in capsys.readouterr().err
