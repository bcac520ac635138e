"""The object's colours at soft edges."""

import multiprocessing
import subprocess
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mam.compose.composite import over
from mam.compose.foreground import foreground_colours
from tests.conftest import EXAMPLES, ROOT


def red_on_green(side: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """A red disc with a wide soft edge, photographed on green, and its alpha."""
    distance = np.hypot(*(np.mgrid[:side, :side] * (120 / side) - 60))
    alpha = np.clip((45 - distance) / 20, 0, 1).astype(np.float32)
    red, green = (np.broadcast_to(np.uint8(colour), (side, side, 3)) for colour in ([220, 30, 30], [20, 200, 40]))
    return over(red, alpha, green), alpha


@pytest.mark.parametrize("side", [120, 2400])  # the soft edge of the second reaches over more than 1536 pixels
def test_foreground_colours_exclude_the_background(side: int) -> None:
    photo, alpha = red_on_green(side)
    colours = foreground_colours(photo, alpha)
    soft = (alpha > 0.2) & (alpha < 0.8)
    assert np.abs(photo[soft].astype(int) - (220, 30, 30)).mean() > 50
    assert np.abs(colours[soft].astype(int) - (220, 30, 30)).mean() < 15
    known = np.isin(np.rint(alpha * 255), (0, 255))  # as alpha is stored
    assert np.array_equal(colours[known], photo[known])


@pytest.mark.slow
def test_a_large_image_keeps_the_texture_of_its_own_pixels() -> None:
    photo, alpha = red_on_green(2400)
    noisy = np.clip(photo + np.random.default_rng(0).normal(0, 8, photo.shape), 0, 255).astype(np.uint8)
    colours = foreground_colours(noisy, alpha).astype(float)
    opaque = (alpha > 0.8) & (alpha < 0.95)
    seen = noisy[opaque].astype(float) - photo[opaque]
    kept = colours[opaque] - foreground_colours(photo, alpha)[opaque]
    assert np.corrcoef(seen.ravel(), kept.ravel())[0, 1] > 0.95  # colours from a smaller image alone have none of it


def test_a_hard_alpha_needs_no_estimate() -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    assert foreground_colours(pixels, np.eye(4, dtype=np.float32)) is pixels


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 3), (700, 500)])
def test_any_size_and_an_alpha_that_is_soft_everywhere(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    colours = foreground_colours(pixels, np.full(size, 0.5, np.float32))
    assert colours.shape == pixels.shape and colours.dtype == np.uint8


def test_eight_threads_at_once() -> None:
    photo, alpha = red_on_green()
    expected = foreground_colours(photo, alpha)
    with ThreadPoolExecutor(8) as threads:
        for colours in threads.map(lambda _: foreground_colours(photo, alpha), range(16)):
            assert np.array_equal(colours, expected)


_AFTER_A_FORK = """
import multiprocessing
import subprocess
from mam import Matting
matte = Matting.load(device="cpu").open({photo!r}).matte()
expected = matte.cutout()  # before the fork
with multiprocessing.get_context("fork").Pool(2) as pool:
    results = pool.map_async(type(matte).cutout, [matte] * 4).get(timeout=60)
assert all((result == expected).all() for result in results)
"""


@pytest.mark.slow
@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork")
def test_a_cut_out_after_a_fork(python) -> None:
    script = _AFTER_A_FORK.format(photo=str(EXAMPLES / "flower.jpg"))
    subprocess.run([python, "-W", "ignore", "-c", script], check=True, timeout=120, cwd=ROOT)
