"""The main object without a prompt."""

import numpy as np

from mam import Matting
from mam.automatic import find_main_object
from mam.boxes import mask_bounds
from tests.mock_graphs import MockGraphs


def test_the_flower_is_found_without_a_prompt(flower) -> None:
    x0, y0, x1, y1 = mask_bounds(flower.matte().mask)
    w, h = min(x1, 450) - max(x0, 178), min(y1, 360) - max(y0, 82)
    # IoU with the flower's box, (178, 82, 450, 360); a bud touches the flower.
    assert w * h / ((x1 - x0) * (y1 - y0) + 272 * 278 - w * h) > 0.6


def test_a_model_without_an_answer_to_the_empty_prompt_is_asked_by_a_grid_of_clicks() -> None:
    scene = Matting(MockGraphs()).open(np.zeros((900, 1800, 3), np.uint8))
    mask = find_main_object(scene.graphs, scene.whole).mask
    x0, y0, x1, y1 = mask_bounds(mask)
    # Discs of radius 20/256 of the longest side around the grid's clicks.
    assert mask.shape == (900, 1800)
    assert 260 <= x1 - x0 <= 300 and 200 <= y1 - y0 <= 300


def test_a_mask_of_nearly_everything_is_no_object() -> None:
    class Background(MockGraphs):
        def decode(self, features, coords, labels, mask_input, has_mask):
            masks, scores = super().decode(features, coords, labels, mask_input, has_mask)
            return np.where((labels == 1).any(1)[:, None, None, None], np.full_like(masks, 8.0), masks), scores

    assert not Matting(Background()).open(np.zeros((90, 120, 3), np.uint8)).matte()
