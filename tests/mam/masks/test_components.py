"""Connected regions."""

import numpy as np
import pytest
from scipy import ndimage

from mam.masks.components import label_regions


@pytest.mark.parametrize("share", [0.0, 0.1, 0.4, 0.6, 0.9, 1.0])
def test_regions_are_those_of_scipy(share) -> None:
    mask = np.random.default_rng(7).random((43, 61)) < share
    labels, (expected, count) = label_regions(mask), ndimage.label(mask)
    assert labels.max() == count and np.array_equal(labels > 0, mask)
    assert len(np.unique(np.stack([labels, expected]).reshape(2, -1), axis=1).T) == count + (not mask.all())


def test_a_spiral_is_one_region() -> None:
    mask = np.array([[1, 1, 1, 1], [0, 0, 0, 1], [1, 1, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1]], bool)
    assert label_regions(mask).max() == 1
