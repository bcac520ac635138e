"""Prompts: what is accepted, what is refused and how it is put, and the order that SAM expects."""

import numpy as np
import pytest

from mam.errors import PromptError
from mam.masks.prompts import Prompt
from mam.masks.segment import Segment
from mam.model.frames import Frame

SIZE = (300, 400)  # (H, W)
WHOLE = (0, 0, 400, 300)


def before(size: tuple[int, int] = SIZE) -> Segment:
    """Some answer of an earlier round."""
    return Segment.of(
        np.ones(size, bool),
        0,
        np.full((4, 256, 256), 2.0, np.float32),
        np.ones(4, np.float32),
        Frame.of((0, 0, *size[::-1])),
    )


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (Prompt(), "is empty; give a box"),
        (Prompt(box=(500, 10, 600, 50)), "does not cover a pixel"),
        (Prompt(box=(50, 60, 20, 90)), "reversed; expected x0 < x1"),
        (Prompt(box=(50, 60, 50, 90)), "is empty; expected x0 < x1"),
        (Prompt(box=(0, 0, float("nan"), 9)), "NaN or infinity"),
        (Prompt(box=(1, 2, 3)), "four numbers"),
        (Prompt(box="abcd"), "four numbers"),
        (Prompt(points=[(401, 5)]), r"outside the image: \(401, 5\); x goes from 0 to 400"),
        (Prompt(points=[(-1, 5)]), "outside the image"),
        (Prompt(points=[(float("inf"), 5)]), "NaN or infinity"),
        (Prompt(points=[(1, 2, 3)]), r"shape \(1, 3\)"),
        (Prompt(points=[("a", "b")]), "not numbers"),
        (Prompt(points=[(1, 2), (3, 4)], labels=[1]), "1 labels for 2 points"),
        (Prompt(points=[(1, 2)], labels=[7]), "expected 1 .* or 0"),
        (Prompt(points=[(1, 2)], labels=[0]), "labelled as background"),
        (Prompt(points=[(1, 2), (3, 4)], labels=[[1], [0, 1]]), "expected one 1 or 0 for each of the 2 points"),
        (Prompt(scribbles=5), "expected a list of strokes"),
        (Prompt(points=[(1, 2)] * 600), "at most 512"),
        (Prompt(scribbles=[[]]), r"scribbles\[0\] is empty"),
        (Prompt(scribbles=[[(0, 0), (900, 0)]]), r"scribbles\[0\] lie outside"),
        (Prompt(scribbles=[[(0, 0)]], scribble_labels=[1, 0]), "2 scribble_labels for 1 scribbles"),
        (Prompt(mask=np.zeros(SIZE, bool)), "mask is empty"),
        (Prompt(mask=np.full(SIZE, np.nan)), "mask cannot be used: it holds NaN"),
        (Prompt(mask=np.ones((3, 3), bool)), r"shape \(3, 3\); expected the image's"),
        (
            Prompt(box=(0, 0, 9, 9), previous=before((5, 6))),
            r"previous round is of an image of \(H, W\) \(5, 6\); this image is",
        ),
        (Prompt(mask=np.ones(SIZE, bool), previous=before()), "choose one"),
    ],
)
def test_invalid_prompts_are_refused(prompt: Prompt, message: str) -> None:
    with pytest.raises(PromptError, match=message):
        prompt.check(SIZE)


def test_a_box_over_the_edge_is_cut() -> None:
    assert Prompt(box=(-50, 20, 900, 250)).check(SIZE).box.tolist() == [0, 20, 400, 250]


def test_order_and_padding_are_sams() -> None:
    frame = Frame.of(WHOLE)
    coords, labels, mask, has_mask = Prompt(points=[(100, 50)]).check(SIZE).to_input(frame)
    assert labels.tolist() == [1, -1] and coords.tolist() == [[256, 128], [0, 0]] and has_mask == 0 and not mask.any()
    both = Prompt(box=(0, 0, 400, 300), points=[(100, 50), (200, 60)], labels=[1, 0]).check(SIZE)
    coords, labels, *_ = both.to_input(frame)
    assert labels.tolist() == [1, 0, 2, 3] and coords[2:].tolist() == [[0, 0], [1024, 768]]
    assert coords.dtype == labels.dtype == np.float32
    coords, labels, *_ = both.to_input(frame, sam2=True)
    assert labels.tolist() == [1, 0, 2, 3, -1] and coords[-1].tolist() == [0, 0]


def test_only_a_lone_box_or_click_is_ambiguous() -> None:
    def ambiguous(**prompt: object) -> bool:
        return Prompt(**prompt).check(SIZE).is_ambiguous

    assert ambiguous(box=(0, 0, 9, 9)) and ambiguous(points=[(1, 1)])
    assert not ambiguous(box=(0, 0, 9, 9), points=[(1, 1)])
    assert not ambiguous(points=[(1, 1), (2, 2)])
    assert not ambiguous(points=[(1, 1)], mask=np.ones(SIZE, bool)) and not ambiguous(mask=np.ones(SIZE, bool))
    assert not ambiguous(points=[(1, 1)], previous=before())


def test_a_scribble_becomes_spread_points_on_the_stroke() -> None:
    # A U: its centroid lies far from the stroke.
    stroke = [(50, 50), (50, 250), (350, 250), (350, 50)]
    points = Prompt(scribbles=[stroke]).check(SIZE).points
    assert len(points) == 8
    on_stroke = (points[:, 0] == 50) | (points[:, 0] == 350) | (points[:, 1] == 250)
    assert on_stroke.all()
    gaps = np.abs(np.diff(points, axis=0)).sum(1)  # along the corners
    assert np.allclose(gaps, 700 / 8)
    assert len(Prompt(scribbles=[[(5, 5), (5.5, 5)]]).check(SIZE).points) == 1  # a dot
    mixed = Prompt(points=[(9, 9)], scribbles=[stroke], scribble_labels=[0]).check(SIZE)
    assert mixed.labels.tolist() == [1] + [0] * 8


def test_a_mask_becomes_logits() -> None:
    mask = np.zeros(SIZE, bool)
    mask[90:210, 100:300] = True
    checked = Prompt(mask=mask).check(SIZE)
    *_, logits, has_mask = checked.to_input(Frame.of(WHOLE))
    assert has_mask == 1 and logits.shape == (1, 256, 256)
    assert logits[0, 96, 128] == 8 and logits[0, 10, 10] == -8 and (logits[0, 192:] == -8).all()


def test_a_crop_shifts_all_prompts_and_drops_points_outside() -> None:
    crop = (100, 50, 300, 150)  # 200 x 100 pixels: five times as large as in the whole image's frame
    mask = np.zeros(SIZE, bool)
    mask[75:125, 150:250] = True
    prompt = Prompt(box=(150, 75, 250, 125), points=[(200, 100), (20, 20)], labels=[1, 0], mask=mask).check(SIZE)
    coords, labels, logits, _ = prompt.to_input(Frame.of(crop))
    assert labels.tolist() == [1, 2, 3]
    assert coords.tolist() == [[512, 256], [256, 128], [768, 384]]
    assert logits[0, 64, 128] == 8 and logits[0, 64, 20] == -8 and (logits[0, 128:] == -8).all()


def test_none_is_nothing() -> None:
    assert Prompt(points=None, scribbles=None).is_empty
    checked = Prompt(box=(1, 1, 9, 9), points=None, scribbles=None).check((20, 20))
    assert len(checked.points) == 0
