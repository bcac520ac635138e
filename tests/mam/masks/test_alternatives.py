"""What a prompt may have meant instead of its answer."""

import itertools

import numpy as np

from mam import Prompt
from mam.masks.alternatives import SAME, choose_alternatives
from mam.masks.segment import Segment
from mam.model.frames import Frame


def square(side: int, score: float = 0.9, left: int = 0) -> Segment:
    mask = np.zeros((100, 200), bool)
    mask[:side, left : left + side] = True
    return Segment.of(
        mask, 0, np.zeros((4, 256, 256), np.float32), np.full(4, score, np.float32), Frame.of((0, 0, 200, 100))
    )


def test_parts_and_larger_ones_are_chosen_that_differ() -> None:
    answer, alike, part, smaller, unlikely, elsewhere = (
        square(50),
        square(49),
        square(30),
        square(20),
        square(10, 0.2),
        square(20, left=90),
    )
    whole, more = square(70), square(95)
    asked = iter([more, square(99)])
    parts, larger = [alike, part, unlikely, elsewhere, smaller], itertools.chain([alike, whole], asked)
    chosen = choose_alternatives(answer, parts, larger)
    assert chosen == {"part": smaller, "larger_part": part, "whole": whole}
    assert next(asked) is more  # read only as far as needed
    assert choose_alternatives(answer, [part], [whole, more]) == {"part": part, "whole": whole, "more": more}
    assert choose_alternatives(answer, [alike], []) == {}


def test_a_click_on_a_photograph_offers_different_answers(flower) -> None:
    (answer,) = flower.segment([Prompt(points=[(310, 215)])])
    offered = flower.alternatives(answer)
    assert "part" in offered and offered["part"].mask[215, 310]
    masks = [answer.mask, *(one.mask for one in offered.values())]
    assert all((a & b).sum() < SAME * (a | b).sum() for i, a in enumerate(masks) for b in masks[:i])
