"""Crops, pasted objects and their shadows, and the choice of labels."""

import numpy as np
import pytest
from PIL import Image

from training.augmentation import choose_label, crop_around, jitter, paste, random_crop, view


def test_a_shadow_darkens_the_background_and_is_not_part_of_the_object():
    grey = Image.new("RGB", (100, 100), (200, 200, 200))
    white = Image.new("RGBA", (40, 40), (255, 255, 255, 255))
    shadows = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        image, labels = paste(rng, grey, np.zeros((100, 100), np.uint8), white, 0.4)
        assert labels.max() == 1
        shadows += int((np.asarray(image)[labels == 0] < 190).any())
    assert 4 <= shadows <= 16


def test_crops_lie_inside_the_image():
    labels = np.zeros((50, 80), np.uint8)
    labels[20:30, 60:80] = 1
    for seed in range(50):
        rng = np.random.default_rng(seed)
        for x0, y0, x1, y1 in (crop_around(rng, labels > 0), random_crop(rng, labels)):
            assert 0 <= x0 < x1 <= 80 and 0 <= y0 < y1 <= 50
            assert labels[y0:y1, x0:x1].any()


def test_a_view_has_the_longest_side_and_keeps_image_and_labels_aligned():
    labels = np.zeros((60, 90), np.uint8)
    labels[10:50, 20:40] = 1
    image = Image.fromarray(np.repeat(labels[..., None] * 255, 3, 2))
    for seed in range(10):
        seen, moved = view(np.random.default_rng(seed), image, labels, (5, 5, 85, 55), 64)
        assert max(seen.size) == 64 and moved.shape == (seen.height, seen.width)
        assert ((np.asarray(seen)[..., 0] > 127) == (moved > 0)).mean() > 0.95


def test_colours_change_and_sizes_stay():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8))
    changed = [np.asarray(jitter(np.random.default_rng(seed), image)) for seed in range(40)]
    assert {pixels.shape for pixels in changed} == {(20, 30, 3)}
    assert sum(not np.array_equal(pixels, np.asarray(image)) for pixels in changed) > 30


@pytest.mark.parametrize(("share", "expected"), [(0.0, None), (0.05, None), (0.5, 1), (0.98, None)])
def test_only_labels_of_a_useful_size_are_chosen(share, expected):
    labels = np.zeros((10, 100), np.uint8)
    labels[:, : round(100 * share)] = 1
    assert choose_label(np.random.default_rng(0), labels, smallest=0.1) == expected
