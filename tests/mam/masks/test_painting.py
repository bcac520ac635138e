"""Strokes of the brush that erases and restores."""

import numpy as np
import pytest

from mam import Matte, PromptError, Stroke
from mam.masks import painting
from tests.conftest import FLOWER_BOX


def paint(alpha: np.ndarray, pixels: np.ndarray, strokes: list[Stroke]) -> np.ndarray:
    return painting.paint(alpha, pixels, strokes)[0]


def two_colours() -> np.ndarray:
    """A picture, blue to column 60 and yellow beyond, with noise and a red spot in the blue."""
    pixels = np.full((100, 120, 3), (40, 60, 150), np.uint8)
    pixels[:, 60:] = (220, 200, 60)
    pixels[47:53, 38:44] = (200, 30, 30)
    return pixels + np.random.default_rng(0).integers(0, 9, pixels.shape, np.uint8)


def test_a_stroke_erases_a_round_soft_line_and_nothing_else() -> None:
    full, pixels = np.ones((100, 120), np.float32), two_colours()
    alpha = paint(full, pixels, [Stroke([(30, 50), (80, 50)], 20, 0.5, snap=False)])
    assert (alpha[50, 30:80] == 0).all() and (alpha[38, :] == 1).all() and alpha[50, 92] == 1
    assert 0 < alpha[43, 60] < alpha[41, 60] < 1
    assert (full == 1).all()
    back = paint(alpha, pixels, [Stroke([(20, 50), (90, 50)], 40, 0, "restore", snap=False)])
    assert (back == 1).all()


def test_a_stroke_that_snaps_follows_the_edge_and_leaves_no_spot() -> None:
    alpha = paint(np.zeros((100, 120), np.float32), two_colours(), [Stroke([(50, 20), (50, 80)], 40, 0, "restore")])
    assert (alpha[20:80, 36:59] > 0.99).all()  # with the red spot
    assert (alpha[:, 61:] == 0).all()
    plain = paint(
        np.zeros((100, 120), np.float32), two_colours(), [Stroke([(50, 20), (50, 80)], 40, 0, "restore", False)]
    )
    assert (plain[20:80, 60:69] == 1).all()


def test_one_point_beyond_the_frame_and_strokes_in_turn() -> None:
    half, pixels = np.full((100, 120), 0.5, np.float32), two_colours()
    assert paint(half, pixels, [Stroke([(20, 20)], 10, 0)])[20, 20] == 0
    assert np.array_equal(paint(half, pixels, [Stroke([(-50, -50), (-80, 400)], 60)]), half)
    strokes = [Stroke([(20, 20), (60, 70)], 30, 0.8), Stroke([(50, 20), (40, 70)], 30, 0.8, "restore")]
    assert np.array_equal(paint(half, pixels, strokes), paint(paint(half, pixels, strokes[:1]), pixels, strokes[1:]))


def test_a_stroke_is_the_same_wherever_it_lies_in_the_image() -> None:
    pixels, stroke = two_colours(), [(30, 25), (80, 70)]
    small = paint(np.ones((100, 120), np.float32), pixels, [Stroke(stroke, 30)])
    large = np.pad(pixels, ((40, 7), (300, 9), (0, 0)), "edge")
    moved = paint(np.ones(large.shape[:2], np.float32), large, [Stroke(np.add(stroke, (300, 40)), 30)])
    assert np.array_equal(moved[40:140, 300:420], small) and (np.delete(moved, range(40, 140), 0) == 1).all()


@pytest.mark.parametrize(
    "wrong", [{"points": []}, {"points": [(1, np.nan)]}, {"size": 0}, {"softness": 2}, {"effect": "fill"}]
)
def test_what_is_no_stroke_is_refused(wrong: dict) -> None:
    with pytest.raises(PromptError, match="expected"):
        Stroke(**{"points": [(1, 2)], "size": 5, **wrong})


@pytest.mark.slow
def test_a_matte_keeps_its_strokes_through_corrections(flower) -> None:
    matte = flower.matte(box=FLOWER_BOX)
    erased = matte.painted([Stroke([(310, 215)], 40, 0, snap=False)])
    assert isinstance(erased, Matte) and erased.alpha[215, 310] == 0 and matte.alpha[215, 310] > 0.9
    assert erased.cutout()[215, 310, 3] == 0 and erased.adjust_edges(grow=1).strokes == erased.strokes
    corrected = flower.matte(box=FLOWER_BOX, points=[(310, 215), (330, 220)], previous=erased)
    assert corrected.alpha[215, 310] == 0, "a stroke stands above a click"
    assert np.array_equal(corrected.alpha, flower.refine(corrected.segment).painted(erased.strokes).alpha)


def test_what_a_soft_brush_restores_has_the_images_own_colours(flower) -> None:
    matte = flower.matte(box=FLOWER_BOX)
    leaf = matte.painted([Stroke([(100, 330), (200, 380)], 90, 0.9, "restore", snap=False)])
    soft = (leaf.alpha > matte.alpha) & (leaf.alpha < 0.99)
    assert soft.sum() > 5000 and np.array_equal(leaf.foreground[soft], leaf.photo.pixels[soft])
    petal = matte.painted([Stroke([(310, 215)], 90, 0.9, snap=False)])
    soft = (petal.alpha > 0) & (petal.alpha < 0.99) & (matte.alpha_uint8() == 255)
    assert soft.sum() > 1000 and np.array_equal(petal.foreground[soft], petal.photo.pixels[soft])
