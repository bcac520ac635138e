"""Compositing: backgrounds, shadows and edges."""

import numpy as np
import pytest

from mam.compose import composite
from mam.compose.composite import (
    add_shadow,
    adjust_edges,
    blur_background,
    fill,
    fit_image,
    gradient,
    over,
)
from mam.errors import InputError


def test_over_is_the_compositing_equation() -> None:
    front, back = np.full((1, 3, 3), 200, np.uint8), np.full((1, 3, 3), 100, np.uint8)
    assert over(front, np.float32([[0, 0.5, 1]]), back)[0, :, 0].tolist() == [100, 150, 200]


@pytest.mark.parametrize("background", ["red", "#ff0000", (255, 0, 0), np.uint8([255, 0, 0])])
def test_colours(background) -> None:
    assert (fill(background, (2, 3)) == (255, 0, 0)).all()


def test_images_cover_the_frame_and_are_cropped_evenly() -> None:
    stripes = np.zeros((10, 40, 3), np.uint8)
    stripes[:, 15:25] = 255  # the part that a square crop keeps
    assert fit_image(stripes, (20, 20))[:, 3:-3].min() > 240  # resampling blends the edges
    assert np.array_equal(fit_image(stripes, (10, 40)), stripes)


@pytest.mark.parametrize("background", ["no-such-colour", (1, 2), (300, 0, 0), None])
def test_other_backgrounds_are_refused(background) -> None:
    with pytest.raises(InputError, match="neither an image nor a colour"):
        fill(background, (2, 2))


def test_a_strong_blur_is_computed_at_a_smaller_size_with_the_same_result(monkeypatch) -> None:
    rng = np.random.default_rng(0)
    pixels = np.kron(rng.integers(0, 256, (12, 16, 3)), np.ones((50, 50, 1))).astype(np.uint8)
    alpha = np.zeros((600, 800), np.float32)
    alpha[200:300, 300:400] = 1
    small = blur_background(pixels, alpha, 40).astype(int)
    monkeypatch.setattr(composite, "_FINE_BLUR", np.inf)
    differs = np.abs(small - blur_background(pixels, alpha, 40))[alpha == 0]
    assert differs.mean() < 1 and differs.max() <= 12  # of 255; Pillow's blur of boxes differs by the radius


def test_blur_leaves_out_the_objects_colours() -> None:
    pixels = np.full((100, 100, 3), 50, np.uint8)
    pixels[30:70, 30:70] = 250
    alpha = np.zeros((100, 100), np.float32)
    alpha[30:70, 30:70] = 1
    around = blur_background(pixels, alpha, 40)[alpha == 0]
    assert np.abs(around.astype(int) - 50).max() <= 4  # rounding of premultiplied bytes


def test_gradient_goes_from_top_to_bottom() -> None:
    pixels = gradient("black", (200, 100, 0), (101, 7))
    assert pixels.shape == (101, 7, 3)
    assert pixels[0, 3].tolist() == [0, 0, 0] and pixels[100, 3].tolist() == [200, 100, 0]
    assert pixels[50, 3].tolist() == [100, 50, 0]
    with pytest.raises(InputError, match="three values"):
        gradient("black", (1, 2), (5, 5))


def test_shadow_falls_to_the_right_and_below() -> None:
    alpha = np.zeros((200, 200), np.float32)
    alpha[80:120, 80:120] = 1
    white = np.full((200, 200, 3), 255, np.uint8)
    shaded = add_shadow(white, alpha, 0.8)[..., 0].astype(int)
    assert shaded[100, 100] < 140 and shaded[122, 100] < shaded[78, 100] and shaded[5, 5] == 255
    assert np.array_equal(add_shadow(white, alpha, 0), white)


def test_edges_move_and_soften() -> None:
    alpha = np.zeros((200, 200), np.float32)
    alpha[60:140, 60:140] = 1
    assert adjust_edges(alpha) is alpha
    assert adjust_edges(alpha, grow=10)[58, 100] == 1 and adjust_edges(alpha, grow=-10)[61, 100] == 0
    soft = adjust_edges(alpha, softness=1)
    assert 0.2 < soft[60, 100] < 0.8 and soft[100, 100] == 1
    ramp = np.linspace(0, 1, 101, dtype=np.float32)[None].repeat(3, 0)
    hard = adjust_edges(ramp, softness=-1)
    assert ((hard > 0) & (hard < 1)).mean() < 0.1 < ((ramp > 0) & (ramp < 1)).mean()


@pytest.mark.slow
def test_backgrounds_are_blurred_at_every_strength() -> None:
    pixels, alpha = np.full((600, 1000, 3), 90, np.uint8), np.zeros((600, 1000), np.float32)
    for strength in range(1, 101):
        assert np.abs(blur_background(pixels, alpha, strength).astype(int) - 90).max() <= 1
