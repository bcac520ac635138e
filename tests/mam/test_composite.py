"""Colours and backgrounds."""

import numpy as np
import pytest
from PIL import Image

from mam.composite import background_pixels, blurred, checkerboard, foreground_colours, over
from mam.errors import InputError


def test_foreground_is_freed_of_the_old_background() -> None:
    # A red disc with a wide soft edge, photographed on green.
    distance = np.hypot(*np.mgrid[-60:60, -60:60])
    alpha = np.clip((45 - distance) / 20, 0, 1).astype(np.float32)
    red, green = np.uint8([220, 30, 30]), np.uint8([20, 200, 40])
    photo = over(np.broadcast_to(red, (120, 120, 3)), alpha, np.broadcast_to(green, (120, 120, 3)))
    colours = foreground_colours(photo, alpha)
    soft = (alpha > 0.2) & (alpha < 0.8)
    assert np.abs(photo[soft].astype(int) - red).mean() > 50
    assert np.abs(colours[soft].astype(int) - red).mean() < 15
    assert np.array_equal(colours[alpha == 1], photo[alpha == 1])


def test_a_hard_alpha_needs_no_estimate() -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    assert foreground_colours(pixels, np.eye(4, dtype=np.float32)) is pixels


def test_over_is_the_compositing_equation() -> None:
    front, back = np.full((1, 3, 3), 200, np.uint8), np.full((1, 3, 3), 100, np.uint8)
    assert over(front, np.float32([[0, 0.5, 1]]), back)[0, :, 0].tolist() == [100, 150, 200]


@pytest.mark.parametrize("background", ["red", "#ff0000", (255, 0, 0), np.uint8([255, 0, 0])])
def test_colours(background) -> None:
    assert (background_pixels(background, (2, 3)) == (255, 0, 0)).all()


def test_pictures_cover_and_are_cut_evenly() -> None:
    stripes = np.zeros((10, 40, 3), np.uint8)
    stripes[:, 15:25] = 255  # the middle that a square keeps
    assert background_pixels(stripes, (20, 20))[:, 3:-3].min() > 240  # resampling blends the rim
    assert np.array_equal(background_pixels(Image.fromarray(stripes), (10, 40)), stripes)


@pytest.mark.parametrize("background", ["no-such-colour", (1, 2), (300, 0, 0), None])
def test_other_backgrounds_are_refused(background) -> None:
    with pytest.raises(InputError, match="neither a picture nor a colour"):
        background_pixels(background, (2, 2))


def test_blur_does_not_smear_the_object() -> None:
    pixels = np.full((100, 100, 3), 50, np.uint8)
    pixels[30:70, 30:70] = 250
    alpha = np.zeros((100, 100), np.float32)
    alpha[30:70, 30:70] = 1
    around = blurred(pixels, alpha, 40)[alpha == 0]
    assert np.abs(around.astype(int) - 50).max() <= 4  # rounding of premultiplied bytes


def test_checkerboard() -> None:
    board = checkerboard((4, 4), cell=2)
    assert (board[0, 0] == 255).all() and (board[0, 2] == 214).all() and (board[2, 2] == 255).all()
