"""Visitors' images are decoded in processes that are bounded in memory and time, and may be ended."""

import os
import signal

import pytest
from PIL import Image

from mam.errors import ImageTooLarge, InputError
from mam.images import open_photo
from mam.serve import decoding
from tests.conftest import EXAMPLES


def test_a_photo_is_the_same_as_in_this_process() -> None:
    path = EXAMPLES / "astronaut.png"
    read, expected = decoding.read_photo(str(path), 24_000_000), open_photo(path)
    assert (read.pixels == expected.pixels).all() and read.name == expected.name
    smaller = decoding.read_photo(str(path), 100_000)
    assert (smaller.pixels == expected.downsample(max(smaller.size)).pixels).all() and "reduced" in smaller.note
    assert (decoding.read_image(path.read_bytes(), 24_000_000).pixels == expected.pixels).all()


def test_errors_are_those_of_reading(tmp_path) -> None:
    with pytest.raises(FileNotFoundError):
        decoding.read_photo(str(tmp_path / "none.png"), 1000)
    with pytest.raises(ImageTooLarge, match=r"cat\.png has"):
        decoding.read_image(EXAMPLES / "cat.png", 1000)
    (tmp_path / "text.png").write_text("text")
    with pytest.raises(InputError, match="not an image"):
        decoding.read_photo(str(tmp_path / "text.png"), 1000)


@pytest.mark.slow
def test_a_large_image_is_read_in_the_second_process(tmp_path) -> None:
    Image.new("RGBA", (10_000, 9_000), (9, 9, 9, 200)).save(tmp_path / "large.png", compress_level=1)
    assert decoding.read_photo(str(tmp_path / "large.png"), 24_000_000).alpha.size > 23e6


@pytest.mark.slow
def test_an_image_that_needs_more_memory_is_refused(tmp_path) -> None:
    """An image of 24 kB that took 1.9 GB."""
    Image.new("RGB", (11_000, 10_800), (9, 9, 9)).save(tmp_path / "bomb.webp")
    with pytest.raises(InputError, match=r"bomb\.webp"):
        decoding.read_photo(str(tmp_path / "bomb.webp"), 24_000_000)
    assert decoding.read_photo(str(EXAMPLES / "cat.png"), 24_000_000)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="the system does not limit the time of processes")
def test_an_image_that_needs_more_time_is_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(decoding, "_ORDINARY", (850, 0))
    monkeypatch.setattr(decoding, "_LARGE", (900, 0))
    Image.new("P", (11_000, 10_800)).save(tmp_path / "slow.png", transparency=0, compress_level=1)
    with pytest.raises(InputError, match=r"slow\.png takes too much memory or time"):
        decoding.read_photo(str(tmp_path / "slow.png"), 24_000_000)


def test_a_decoder_that_dies_is_replaced() -> None:
    decoder = decoding._decoder(*decoding._ORDINARY)
    assert decoder((EXAMPLES / "cat.png", 10**6, None))[0]
    os.kill(decoder._child.pid, signal.SIGKILL)
    assert decoding.read_photo(str(EXAMPLES / "cat.png"), 10**6)
    assert decoder((EXAMPLES / "cat.png", 10**6, None))[0]
