"""Rows of a dataset: prompts as tables hold them, results, and failures as rows with a reason."""

import io
import math

import numpy as np
import pytest
from PIL import Image

from mam import Matting
from mam.cluster.cutter import Cutter, fail_for_death
from mam.compose.composition import OutputOptions
from tests.conftest import EXAMPLES, FLOWER_BOX
from tests.mock_graphs import MockGraphs
from tests.pictures import encode

FLOWER = str(EXAMPLES / "flower.jpg")


@pytest.fixture()
def cutter() -> Cutter:
    return Cutter(Matting(MockGraphs()), OutputOptions(), skip_existing=True)


def alpha_of(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).getchannel("A"))


def test_bytes_in_and_two_files_out(cutter) -> None:
    content = (EXAMPLES / "flower.jpg").read_bytes()
    row = cutter({"image": content, "id": 7, "box": np.array(FLOWER_BOX), "points": None, "text": None})
    assert (row["id"], row["image"], row["status"], row["reason"]) == (7, None, "done", "")
    assert 0 < row["score"] <= 1
    alpha = np.asarray(Image.open(io.BytesIO(row["alpha"])))
    assert alpha.shape == (427, 640) and alpha[215, 310] == 255 and alpha[5, 5] == 0
    assert np.array_equal(alpha_of(row["cutout"]), alpha)


def test_a_result_is_written_once(cutter, tmp_path) -> None:
    out = tmp_path / "new" / "flower.png"
    row = {"image": FLOWER, "result": str(out), "points": np.array([[310.0, 215.0]]), "labels": np.array([1.0])}
    first = cutter(row)
    assert first["status"] == "done" and first["image"] == FLOWER and "cutout" not in first
    assert alpha_of(out.read_bytes())[215, 310] == 255
    out.write_bytes(b"kept")
    second = cutter(row)
    assert second["status"] == "exists" and math.isnan(second["score"]) and out.read_bytes() == b"kept"
    assert first.keys() == second.keys()


def test_strokes_of_different_lengths(cutter) -> None:
    strokes = np.empty(2, object)
    strokes[:] = [np.array([[300.0, 200.0], [320.0, 220.0]]), np.array([[310.0, 215.0]])]
    assert cutter({"image": FLOWER, "scribbles": strokes})["status"] == "done"


def test_a_mask_from_bytes(cutter) -> None:
    row = cutter({"image": FLOWER, "mask": encode(Image.new("L", (640, 427), 255))})
    assert row["status"] == "done" and row["mask"] is None


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"image": b"no image"}, "not an image that can be read"),
        ({"image": "/nowhere/a.jpg"}, "No such file"),
        ({"image": None}, "the row has no image"),
        ({"image": FLOWER, "result": None}, "the row has no result"),
        ({"image": FLOWER, "box": [900.0, 900.0, 910.0, 910.0]}, "does not cover a pixel"),
        ({"image": FLOWER, "result": "a.bmp"}, "ends in none of"),
        ({"image": FLOWER, "result": "https://example.org/a.png"}, "cannot be written to"),
        ({"image": FLOWER, "guidance": 3}, "guidance is 3"),
    ],
)
def test_a_failure_is_a_row_with_a_reason(cutter, row, reason) -> None:
    answer = cutter(row)
    assert answer["status"] == "failed" and reason in answer["reason"] and math.isnan(answer["score"])


def test_a_defect_is_a_row_too(cutter, monkeypatch) -> None:
    def break_down(*arguments) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(Matting, "open", break_down)
    assert cutter({"image": FLOWER})["reason"] == "RuntimeError: a defect"
    assert "the process that worked on this image ended" in fail_for_death({"image": FLOWER})["reason"]
