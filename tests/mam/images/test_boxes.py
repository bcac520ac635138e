"""Boxes around masks."""

import numpy as np
import pytest

from mam.images.boxes import full_box, mask_bounds, pad_box


def test_bounds_are_tight_and_exclusive() -> None:
    mask = np.zeros((6, 9), bool)
    mask[2, 3] = mask[4, 7] = True
    assert mask_bounds(mask) == (3, 2, 8, 5)
    x0, y0, x1, y1 = mask_bounds(mask)
    assert mask[y0:y1, x0:x1].sum() == mask.sum()
    assert mask_bounds(np.ones((6, 9), bool)) == full_box((6, 9)) == (0, 0, 9, 6)
    assert mask_bounds(np.zeros((6, 9), bool)) is None


@pytest.mark.parametrize(("by", "padded"), [(0, (3, 2, 8, 5)), (2, (1, 0, 9, 6)), (50, (0, 0, 9, 6))])
def test_padding_is_clipped_to_the_image(by: int, padded: tuple[int, ...]) -> None:
    assert pad_box((3, 2, 8, 5), by, (6, 9)) == padded
