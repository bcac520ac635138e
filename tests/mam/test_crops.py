"""Close looks: which part of a picture, and logits and masks carried between looks."""

import numpy as np
import pytest

from mam import crops
from mam.segment import Segment

SIZE = (600, 1000)  # (H, W)
NONE = np.empty((0, 2))


def choose(box=None, mask=None, points=(), previous=None, margin=0.5):
    return crops.choose(
        None if box is None else np.array(box, float), mask, np.reshape(points, (-1, 2)), previous, SIZE, margin
    )


def answered(mask, crop) -> Segment:
    return Segment(mask, 1, np.zeros((4, 256, 256), np.float32), np.ones(4, np.float32), crop)


@pytest.mark.parametrize(
    ("box", "crop"),
    [
        ((400, 200, 500, 250), (350, 150, 550, 300)),  # half of 100 pixels on each side
        ((0, 0, 100, 100), (0, 0, 150, 150)),  # cut at the border
        ((100, 100, 900, 500), (0, 0, 1000, 600)),  # a large object: the picture itself
        ((10, 10, 12, 12), (3, 3, 19, 19)),  # never tiny
    ],
)
def test_a_look_leaves_room_around_the_box(box, crop) -> None:
    assert choose(box=box) == crop


def test_clicks_alone_look_at_everything() -> None:
    assert choose(points=[(5, 5)]) == (0, 0, 1000, 600)


def test_a_look_around_a_click_lies_inside_the_picture() -> None:
    assert crops.around_click(np.array([500.0, 300.0]), SIZE) == (325, 125, 675, 475)
    assert crops.around_click(np.array([999.0, 1.0]), SIZE) == (650, 0, 1000, 350)
    assert crops.around_click(np.array([3.0, 3.0]), (10, 12)) == (0, 0, 12, 10)


def test_what_goes_on_beyond_a_look_is_cut_off() -> None:
    mask = np.zeros((400, 400), bool)
    mask[300:, 150:250] = True  # reaches the lower edge over a quarter of it
    assert crops.cut_off(mask, (300, 100, 700, 500), SIZE)
    assert not crops.cut_off(mask, (300, 200, 700, 600), SIZE)  # there the picture itself ends
    mask[399] = False
    assert not crops.cut_off(mask, (300, 100, 700, 500), SIZE)


def test_later_rounds_stay_with_their_look_while_it_holds_the_prompts() -> None:
    mask = np.zeros(SIZE, bool)
    mask[210:240, 410:480] = True
    crop = (350, 150, 550, 300)
    assert choose(points=[(540, 290)], previous=answered(mask, crop)) == crop
    assert choose(points=[(600, 290)], previous=answered(mask, crop)) != crop
    # After a click in the whole picture, the second round looks closer at what was found.
    assert choose(points=[(420, 220)], previous=answered(mask, crops.whole(SIZE))) == (375, 175, 515, 275)
    assert choose(points=[(420, 220)], previous=answered(np.zeros(SIZE, bool), crops.whole(SIZE))) == crops.whole(SIZE)


def test_logits_are_carried_to_where_they_belong() -> None:
    """A ramp over the picture is the same ramp in every crop."""
    full, crop = crops.whole(SIZE), (250, 120, 750, 420)  # enlarged twice
    x = (np.arange(256) + 0.5) * 1000 / 256
    ramp = np.tile(x.astype(np.float32), (256, 1))
    close = crops.carry(ramp, full, crop)
    expected = 250 + (np.arange(256) + 0.5) * 500 / 256
    assert np.abs(close[10:140, 2:-2] - expected[2:-2]).max() < 0.01
    back = crops.carry(close, crop, full)
    assert np.abs(back[35:100, 70:185] - ramp[35:100, 70:185]).max() < 0.05
    assert (back[:, :60] == -8).all() and (back[:28] == -8).all()  # what the closer crop did not see
    assert crops.carry(ramp, crop, crop) is ramp


def test_parts_are_placed_on_the_canvas() -> None:
    part = np.ones((30, 20), np.float32)
    placed = crops.place(part, (5, 10, 25, 40), SIZE)
    assert placed.shape == SIZE and placed.sum() == 600 and placed[10, 5] == 1 and placed[9, 5] == 0
    assert crops.place(np.ones(SIZE), crops.whole(SIZE), SIZE).all()
