"""Holes and specks that nobody asked for."""

import numpy as np
import pytest

from mam.masks.cleanup import clean_up

NO_CLICKS = np.zeros((0, 2)), np.zeros(0, np.int64)


def scene() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Alpha, pixels and mask of a red disc on blue, in an image of 500 x 400 pixels."""
    rows, columns = np.mgrid[:400, :500]
    disc = np.hypot(columns - 250, rows - 200) < 120
    pixels = np.where(disc[..., None], np.uint8((200, 30, 30)), np.uint8((20, 40, 180)))
    return disc.astype(np.float32), pixels, disc


def circle(x: int, y: int, radius: int) -> np.ndarray:
    rows, columns = np.mgrid[:400, :500]
    return np.hypot(columns - x, rows - y) < radius


def test_a_hole_of_another_colour_than_the_background_is_filled() -> None:
    alpha, pixels, mask = scene()
    hole = circle(230, 180, 8)
    pixels[hole] = (0, 0, 0)  # a dark pupil
    opened = np.where(hole, np.float32(0), alpha)
    cleaned = clean_up(opened, pixels, mask, *NO_CLICKS)
    assert np.array_equal(cleaned, alpha)
    kept = clean_up(opened, pixels, mask, np.array([(230.0, 180.0)]), np.array([0]))
    assert np.array_equal(kept, opened)  # it was clicked away


@pytest.mark.parametrize("case", ["background", "mask", "large", "many"])
def test_a_hole_that_shows_the_background_is_kept(case) -> None:
    alpha, pixels, mask = scene()
    hole = circle(230, 180, 40 if case == "large" else 8)
    if case == "many":
        hole = np.logical_or.reduce([circle(180 + 30 * k, 180, 8) for k in range(5)])
    pixels[hole] = (20, 40, 180) if case == "background" else (0, 0, 0)
    if case == "mask":
        mask = mask & ~hole
    opened = np.where(hole, np.float32(0), alpha)
    assert np.array_equal(clean_up(opened, pixels, mask, *NO_CLICKS), opened)


@pytest.mark.parametrize("radius", [3, 20])
def test_a_speck_far_away_is_removed_unless_it_was_clicked(radius) -> None:
    alpha, pixels, mask = scene()
    far, near = circle(40, 40, radius), circle(250, 75 - radius, radius)  # the second one like a hair beside the object
    speckled = np.maximum(alpha, far | near).astype(np.float32)
    cleaned = clean_up(speckled, pixels, mask, *NO_CLICKS)
    assert not cleaned[far].any() and cleaned[near].all() and np.array_equal(cleaned[mask], alpha[mask])
    assert clean_up(speckled, pixels, mask, np.array([(40.0, 40.0)]), np.array([1]))[far].all()


def test_an_alpha_without_either_is_returned_as_it_is() -> None:
    alpha, pixels, mask = scene()
    assert clean_up(alpha, pixels, mask, *NO_CLICKS) is alpha
    empty = np.zeros((3, 5), np.float32)
    assert clean_up(empty, np.zeros((3, 5, 3), np.uint8), empty > 0, *NO_CLICKS) is empty
