"""Metrics against values computed by the authors' code (tests/reference/README.md), and edge cases."""

import json
from pathlib import Path

import numpy as np
import pytest

from training.evaluation.metrics import (
    InstanceTally,
    iou,
    largest_region,
    match_instances,
    matte_errors,
    unknown_region,
)

REFERENCE = Path(__file__).parents[2] / "reference"
ARRAYS = np.load(REFERENCE / "metrics.npz")
VALUES = json.loads((REFERENCE / "metrics.json").read_text())


@pytest.mark.parametrize("case", range(3))
@pytest.mark.parametrize("where", ["all", "tri"])
def test_matte_errors_equal_the_authors(case, where):
    predicted, truth, trimap = (ARRAYS[f"{case}_{name}"] for name in ("pred", "gt", "trimap"))
    errors = matte_errors(predicted / 255, truth / 255, None if where == "all" else trimap == 128)
    for name, value in VALUES["matte_metrics"][case][where].items():
        assert getattr(errors, name) == pytest.approx(value, rel=1e-9), name


@pytest.mark.parametrize("expected", VALUES["imq"], ids=lambda e: f"threshold {e['threshold']}")
def test_imq_equals_the_authors(expected):
    tally = match_instances(ARRAYS["imq_pred"] / 255, ARRAYS["imq_gt"] / 255, expected["threshold"])
    assert (tally.tp, tally.fp, tally.fn) == (expected["tp"], expected["fp"], expected["fn"])
    for name, value in tally.quality().items():
        # The authors add 1e-6 to the denominator of 3.5 and sum in single precision.
        assert value == pytest.approx(expected[f"imq_{name}"], rel=2e-6), name


def test_tallies_of_images_add_up():
    one = match_instances([np.ones((8, 8))], [np.ones((8, 8))])
    missed = match_instances([], [np.ones((8, 8))])
    assert (one + missed).quality()["mad"] == pytest.approx(1 / 1.5)
    assert InstanceTally().quality()["iou"] == 0


def test_a_perfect_matte_has_no_error():
    alpha = np.clip(np.linspace(-0.5, 1.5, 64)[None] * np.ones((48, 1)), 0, 1)
    assert matte_errors(alpha, alpha) == matte_errors(alpha, alpha, np.zeros((48, 64), bool))
    assert matte_errors(alpha, alpha).sad == 0


def test_a_disconnected_region_has_a_connectivity_error():
    truth = np.zeros((64, 64))
    truth[:, :48] = 1
    predicted = truth.copy()
    predicted[20:24, 56:60] = 1
    errors = matte_errors(predicted, truth)
    assert errors.sad == pytest.approx(0.016) and errors.conn == pytest.approx(0.016) and errors.grad > 0


def test_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(4, 4\).*\(4, 5\)"):
        matte_errors(np.zeros((4, 4)), np.zeros((4, 5)))


def test_iou_and_regions():
    a, b = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    assert iou(a, b) == 1
    a[:2], b[1:3] = True, True
    assert iou(a, b) == pytest.approx(1 / 3)
    a[3, 3] = True
    assert largest_region(a).sum() == 8 and not largest_region(np.zeros((3, 3), bool)).any()


def test_the_unknown_region_lies_around_the_edge():
    alpha = np.zeros((60, 60))
    alpha[20:40, 20:40] = 1
    region = unknown_region(alpha, width=4)
    assert region[20, 20] and region[17, 30] and not region[30, 30] and not region[5, 5]
