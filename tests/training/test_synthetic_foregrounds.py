"""Synthetic foregrounds: size, softness and colours beyond the edge."""

from typing import get_args

import numpy as np
import pytest
from PIL import Image

from training.synthetic_foregrounds import Edge, Kind, draw_foreground, extend_colours, soften


@pytest.fixture
def disc() -> Image.Image:
    """A grey disc, RGBA, with a hard edge on black."""
    alpha = (np.hypot(*np.mgrid[-32:32, -32:32]) < 28).astype(np.uint8) * 255
    return Image.fromarray(np.dstack([np.where(alpha[..., None], np.uint8(200), 0).repeat(3, 2), alpha]))


@pytest.mark.parametrize("edge", get_args(Edge))
def test_every_edge_keeps_the_size_and_softens(disc, edge) -> None:
    padded = Image.new("RGBA", (200, 200))
    padded.paste(disc.resize((128, 128)), (36, 36))
    result = soften(np.random.default_rng(1), padded, edge)
    alpha = np.asarray(result.getchannel("A"))
    assert result.size == (200, 200) and alpha.max() > 60
    if edge == "edge":
        assert np.array_equal(alpha, np.asarray(padded.getchannel("A")))
    else:
        assert ((alpha > 8) & (alpha < 247)).sum() > 100


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_drawn_foreground_covers_a_part_of_its_frame(kind) -> None:
    drawn = draw_foreground(np.random.default_rng(2), 300, lambda size: Image.new("RGB", size, "red"), kind)
    share = (np.asarray(drawn.getchannel("A")) > 20).mean()
    assert drawn.mode == "RGBA" and max(drawn.size) <= 300 and 0.005 < share < 0.9


def test_colours_reach_beyond_the_edge(disc) -> None:
    colours = np.asarray(extend_colours(disc))
    assert np.abs(colours[1, 32].astype(int) - 200).max() < 12  # transparent, and black before


def test_an_edge_drawn_by_weight_keeps_the_size(disc) -> None:
    rng = np.random.default_rng(0)
    assert {soften(rng, disc).size for _ in range(12)} == {disc.size}
