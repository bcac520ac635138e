"""Boxes from the grounding graph's outputs: thresholds, phrases, scores, order and suppression of duplicates."""

import numpy as np
import pytest
from tokenizers import Tokenizer

from mam.text import Phrases
from mam.text.boxes import select_boxes


def test_boxes_scores_and_order_equal_transformers(grounding_source) -> None:
    torch = pytest.importorskip("torch")
    from transformers import BertTokenizer
    from transformers.models.grounding_dino import GroundingDinoImageProcessorPil, GroundingDinoProcessor
    from transformers.models.grounding_dino.modeling_grounding_dino import GroundingDinoObjectDetectionOutput

    tokenizer = BertTokenizer.from_pretrained(grounding_source)
    processor = GroundingDinoProcessor(GroundingDinoImageProcessorPil(), tokenizer)
    rng = np.random.default_rng(1)
    for text in ("a cat", "a cat. the red dog. the girl in red"):
        phrases = Phrases.tokenise(text, Tokenizer.from_str(tokenizer.backend_tokenizer.to_str()))
        logits = rng.normal(-2, 1.5, (200, phrases.input_ids.shape[1])).astype(np.float32)
        boxes = np.concatenate([rng.uniform(0, 1, (200, 2)), rng.uniform(0.05, 0.6, (200, 2))], 1).astype(np.float32)
        padded = torch.full((1, 200, 256), -torch.inf)
        padded[0, :, : logits.shape[1]] = torch.from_numpy(logits)
        outputs = GroundingDinoObjectDetectionOutput(logits=padded, pred_boxes=torch.from_numpy(boxes)[None])
        expected = processor.post_process_grounded_object_detection(
            outputs, torch.from_numpy(phrases.input_ids), threshold=0.25, text_threshold=0.25, target_sizes=[(480, 640)]
        )[0]
        ours = select_boxes(
            logits, boxes, phrases, (480, 640), box_threshold=0.25, text_threshold=0.25, nms_threshold=1.0
        )
        order = torch.argsort(-expected["scores"], stable=True)
        assert len(ours) == len(order) > 50
        theirs = expected["boxes"][order].clamp(min=0).minimum(torch.tensor([640, 480, 640, 480])).numpy()
        assert np.abs(theirs - [found.box for found in ours]).max() < 1e-3  # float32 pixels against float64
        assert np.abs(expected["scores"][order].numpy() - [found.score for found in ours]).max() < 1e-6
        for found, label in zip(ours, (expected["text_labels"][i] for i in order), strict=True):
            # Their label joins all tokens above the threshold, of any phrase; ours is one whole phrase.
            words = set(label.replace(".", " ").split()) - {"[SEP]"}
            assert (found.phrase == "") == (not words)
            assert not found.phrase or words & set(found.phrase.split())


def test_nms_is_by_phrase_and_thresholds_are_strict(grounding) -> None:
    phrases = Phrases.tokenise("cat. dog", grounding.tokenizer)  # [CLS] cat . dog . [SEP]
    logits = np.full((5, 6), -9, np.float32)
    logits[[0, 1, 2], 1] = 3, 2, 1  # three cats, the second almost the first
    logits[3, 3] = 2.5  # a dog in the same place
    logits[4, 4] = 0.5  # a full stop
    boxes = np.float32(
        [[0.5, 0.5, 0.2, 0.2], [0.51, 0.5, 0.2, 0.2], [0.2, 0.2, 0.1, 0.1], [0.5, 0.5, 0.2, 0.2], [0.9, 0.9, 0.4, 0.4]]
    )
    found = select_boxes(logits, boxes, phrases, (100, 200), box_threshold=0.25, text_threshold=0.25, nms_threshold=0.5)
    assert [f.phrase for f in found] == ["cat", "dog", "cat", ""]
    assert found[0].box == pytest.approx((80, 40, 120, 60), abs=1e-3)
    assert found[3].box == pytest.approx((140, 70, 200, 100), abs=1e-3)
    assert found[0].score == found.best_score == pytest.approx(1 / (1 + np.exp(-3)))
    every = select_boxes(logits, boxes, phrases, (9, 9), box_threshold=0.25, text_threshold=0.25, nms_threshold=0.95)
    assert len(every) == 5
    score = 1 / (1 + np.exp(np.float32(-0.5)))  # of the last box, which the threshold then excludes
    above = select_boxes(logits, boxes, phrases, (9, 9), box_threshold=score, text_threshold=0.25, nms_threshold=0.5)
    assert len(above) == 3
    none = select_boxes(
        logits - 9, boxes, phrases, (100, 200), box_threshold=0.25, text_threshold=0.25, nms_threshold=0.5
    )
    assert not none and none.best_score == pytest.approx(1 / (1 + np.exp(6)))
    assert str(none) == "nothing found for 'cat. dog.' (best score 0.00); try another text, or give a box"


def test_a_box_covers_a_pixel_at_least(grounding) -> None:
    phrases = Phrases.tokenise("cat", grounding.tokenizer)
    boxes = np.float32([[0, 0, 0, 0], [1, 1, 0, 0], [0.5, 0.5, 1e-4, 3]])
    found = select_boxes(
        np.full((3, 4), 2, np.float32),
        boxes,
        phrases,
        (1, 40),
        box_threshold=0.25,
        text_threshold=0.25,
        nms_threshold=0.5,
    )
    assert [f.box for f in found] == [(0, 0, 1, 1), (39, 0, 40, 1), pytest.approx((19.998, 0, 20.998, 1), abs=1e-3)]
