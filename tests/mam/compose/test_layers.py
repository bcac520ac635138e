"""PSD and 16-bit TIFF, opened again by psd-tools, Pillow and ImageMagick."""

import io
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from mam import InputError, OutputOptions, Placement, Style
from mam.compose.layers import encode_layers
from mam.images import tiff
from mam.matte import compose_mattes
from tests.colour_profiles import adobe_rgb
from tests.conftest import EXAMPLES

BOX = (178, 82, 450, 360)


@pytest.fixture(scope="module")
def matte(flower):
    found = flower.matte(box=BOX)
    return replace(found, photo=replace(found.photo, icc_profile=adobe_rgb()))


def convert(content: bytes, kind: str, *options: str) -> list[np.ndarray]:
    """The images that ImageMagick finds in a file, as RGB of 16 bits with what alpha there is."""
    program = shutil.which("convert")
    version = subprocess.run([program or "false", "-version"], capture_output=True, text=True).stdout
    if not program or ("ImageMagick 6" not in version and "ImageMagick 7" not in version):
        pytest.skip("no ImageMagick on this machine: apt-get install imagemagick")
    command = [
        program,
        f"{kind}:-",
        *options,
        "-depth",
        "16",
        "-endian",
        "MSB",
        "-define",
        "quantum:format=unsigned",
        "rgba:-",
    ]
    done = subprocess.run(command, input=content, capture_output=True, check=True)
    return np.frombuffer(done.stdout, ">u2").reshape(-1, 427, 640, 4)


def test_layers_of_a_file(matte) -> None:
    psd_tools = pytest.importorskip("psd_tools", reason="needs psd-tools: pip install psd-tools")
    style = Style("navy", shadow=0.5)
    content = matte.encode("PSD", OutputOptions(style))
    file, composition = psd_tools.PSDImage.open(io.BytesIO(content)), matte.composition(style)
    assert [(layer.name, layer.visible) for layer in file] == [("Photo", False), ("Background", True), ("Object", True)]
    photo, background, cut_out = file
    assert np.array_equal(np.asarray(photo.topil(apply_icc=False))[..., :3], matte.photo.pixels)
    assert np.array_equal(np.asarray(background.topil(apply_icc=False))[..., :3], composition.background("navy"))
    assert np.array_equal(np.asarray(cut_out.topil(apply_icc=False))[..., :3], composition.foreground)
    assert np.array_equal(np.asarray(cut_out.mask.topil()), composition.alpha_uint8())
    assert np.array_equal(np.asarray(file.topil(apply_icc=False))[..., :3], composition.pixels())
    assert file.image_resources.get_data(1039) == adobe_rgb()


def test_several_objects_without_a_background(matte, flower) -> None:
    psd_tools = pytest.importorskip("psd_tools", reason="needs psd-tools: pip install psd-tools")
    other = replace(flower.matte(box=(0, 200, 150, 420)) or matte, photo=matte.photo)
    whole = compose_mattes([matte, other], Style())
    content = encode_layers(whole, [("花", matte.composition()), ("other", other.composition())])
    file = psd_tools.PSDImage.open(io.BytesIO(content))
    assert [layer.name for layer in file] == ["Photo", "花", "other"]
    assert np.array_equal(np.asarray(file.topil(apply_icc=False))[..., :3], whole.over("white"))


def test_imagemagick_finds_the_same_layers(matte) -> None:
    pytest.importorskip("psd_tools", reason="needs psd-tools: pip install psd-tools")
    matte = replace(matte, photo=replace(matte.photo, icc_profile=None))
    content = matte.encode("PSD", OutputOptions(Style("navy")))
    merged, photo, background, cut_out = convert(content, "psd")
    assert np.array_equal(photo[..., :3] // 257, matte.photo.pixels)
    assert (background[..., :3] // 257 == (0, 0, 128)).all()
    alpha = matte.alpha_uint8()
    assert np.array_equal(cut_out[..., 3] // 257, alpha)
    assert np.array_equal(cut_out[alpha > 0][:, :3] // 257, matte.foreground[alpha > 0])
    assert np.array_equal(merged[..., :3] // 257, matte.over("navy"))


def test_tiff_has_16_bits(matte) -> None:
    content = matte.encode("TIFF", OutputOptions(metadata=True))
    opened = Image.open(io.BytesIO(content))
    assert opened.mode == "RGBA" and opened.info["icc_profile"] == adobe_rgb()
    assert np.array_equal(np.asarray(opened)[..., :3], matte.cutout()[..., :3])
    (found,) = convert(content, "tiff", "+profile", "icc")
    assert np.array_equal(found[..., 3], matte.alpha_uint16()) and len(np.unique(found[..., 3])) > 300
    assert np.array_equal(found[..., :3] // 257, matte.cutout()[..., :3])
    over = Image.open(io.BytesIO(matte.encode("TIFF", OutputOptions(Style("navy")))))
    assert over.mode == "RGB" and np.array_equal(np.asarray(over), matte.over("navy"))
    alpha = Image.open(io.BytesIO(matte.encode("TIFF", OutputOptions(alpha=True, bits=16))))
    assert np.array_equal(np.asarray(alpha), matte.alpha_uint16())
    assert Image.open(io.BytesIO(matte.encode("TIFF", OutputOptions(trim=0)))).size < (640, 427)


def test_a_photo_with_a_resolution(matting) -> None:
    image = Image.open(EXAMPLES / "flower.jpg")
    image.info["dpi"] = (300, 150)
    content = matting.open(image).matte(box=BOX).encode("TIFF", OutputOptions(metadata=True))
    assert Image.open(io.BytesIO(content)).info["dpi"] == (300, 150)


def test_a_psd_keeps_the_frame(matte) -> None:
    placed = Style(placement=Placement(1.0))
    for wrong in ({"trim": 0}, {"alpha": True}, {"metadata": True}, {"style": placed}, {"style": Style(outline=5)}):
        options = OutputOptions(**wrong)
        with pytest.raises(InputError, match="frame"):
            matte.encode("PSD", options)


def test_a_file_of_over_four_gigabytes_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(tiff, "_MOST", 10)
    with pytest.raises(InputError, match="choose PNG"):
        tiff.encode_rgba16(np.zeros((9, 9, 4), np.uint16))
