"""From prompts to masks: which of the four candidates is chosen, and batches of unequal prompts."""

import numpy as np

from mam.images.boxes import full_box
from mam.masks.decoding import best_candidate, candidates, correct, decode_prompts, keep_rest
from mam.masks.encoded_crop import EncodedCrop
from mam.masks.prompts import Prompt
from mam.masks.segment import Segment
from mam.model.contract import InferencePolicy
from mam.model.frames import Frame
from tests.mock_graphs import MockGraphs

SIZE = (120, 160)


def encoded() -> EncodedCrop:
    return EncodedCrop.encode(MockGraphs(), np.zeros((*SIZE, 3), np.uint8), full_box(SIZE))


def test_the_candidate_that_contradicts_the_fewest_clicks_is_chosen() -> None:
    masks = np.full((4, 256, 256), -5.0, np.float32)
    masks[0, :, :] = masks[1, :128, :] = masks[2, :128, :128] = masks[3, :64, :] = 5.0
    scores = np.array([0.9, 0.5, 0.6, 0.4], np.float32)

    def chosen(*clicks: tuple[float, float, int], preferred: int = 0) -> int:
        coords = np.array([c[:2] for c in clicks], np.float32).reshape(-1, 2)
        return best_candidate(masks, scores, coords, np.array([c[2] for c in clicks], np.float32), preferred)

    assert chosen((10, 10, 2), (900, 900, 3)) == chosen((0, 0, -1), (10, 10, 1)) == 0
    assert chosen((10, 10, 1), (10, 900, 0)) == 2  # the best score of the three that agree with both clicks
    assert chosen((10, 10, 1), (900, 300, 1), (10, 900, 0)) == 1
    assert chosen((10, 10, 1), (10, 900, 0), preferred=3) == 3
    assert chosen((10, 10, 0), (10, 900, 0)) == 2  # no candidate agrees with both


def test_prompts_of_unequal_length_come_back_in_their_order() -> None:
    prompts = [Prompt(box=(10, 10, 60, 60)), Prompt(points=[(80, 60)]), Prompt(points=[(20, 20), (140, 100)])]
    segments = decode_prompts(MockGraphs(), encoded(), [p.check(SIZE) for p in prompts], SIZE)
    box, click, clicks = (segment.mask for segment in segments)
    assert box[30, 30] and not box[100, 140]
    assert click[60, 80] and not click[20, 20]
    assert clicks[20, 20] and clicks[100, 140] and not clicks[60, 80]


def test_a_single_prompt_takes_the_best_of_three_candidates_and_several_take_mask_0() -> None:
    prompts = [Prompt(points=[(80, 60)]), Prompt(points=[(80, 60), (20, 20)])]
    single, several = decode_prompts(MockGraphs(), encoded(), [p.check(SIZE) for p in prompts], SIZE)
    assert (single.chosen, several.chosen) == (1, 0)
    assert repr(single).startswith("Segment(candidate 1, score 0.95, ")


def test_of_sam_2_a_box_takes_mask_0() -> None:
    graphs = MockGraphs()
    graphs.policy = InferencePolicy(sam2=True)
    whole = EncodedCrop.encode(graphs, np.zeros((*SIZE, 3), np.uint8), full_box(SIZE))
    prompts = [Prompt(box=(40, 30, 120, 90)), Prompt(points=[(80, 60)])]
    box, click = decode_prompts(graphs, whole, [p.check(SIZE) for p in prompts], SIZE)
    assert (box.chosen, click.chosen) == (0, 1)
    assert box.mask[30:90, 40:120].all() and box.mask.sum() == 60 * 80 and click.mask[60, 80]


def test_all_candidates_of_a_segment() -> None:
    (segment,) = decode_prompts(MockGraphs(), encoded(), [Prompt(points=[(80, 60)]).check(SIZE)], SIZE)
    others = candidates(segment)
    assert [other.chosen for other in others] == [0, 1, 2, 3]
    assert np.array_equal(others[segment.chosen].mask, segment.mask)
    assert others[3].mask.sum() > others[2].mask.sum() > others[1].mask.sum()
    assert [other.score for other in others] == [float(score) for score in segment.scores]


def test_a_correction_changes_only_what_was_clicked() -> None:
    def segment(columns: slice, points=(), labels=()) -> Segment:
        logits = np.full((4, 256, 256), -5.0, np.float32)
        logits[:, 20:60, columns] = 5.0
        mask = np.zeros(SIZE, bool)
        clicks = np.reshape(points, (-1, 2)).astype(float), np.array(labels, np.int64)
        return Segment.of(mask, 0, logits, np.ones(4, np.float32), Frame.of(full_box(SIZE)), *clicks)

    before = segment(slice(20, 120))  # the logits' columns are 0.625 pixels wide
    added = keep_rest(segment(slice(120, 160), [(90, 25)], [1]), before)
    assert added.mask[25, 20] and added.mask[25, 90]
    far = keep_rest(segment(slice(10, 160), [(9, 25)], [1]), before)  # the click is on the small part that is added
    assert far.mask[25, 10] and not far.mask[25, 90]
    removed = keep_rest(segment(slice(60, 80), [(60, 25)], [0]), before)
    assert removed.mask[25, 20] and not removed.mask[25, 60]
    assert np.array_equal(removed.low_res_masks[0] > 0, removed.logits > 0)


def test_after_a_box_a_second_background_click_does_not_take_most_of_the_object_away() -> None:
    def segment(*columns: slice, points=(), labels=()) -> Segment:
        logits = np.full((4, 256, 256), -5.0, np.float32)
        for candidate, own in zip(logits, columns, strict=True):
            candidate[20:60, own] = 5.0
        clicks = np.reshape(points, (-1, 2)).astype(float), np.array(labels, np.int64)
        return Segment.of(np.zeros(SIZE, bool), 0, logits, np.ones(4, np.float32), Frame.of(full_box(SIZE)), *clicks)

    before = segment(*[slice(20, 120)] * 4)
    clicks = {"points": [(5, 25), (72, 25)], "labels": [0, 0]}
    found = segment(slice(20, 40), slice(20, 120), slice(20, 60), slice(20, 112), **clicks)
    assert not correct(found, before, is_bounded=False).mask[25, 40]
    kept = correct(found, before, is_bounded=True)
    assert kept.chosen == 3 and kept.mask[25, 60] and not kept.mask[25, 72]
    first = segment(
        slice(20, 40), slice(20, 120), slice(20, 60), slice(20, 112), points=[(16, 25), (72, 25)], labels=[1, 0]
    )
    assert not correct(first, before, is_bounded=True).mask[25, 40]
