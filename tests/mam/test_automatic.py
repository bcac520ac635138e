"""The main object without a prompt."""

import numpy as np

from mam import Matting
from mam.automatic import find_main_object
from tests.mock_graphs import MockGraphs


def test_the_flower_is_found_without_a_prompt(flower) -> None:
    x0, y0, x1, y1 = find_main_object(flower)
    w, h = min(x1, 450) - max(x0, 178), min(y1, 360) - max(y0, 82)
    # IoU with the flower's box, (178, 82, 450, 360); a bud touches the flower.
    assert w * h / ((x1 - x0) * (y1 - y0) + 272 * 278 - w * h) > 0.6


def test_a_box_is_in_pixels_of_the_original_image() -> None:
    scene = Matting(MockGraphs()).open(np.zeros((900, 1800, 3), np.uint8))
    x0, y0, x1, y1 = find_main_object(scene)
    # Discs of radius 20/256 of the longest side around the grid's clicks.
    assert 260 <= x1 - x0 <= 300 and 200 <= y1 - y0 <= 300
    assert min(x0, y0) >= 0 and x1 <= 1800 and y1 <= 900


def test_a_mask_of_nearly_everything_is_no_object() -> None:
    class Background(MockGraphs):
        def decode(self, *inputs):
            masks, scores = super().decode(*inputs)
            return np.full_like(masks, 8.0), scores

    assert find_main_object(Matting(Background()).open(np.zeros((90, 120, 3), np.uint8))) is None
