"""Writing of images."""

import io

import numpy as np
import pytest
from PIL import Image

from mam.errors import InputError, MamError
from mam.images.encode import encode_image, write_image
from mam.images.metadata import Metadata, read_metadata

RGBA = np.random.default_rng(0).integers(0, 256, (8, 9, 4), np.uint8)


@pytest.mark.parametrize("name", ["a.png", "a.PNG", "a.webp"])
def test_transparency_is_kept_exactly(name, tmp_path) -> None:
    assert np.array_equal(np.asarray(Image.open(write_image(RGBA, tmp_path / name))), RGBA)


def test_jpeg_and_sixteen_bits(tmp_path) -> None:
    assert Image.open(write_image(RGBA[..., :3], tmp_path / "a.jpeg")).format == "JPEG"
    deep = np.arange(600, dtype=np.uint16).reshape(20, 30) * 100
    assert np.array_equal(np.asarray(Image.open(write_image(deep, tmp_path / "a.png"))), deep)


@pytest.mark.parametrize("name", ["a", "a.bmp", "a.png.txt"])
def test_other_names_are_refused(name, tmp_path) -> None:
    with pytest.raises(InputError, match=r"ends in none of \.png, \.webp, \.jpg, \.jpeg"):
        write_image(RGBA, tmp_path / name)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_file_that_cannot_be_written_leaves_nothing(suffix, tmp_path) -> None:
    path = tmp_path / "no folder" / f"image{suffix}"
    with pytest.raises(MamError, match=rf"image{suffix} cannot be written \(No such file"):
        write_image(np.zeros((4, 4, 3), np.uint8), path)
    (tmp_path / f"taken{suffix}").mkdir()
    with pytest.raises(MamError, match=f"taken{suffix} cannot be written"):
        write_image(np.zeros((4, 4, 3), np.uint8), tmp_path / f"taken{suffix}")
    assert [file.name for file in tmp_path.iterdir()] == [f"taken{suffix}"]


def test_the_longest_name_that_a_system_allows(tmp_path) -> None:
    assert write_image(RGBA, tmp_path / ("n" * 251 + ".png")).exists()


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "JPEG"])
def test_metadata_is_embedded(file_format) -> None:
    exif = Image.Exif()
    exif[271] = "Camera"
    content = encode_image(RGBA[..., :3], file_format, None, Metadata((300.0, 300.0), exif.tobytes()))
    image = Image.open(io.BytesIO(content))
    assert image.getexif()[271] == "Camera"
    assert read_metadata(image).dpi == pytest.approx((300, 300), abs=0.1)
    assert file_format != "WEBP" or image.getexif()[282] == image.getexif()[283] == 300
    only_resolution = Image.open(io.BytesIO(encode_image(RGBA, "WEBP", None, Metadata((72.0, 96.0)))))
    assert read_metadata(only_resolution).dpi == (72, 96)
