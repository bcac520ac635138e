"""Connected regions."""

import numpy as np
import pytest
from scipy import ndimage

from mam.masks.components import find_islands, label_regions


@pytest.mark.parametrize("share", [0.0, 0.1, 0.4, 0.6, 0.9, 1.0])
def test_regions_are_those_of_scipy(share) -> None:
    mask = np.random.default_rng(7).random((43, 61)) < share
    labels, (expected, count) = label_regions(mask), ndimage.label(mask)
    assert labels.max() == count and np.array_equal(labels > 0, mask)
    assert len(np.unique(np.stack([labels, expected]).reshape(2, -1), axis=1).T) == count + (not mask.all())


def test_a_spiral_is_one_region() -> None:
    mask = np.array([[1, 1, 1, 1], [0, 0, 0, 1], [1, 1, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1]], bool)
    assert label_regions(mask).max() == 1


def test_islands_are_regions_under_a_tenth() -> None:
    mask = np.zeros((300, 700), bool)
    mask[40:240, 40:240] = mask[:30, 600:650] = mask[200:299, 500:699] = True
    islands = find_islands(mask)
    assert islands[:30, 600:650].all() and islands.sum() == 30 * 50
    assert not find_islands(mask[:30, 590:]).any()
