"""Connected regions."""

import numpy as np
import pytest
from scipy import ndimage

from mam.masks.components import are_apart, bounds_without_islands, label_regions


@pytest.mark.parametrize("share", [0.0, 0.1, 0.4, 0.6, 0.9, 1.0])
def test_regions_are_those_of_scipy(share) -> None:
    mask = np.random.default_rng(7).random((43, 61)) < share
    labels, (expected, count) = label_regions(mask), ndimage.label(mask)
    assert labels.max() == count and np.array_equal(labels > 0, mask)
    assert len(np.unique(np.stack([labels, expected]).reshape(2, -1), axis=1).T) == count + (not mask.all())


def test_a_spiral_is_one_region() -> None:
    mask = np.array([[1, 1, 1, 1], [0, 0, 0, 1], [1, 1, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1]], bool)
    assert label_regions(mask).max() == 1


def test_islands_are_outside_the_box() -> None:
    mask = np.zeros((300, 700), bool)
    mask[41:240, 41:240] = mask[:30, 600:650] = mask[200:299, 500:699] = True  # the second is under a tenth
    mask[1, 1] = True  # between the sampled pixels
    assert bounds_without_islands(mask) == (42, 42, 699, 300)
    assert bounds_without_islands(mask[:2, :2]) == (1, 1, 2, 2)
    assert bounds_without_islands(mask[:30, 590:]) == (10, 0, 60, 30)
    assert bounds_without_islands(mask[:9, 9:99]) is None


@pytest.mark.parametrize(("x", "apart"), [(100, False), (108, False), (150, True)])
def test_objects_with_a_gap_are_apart(x, apart) -> None:
    one, other = np.zeros((2, 400, 512), bool)
    one[50:200, 20:100] = other[60:90, x : x + 40] = True
    assert are_apart(one, other) == apart
