"""Presets: the size, the part of the frame that is filled, the head of a person, the outline."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from mam import OutputOptions
from mam.compose.composite import add_outline
from mam.compose.head import find_head
from mam.compose.presets import PRESETS
from mam.images.boxes import mask_bounds
from tests.conftest import EXAMPLES

SIZES = {
    "square": (2000, 2000),
    "portrait": (1080, 1350),
    "story": (1080, 1920),
    "passport": (827, 1063),
    "sticker": (512, 512),
}


@pytest.fixture(scope="module")
def astronaut(matting):
    return matting.open(EXAMPLES / "astronaut.png").matte()


@pytest.mark.parametrize("name", PRESETS)
def test_sizes(name, astronaut) -> None:
    image = Image.open(io.BytesIO(astronaut.encode("PNG", OutputOptions(PRESETS[name]))))
    assert image.size == SIZES[name] and image.mode == ("RGBA" if name == "sticker" else "RGB")


def test_the_object_fills_its_part(flower) -> None:
    composition = flower.matte(box=(178, 82, 450, 360)).composition(PRESETS["square"])
    x0, y0, x1, y1 = mask_bounds(composition.alpha_uint8() > 8)  # what is fainter does not count
    assert max(x1 - x0, y1 - y0) == pytest.approx(0.85 * 2000, abs=12)  # a pixel of the photo is enlarged to six
    assert (x0 + x1) / 2 == pytest.approx(1000, abs=6) and (y0 + y1) / 2 == pytest.approx(1000, abs=6)
    assert composition.pixels()[5, 5].tolist() == [255] * 3


def test_a_head_and_shoulders(astronaut) -> None:
    x0, y0, x1, y1 = find_head(astronaut.alpha > 0.5)
    assert 140 < x0 < 160 and 10 < y0 < 20 and 295 < x1 < 310 and 130 < y1 < 185  # measured by eye in the photo
    alpha = astronaut.composition(PRESETS["passport"]).alpha_uint8()
    rows = np.flatnonzero((alpha > 127).any(1))
    assert rows[0] == pytest.approx(0.25 * 0.45 * 1063, abs=4) and rows[-1] == 1062
    assert alpha[-1].mean() > 200  # shoulders from side to side


def test_a_head_without_a_visible_neck() -> None:
    mask = np.zeros((100, 80), bool)
    mask[20:, 20:60] = True
    assert find_head(mask) == (20, 20, 60, 42)


def test_an_outline_is_as_wide_as_it_should_be() -> None:
    cutout = np.zeros((100, 200, 4), np.uint8)
    cutout[40:60, 50:150] = (200, 10, 10, 255)
    outlined = add_outline(cutout, 50)  # 10 pixels
    assert outlined[50, 100].tolist() == [200, 10, 10, 255]
    ys, xs = np.nonzero(outlined[..., 3] > 127)
    assert np.abs(np.subtract((xs.min(), ys.min(), xs.max(), ys.max()), (40, 30, 159, 69))).max() <= 1
    assert outlined[33, 100].tolist() == [255] * 4 and outlined[31, 41, 3] == 0  # round corners


def test_an_outline_on_a_background(flower) -> None:
    matte = flower.matte(box=(178, 82, 450, 360))
    navy = matte.compose(replace(PRESETS["sticker"], background="navy"))
    assert navy.shape == (512, 512, 3) and navy[2, 2].tolist() == [0, 0, 128] and (navy == 255).all(2).any()
