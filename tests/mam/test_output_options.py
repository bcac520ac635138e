"""The files that are made of a matte."""

import io

import numpy as np
import pytest
from PIL import Image

from mam import Blur, Matting, Style
from mam.compose.composition import OutputOptions
from tests.mock_graphs import MockGraphs


@pytest.fixture(scope="module")
def matte():
    image = Image.new("RGB", (64, 48), (200, 40, 40))
    image.info["dpi"] = (300, 300)
    return Matting(MockGraphs()).open(image).matte(box=(8, 8, 40, 32))


def opened(matte, file_format="PNG", **choices) -> Image.Image:
    return Image.open(io.BytesIO(matte.encode(file_format, OutputOptions(**choices))))


def test_the_choices(matte) -> None:
    assert opened(matte).mode == "RGBA" and opened(matte).size == (64, 48)
    assert opened(matte, "JPEG").getpixel((60, 44)) > (250, 250, 250)
    assert opened(matte, style=Style("navy")).getpixel((60, 44)) == (0, 0, 128)
    assert opened(matte, "WEBP", style=Style(Blur())).mode == "RGB"
    assert opened(matte, alpha=True).getpixel((20, 20)) == 255
    assert opened(matte, alpha=True, bits=16).getpixel((20, 20)) == 65535
    x0, y0, x1, y1 = matte.bounds(2)
    assert opened(matte, alpha=True, trim=2).size == (x1 - x0, y1 - y0)


def test_metadata_is_kept_on_request(matte) -> None:
    assert "dpi" not in opened(matte).info
    assert np.allclose(opened(matte, metadata=True).info["dpi"], 300, atol=0.1)
