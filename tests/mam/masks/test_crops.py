"""Crop geometry: the crop of a prompt; logits and masks moved between crops."""

import numpy as np
import pytest

from mam.images.boxes import full_box
from mam.masks import crops
from mam.masks.segment import Segment
from mam.model.frames import Frame

SIZE = (600, 1000)  # (H, W)


def choose(box=None, mask=None, points=(), previous=None, margin=0.5):
    return crops.choose_crop(
        None if box is None else np.array(box, float), mask, np.reshape(points, (-1, 2)), previous, SIZE, margin
    )


def answered(mask, crop) -> Segment:
    return Segment.of(mask, 1, np.zeros((4, 256, 256), np.float32), np.ones(4, np.float32), Frame.of(crop))


@pytest.mark.parametrize(
    ("box", "crop"),
    [
        ((400, 200, 500, 250), (350, 150, 550, 300)),  # half of 100 pixels on each side
        ((0, 0, 100, 100), (0, 0, 150, 150)),  # clipped at the border
        ((100, 100, 900, 500), (0, 0, 1000, 600)),  # a large object: the whole image
        ((10, 10, 12, 12), (3, 3, 19, 19)),  # never tiny
    ],
)
def test_a_crop_has_a_margin_around_the_box(box, crop) -> None:
    assert choose(box=box) == crop


def test_clicks_alone_use_the_whole_image() -> None:
    assert choose(points=[(5, 5)]) == (0, 0, 1000, 600)


def test_a_crop_around_a_click_lies_inside_the_image() -> None:
    assert crops.crop_around_click(np.array([500.0, 300.0]), SIZE) == (325, 125, 675, 475)
    assert crops.crop_around_click(np.array([999.0, 1.0]), SIZE) == (650, 0, 1000, 350)
    assert crops.crop_around_click(np.array([3.0, 3.0]), (10, 12)) == (0, 0, 12, 10)


def test_an_object_that_continues_beyond_its_crop_is_cut_off() -> None:
    mask = np.zeros(SIZE, bool)
    mask[400:, 450:550] = True
    assert crops.is_cut_off(mask, (300, 100, 700, 500))
    assert not crops.is_cut_off(mask, (300, 200, 700, 600))  # the image itself ends there
    mask[499:] = False
    assert not crops.is_cut_off(mask, (300, 100, 700, 500))


def test_a_larger_crop_is_twice_as_large_or_the_whole_image() -> None:
    assert crops.enlarge((400, 300, 500, 350), SIZE) == (350, 250, 550, 400)
    assert crops.enlarge((0, 0, 560, 560), SIZE) == full_box(SIZE)


def test_later_rounds_keep_their_crop_while_it_contains_the_prompts() -> None:
    mask = np.zeros(SIZE, bool)
    mask[210:240, 410:480] = True
    crop = (350, 150, 550, 300)
    assert choose(points=[(540, 290)], previous=answered(mask, crop)) == crop
    assert choose(points=[(600, 290)], previous=answered(mask, crop)) != crop
    # After a click in the whole image, the second round uses a crop around what was found.
    assert choose(points=[(420, 220)], previous=answered(mask, full_box(SIZE))) == (375, 175, 515, 275)
    assert choose(points=[(420, 220)], previous=answered(np.zeros(SIZE, bool), full_box(SIZE))) == full_box(SIZE)


def test_logits_are_resampled_for_another_crop() -> None:
    """A ramp over the image is the same ramp in every crop."""
    full, crop = full_box(SIZE), (250, 120, 750, 420)  # enlarged twice
    x = (np.arange(256) + 0.5) * 1000 / 256
    ramp = np.tile(x.astype(np.float32), (256, 1))
    close = crops.transfer_logits(ramp, Frame.of(full), Frame.of(crop))
    expected = 250 + (np.arange(256) + 0.5) * 500 / 256
    assert np.abs(close[10:140, 2:-2] - expected[2:-2]).max() < 0.01
    back = crops.transfer_logits(close, Frame.of(crop), Frame.of(full))
    assert np.abs(back[35:100, 70:185] - ramp[35:100, 70:185]).max() < 0.05
    assert (back[:, :60] == -8).all() and (back[:28] == -8).all()  # outside the smaller crop
    assert crops.transfer_logits(ramp, Frame.of(crop), Frame.of(crop)) is ramp
    stretched = crops.transfer_logits(ramp.T.copy(), Frame.of(full, stretch=True), Frame.of(full))
    rows = (np.arange(150) + 0.5) * 1000 / Frame.of(full).mask_size[0]  # the ramp covers the unpadded rows
    assert np.abs(stretched[2:150, 100] - rows[2:]).max() < 0.01 and (stretched[155:] == -8).all()


def test_parts_are_placed_on_the_canvas() -> None:
    part = np.ones((30, 20), np.float32)
    placed = crops.place_on_canvas(part, (5, 10, 25, 40), SIZE)
    assert placed.shape == SIZE and placed.sum() == 600 and placed[10, 5] == 1 and placed[9, 5] == 0
    assert crops.place_on_canvas(np.ones(SIZE), full_box(SIZE), SIZE).all()
