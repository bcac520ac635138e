"""One answer of the mask decoder: the chosen candidate's logits and score."""

from dataclasses import replace

import numpy as np

from mam.masks.segment import Segment
from mam.model.frames import Frame


def test_logits_and_score_are_those_of_the_chosen_candidate() -> None:
    logits = np.arange(4, dtype=np.float32)[:, None, None] * np.ones((1, 256, 256), np.float32)
    mask = np.zeros((10, 20), bool)
    mask[:5, :2] = True
    segment = Segment.of(mask, 2, logits, np.float32([0.1, 0.2, 0.75, 0.4]), Frame.of((0, 0, 20, 10)))
    assert (segment.logits == 2).all() and segment.logits.shape == (256, 256)
    assert segment.score == 0.75 and isinstance(segment.score, float)
    assert repr(segment) == "Segment(candidate 2, score 0.75, 5.0% of the image)"


def test_doubt_grows_with_uncertain_logits_and_with_a_low_score() -> None:
    def doubt(score: float, edge: int, from_mask: bool = True) -> float:
        logits = np.full((4, 256, 256), -8, np.float32)
        logits[:, 40:100, 40:100] = 8
        logits[:, 40 : 40 + edge, 40:100] = 1
        scores = np.full(4, score, np.float32)
        segment = Segment.of(np.ones((200, 300), bool), 0, logits, scores, Frame.of((0, 0, 300, 200)))
        return replace(segment, from_mask=from_mask).doubt

    assert 0 < doubt(0.95, 0) < 0.3 < doubt(0.95, 30) < doubt(0.7, 30) < 1
    assert doubt(0.8, 30, from_mask=False) < doubt(0.8, 30)  # first answers have softer edges
