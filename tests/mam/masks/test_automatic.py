"""The main object without a prompt."""

import numpy as np
import pytest

from mam import Matting, PromptError
from mam.images.boxes import mask_bounds
from mam.masks.automatic import embedded_graphs
from tests.conftest import EXAMPLES
from tests.mock_graphs import MockGraphs


def test_the_flower_is_found_without_a_prompt(flower) -> None:
    x0, y0, x1, y1 = mask_bounds(flower.matte().mask)
    w, h = min(x1, 450) - max(x0, 178), min(y1, 360) - max(y0, 82)
    # IoU with the flower's box, (178, 82, 450, 360); a bud touches the flower.
    assert w * h / ((x1 - x0) * (y1 - y0) + 272 * 278 - w * h) > 0.6


def test_a_model_that_cannot_find_it_segments_the_box_of_the_embedded_model(flower) -> None:
    scene = Matting(MockGraphs()).open(EXAMPLES / "flower.jpg")
    proposal, segment = flower.find_main_object(), scene.find_main_object()
    # The mock fills boxes, on a grid of 256 along the longest side of 640.
    assert np.abs(np.subtract(mask_bounds(segment.mask), mask_bounds(proposal.mask))).max() <= 3
    assert segment.score == pytest.approx(min(0.95, proposal.score))
    assert embedded_graphs() is embedded_graphs()


def test_nothing_is_proposed_on_a_blank_image() -> None:
    scene = Matting(MockGraphs()).open(np.zeros((90, 120, 3), np.uint8))
    assert scene.find_main_object().score < 0.7


def test_without_a_proposer_a_prompt_is_needed() -> None:
    scene = Matting(MockGraphs(), proposer=None).open(np.zeros((90, 120, 3), np.uint8))
    with pytest.raises(PromptError, match="this model needs a prompt"):
        scene.matte()
