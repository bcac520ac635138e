"""Reading of image files and arrays of every supported and unsupported kind."""

import base64
import io
import struct
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, TiffImagePlugin, features

from mam.errors import ImageTooLarge, InputError
from mam.images import open_mask, open_photo
from mam.images.encode import write_image
from mam.images.profiles import convert_profile
from tests.colour_profiles import adobe_rgb, grey_profile
from tests.conftest import EXAMPLES, ROOT
from tests.pictures import encode


def gradient(h: int = 20, w: int = 30) -> np.ndarray:
    y, x = np.mgrid[:h, :w]
    return np.uint8(np.dstack([x * 255 // w, y * 255 // h, np.full((h, w), 90)]))


def test_rgb_is_read_unchanged(tmp_path) -> None:
    path = tmp_path / "Ferien 1.png"
    path.write_bytes(encode(Image.fromarray(gradient()), "PNG"))
    photo = open_photo(path)
    assert np.array_equal(photo.pixels, gradient()) and photo.name == "Ferien 1" and photo.size == (20, 30)
    assert np.array_equal(open_photo(str(path)).pixels, gradient())
    assert np.array_equal(open_photo(path.read_bytes()).pixels, gradient())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = Image.fromarray(gradient(8, 16)).resize((64, 32))
    transpositions = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the one that each orientation reverses
    stored = upright if orientation == 1 else upright.transpose(Image.Transpose(transpositions[orientation]))
    photo = open_photo(encode(stored, "PNG", exif=exif))
    assert np.array_equal(photo.pixels, np.asarray(upright))


def test_transparent_images_are_composed_over_white_and_keep_their_alpha() -> None:
    rgba = Image.new("RGBA", (4, 4), (10, 20, 30, 0))
    assert (open_photo(encode(rgba, "PNG")).pixels == 255).all()
    assert (open_photo(encode(rgba, "PNG")).alpha == 0).all()
    assert open_photo(encode(Image.new("RGBA", (4, 4), (10, 20, 30, 255)), "PNG")).alpha is None
    half = open_photo(encode(Image.new("LA", (4, 4), (0, 128)), "PNG"))
    assert (half.alpha == 128).all() and (half.pixels == 127).all()
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([200, 0, 0])
    assert (open_photo(encode(palette, "PNG", transparency=0)).pixels == 255).all()
    assert (open_photo(encode(palette, "PNG")).pixels == (200, 0, 0)).all()


def test_grey_sixteen_bit_and_cmyk_become_rgb() -> None:
    deep = Image.fromarray(np.uint16([[0, 32896, 65535]]))
    assert open_photo(encode(deep, "PNG")).pixels[0].tolist() == [[0] * 3, [128] * 3, [255] * 3]
    assert open_photo(encode(Image.new("L", (3, 3), 77), "JPEG", quality=100)).pixels[0, 0].tolist() == [77] * 3
    cmyk = open_photo(encode(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=100)).pixels
    assert cmyk[4, 4, 0] > 200 and cmyk[4, 4, 1] < 50


def test_only_rgb_profiles_are_kept(tmp_path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = open_photo(encode(Image.fromarray(gradient()), "PNG", icc_profile=profile))
    assert photo.icc_profile == profile
    out = write_image(photo.pixels, tmp_path / "out.png", photo.icc_profile)
    assert Image.open(out).info["icc_profile"] == profile
    assert [p.name for p in tmp_path.iterdir()] == ["out.png"]
    lab = profile[:16] + b"LAB " + profile[20:]
    assert open_photo(encode(Image.fromarray(gradient()), "PNG", icc_profile=lab)).icc_profile is None


@pytest.mark.parametrize(
    ("array", "value"),
    [
        (np.full((2, 2), 128, np.uint8), 128),
        (np.full((2, 2, 3), 32896, np.uint16), 128),
        (np.full((2, 2, 3), 0.5, np.float32), 128),
    ],
)
def test_arrays(array: np.ndarray, value: int) -> None:
    assert (open_photo(array).pixels == value).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no content"),
        (b"hello, I am a text", "not an image"),
        (
            encode(Image.fromarray(np.uint8(np.random.default_rng(0).integers(0, 255, (90, 90, 3)))), "JPEG")[:300],
            "truncated or damaged|header is broken",
        ),
        (encode(Image.fromarray(gradient()), "PNG")[:60], "truncated|header is broken|not an image"),
    ],
    ids=["empty", "text", "truncated jpeg", "truncated png"],
)
def test_errors_describe_unreadable_files(content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_photo(content)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 0, 3), np.uint8), "no pixels"),
        (np.zeros((4, 4, 2), np.uint8), "not an image"),
        (np.zeros((4, 4, 3), complex), "not understood"),
        (np.full((4, 4, 3), 300, np.int64), "values from 300 to 300"),
        (np.full((4, 4, 3), np.nan), "NaN"),
        (np.full((4, 4, 3), 7.0), r"outside \[0, 1\]"),
    ],
)
def test_errors_describe_unsupported_arrays(array: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_photo(array)


def test_broken_metadata_is_ignored() -> None:
    image = Image.fromarray(gradient())
    assert np.array_equal(open_photo(encode(image, "PNG", exif=b"Exif\x00\x00nonsense")).pixels, gradient())
    cmyk = encode(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", icc_profile=b"no profile at all")
    photo = open_photo(cmyk)
    assert photo.size == (8, 8) and photo.icc_profile is None


def test_a_truncated_tiff_is_refused() -> None:
    pages = encode(Image.fromarray(gradient()), "TIFF", save_all=True, append_images=[Image.fromarray(gradient())])
    for length in (9, 200, 1900):
        with pytest.raises(InputError):
            open_photo(pages[:length])


def test_huge_images_are_refused_before_decoding(monkeypatch) -> None:
    content = encode(Image.new("RGB", (200, 100)), "PNG")
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(ImageTooLarge, match=r"100 x 200 = 0.0 megapixels") as refused:
        open_photo(content, max_pixels=19_999)
    assert refused.value.size == (100, 200) and refused.value.limit == 19_999


def test_missing_file_and_folder(tmp_path) -> None:
    with pytest.raises(FileNotFoundError):
        open_photo(tmp_path / "no.jpg")
    with pytest.raises(InputError, match="is a folder"):
        open_photo(tmp_path)


def test_very_long_strips_are_refused() -> None:
    with pytest.raises(InputError, match="a side of 40000 pixels; at most 30000"):
        open_photo(np.zeros((10, 40_000, 3), np.uint8))


def test_colours_are_converted_between_profiles() -> None:
    grey, red = np.full((2, 2, 3), 128, np.uint8), np.uint8([[[255, 0, 0]]])
    assert convert_profile(grey, None, None) is grey
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.abs(convert_profile(red, None, srgb).astype(int) - red).max() <= 2
    assert convert_profile(red, b"broken", None) is red


HEIC_HEADER = b"\0\0\0\x18ftypheic" + bytes(40)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF", "JPEG2000", "GIF", "BMP", "TIFF", "PPM", "TGA", "ICO"])
def test_formats(kind: str) -> None:
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    image = Image.fromarray(gradient(64, 96))
    photo = open_photo(encode(image, kind, **({"sizes": [(96, 64)]} if kind == "ICO" else {})))
    assert photo.size == (64, 96)
    assert np.abs(photo.pixels.astype(int) - gradient(64, 96)).mean() < 12  # GIF has 256 colours


def test_heic() -> None:
    pytest.importorskip("pi_heif")
    photo = open_photo(ROOT / "tests" / "reference" / "gradient.heic")
    y, x = np.mgrid[:24, :32]
    assert np.abs(photo.pixels - np.stack([8 * x, 10 * y, 0 * x + 100], -1)).mean() < 4  # it was compressed


def test_a_heic_image_without_its_decoder_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    with pytest.raises(InputError, match="pip install pi-heif"):
        open_photo(HEIC_HEADER)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_frames_the_first_is_read_and_said(kind: str) -> None:
    others = [Image.new("RGB", (9, 9), "red"), Image.new("RGB", (9, 9), "lime")]
    photo = open_photo(encode(Image.new("RGB", (9, 9), "blue"), kind, save_all=True, append_images=others))
    assert photo.pixels[4, 4, 2] > 240 and photo.pixels[4, 4, 0] < 20
    assert "has several" in photo.note


def test_a_thumbnail_page_of_a_tiff_is_passed_over() -> None:
    thumbnail, stream = Image.new("RGB", (8, 8), "red"), io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(stream, new=True) as pages:
        thumbnail.save(pages, "TIFF", tiffinfo={254: 1})
        pages.newFrame()
        Image.fromarray(gradient()).save(pages, "TIFF")
        pages.newFrame()
    photo = open_photo(stream.getvalue())
    assert photo.size == (20, 30) and photo.note == ""


def tiff(*pages: dict[int, object]) -> bytes:
    """A TIFF of one page per dictionary of tags, each smaller than the next."""
    stream = io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(stream, new=True) as writer:
        for number, tags in enumerate(pages, 1):
            info = TiffImagePlugin.ImageFileDirectory_v2()
            for tag, value in tags.items():
                info[tag] = value
            Image.new("RGB", (8 * number, 8), (number, 0, 0)).save(writer, "TIFF", tiffinfo=info)
            writer.newFrame()
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        tiff({254: 1, 330: 8}),  # NEF, ARW: a preview, the photo in a directory below it
        tiff({254: 1, 50706: b"\1\4\0\0"}),  # DNG
        tiff({}).replace(struct.pack("<HHLHH", 262, 3, 1, 2, 0), struct.pack("<HHLHH", 262, 3, 1, 32803, 0)),  # PEF
        b"II*\0\x10\0\0\0CR\2\0",  # CR2
        b"\0\0\0\x18ftypcrx ",  # CR3
        b"FUJIFILMCCD-RAW 0201",
        b"IIU\0\x18\0\0\0",  # RW2
        b"IIRO\x08\0\0\0",  # ORF
    ],
)
def test_camera_raw_files_are_refused(content: bytes) -> None:
    with pytest.raises(InputError, match="is a camera raw file, of which only a preview"):
        open_photo(content)


def test_a_mask_page_of_a_tiff_is_passed_over() -> None:
    assert open_photo(tiff({254: 4}, {254: 0})).size == (8, 16)


def test_the_primary_image_of_a_heic_file_is_read() -> None:
    photo = open_photo(ROOT / "tests" / "reference" / "two_images.heic")
    assert photo.size == (64, 96) and photo.pixels[30, 30, 1] > 200  # red, 64 x 64; then lime, the primary one
    assert photo.note == "two_images.heic has several images; the main one was read."


def test_an_animation_apart_from_the_image_of_a_png_is_read() -> None:
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "lime", "blue")]
    photo = open_photo(encode(frames[0], "PNG", save_all=True, default_image=True, append_images=frames[1:]))
    assert tuple(photo.pixels[4, 4]) == (0, 255, 0)


def test_the_largest_image_of_an_icon_is_read() -> None:
    assert open_photo(encode(Image.new("RGB", (64, 64)), "ICO", sizes=[(16, 16), (64, 64), (32, 32)])).size == (64, 64)


def png_chunk(kind: bytes, body: bytes, checksum: int = 0) -> bytes:
    return struct.pack(">L", len(body)) + kind + body + struct.pack(">L", zlib.crc32(kind + body) + checksum)


TEXT = zlib.compress(b"a" * 2_000_000)


@pytest.mark.parametrize(
    "chunk",
    [
        png_chunk(b"zTXt", b"history\0\0" + TEXT),
        png_chunk(b"iTXt", b"workflow\0\1\0\0\0" + TEXT),
        png_chunk(b"iCCP", b"printer\0\0" + zlib.compress(bytes(2_000_000))),
        png_chunk(b"zTXt", b"history\0\0" + zlib.compress(b"a" * 900_000)) * 100,
        png_chunk(b"tIME", bytes(7), checksum=1),
    ],
    ids=["zTXt", "iTXt", "iCCP", "many", "damaged tIME"],
)
@pytest.mark.parametrize("where", ["before", "after"])
def test_what_a_png_holds_beside_its_pixels_is_no_reason_to_refuse_it(chunk: bytes, where: str) -> None:
    content = encode(Image.fromarray(gradient()), "PNG")
    at = content.index(b"IDAT" if where == "before" or b"iCCP" in chunk else b"IEND") - 4
    assert np.array_equal(open_photo(content[:at] + chunk + content[at:]).pixels, gradient())


def test_a_jpeg_that_lacks_its_end_is_read() -> None:
    noise = np.uint8(np.random.default_rng(0).integers(0, 255, (200, 200, 3)))
    content = encode(Image.fromarray(noise), "JPEG")
    for missing in (1, 2, 300, len(content) // 2):
        photo = open_photo(content[:-missing])
        assert photo.size == (200, 200) and "is incomplete" in photo.note


def test_a_pil_image_keeps_its_frame() -> None:
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("blue", "red", "lime")]
    image = Image.open(io.BytesIO(encode(frames[0], "GIF", save_all=True, append_images=frames[1:])))
    image.seek(2)
    assert open_photo(image).pixels[4, 4].tolist() == [0, 255, 0]
    assert open_photo(image).pixels[4, 4].tolist() == [0, 255, 0]  # the frame is still the current one


def test_the_own_colours_of_transparent_pixels_are_kept() -> None:
    photo = open_photo(encode(Image.new("RGBA", (4, 4), (255, 0, 0, 128)), "PNG"))
    assert photo.pixels[0, 0].tolist() == [255, 127, 127] and photo.straight[0, 0].tolist() == [255, 0, 0]


def test_orientation_is_applied_beside_a_broken_tag() -> None:
    # EXIF with orientation 6 and XResolution -1/0, which cannot be written again.
    entries = b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0" + b"\x01\x1a\0\x0a\0\0\0\x01\0\0\0\x26"
    exif = b"Exif\0\0MM\0\x2a\0\0\0\x08" + b"\0\x02" + entries + b"\0\0\0\0" + b"\xff\xff\xff\xff\0\0\0\0"
    photo = open_photo(encode(Image.fromarray(gradient(8, 16)), "JPEG", exif=exif))
    assert photo.size == (16, 8)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "WEBP"])
def test_orientation_is_applied_once(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = open_photo(encode(Image.fromarray(gradient(8, 16)), kind, exif=exif))
    assert photo.size == (16, 8)


@pytest.mark.parametrize(
    ("values", "white"),
    [
        (np.linspace(0, 1.02, 64), 1.0),
        (np.linspace(0, 3, 64), 3.0),
        (np.linspace(0, 255, 64), 255.0),
        (np.linspace(0, 65535, 64), 65535.0),
        (np.append(np.linspace(0, 1, 63), np.nan), 1.0),
        (np.arange(0, 256, 4, np.int32), 255.0),
        (np.arange(0, 65536, 1024, np.int32), 65535.0),
    ],
    ids=["float 0..1.02", "HDR 0..3", "float 0..255", "float 0..65535", "NaN", "int32 0..255", "int32 0..65535"],
)
def test_deep_images_are_neither_black_nor_white(values: np.ndarray, white: float) -> None:
    values = values.reshape(8, 8).astype(np.int32 if values.dtype == np.int32 else np.float32)
    read = open_photo(encode(Image.fromarray(values), "TIFF")).pixels[..., 0]
    expected = np.clip(np.nan_to_num(values) / white, 0, 1) * 255
    assert np.abs(read - expected).max() < 8


def test_nothing_but_nan_is_refused() -> None:
    with pytest.raises(InputError, match="no finite value"):
        open_photo(encode(Image.fromarray(np.full((4, 4), np.nan, np.float32)), "TIFF"))


def test_a_grey_profile_is_applied() -> None:
    gamma_one = grey_profile(1.0)
    plain, linear = (open_photo(encode(Image.new("L", (8, 8), 55), "PNG", icc_profile=p)) for p in (None, gamma_one))
    assert plain.pixels[0, 0, 0] == 55 and linear.icc_profile is None
    assert abs(int(linear.pixels[0, 0, 0]) - 127) < 6  # 55/255 of the light is sRGB's 127


def test_models_read_srgb_and_results_keep_the_profile() -> None:
    colours = gradient(40, 60)
    photo = open_photo(encode(Image.fromarray(colours), "JPEG", quality=100, subsampling=0, icc_profile=adobe_rgb()))
    assert photo.icc_profile == adobe_rgb() and np.abs(photo.pixels.astype(int) - colours).max() <= 3
    assert np.array_equal(photo.srgb, convert_profile(photo.pixels, adobe_rgb(), None))
    assert np.abs(photo.srgb.astype(int) - photo.pixels).max() > 20
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain = open_photo(encode(Image.fromarray(colours), "PNG", icc_profile=srgb))
    assert plain.srgb is plain.pixels and plain.icc_profile == srgb


def test_more_pixels_than_pillows_limit_if_asked_for(monkeypatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    content = encode(Image.fromarray(gradient()), "PNG")
    assert open_photo(content, max_pixels=60_000_000).size == (20, 30)
    assert Image.MAX_IMAGE_PIXELS == 100
    with pytest.raises(InputError, match="more pixels than can be decoded safely"):
        open_photo(content, max_pixels=150)


def test_every_natural_source(tmp_path, monkeypatch) -> None:
    content = encode(Image.fromarray(gradient()), "PNG")
    (tmp_path / "photo.png").write_bytes(content)
    uri = "data:image/png;base64," + base64.b64encode(content).decode()
    with open(tmp_path / "photo.png", "rb") as file:
        sources = [file, io.BytesIO(content), bytearray(content), memoryview(content), uri, open_photo(content)]
        assert all(np.array_equal(open_photo(source).pixels, gradient()) for source in sources)
    monkeypatch.setattr("mam.images.opening.fetch", lambda address: content)
    assert open_photo("https://example.org/a/Ferien%201.png?size=2").name == "Ferien 1"


@pytest.mark.parametrize("source", [None, 7, [1, 2], io.StringIO("text"), "no\0file", "x" * 5000])
def test_other_sources_are_refused_in_words(source) -> None:
    with pytest.raises(InputError, match=r"cannot be read|open as text"):
        open_photo(source)


@pytest.mark.parametrize(
    "mask",
    [
        np.eye(4, dtype=np.uint8),
        np.eye(4, dtype=np.uint8) * 255,
        np.eye(4, dtype=np.int64) * 3,
        np.eye(4, dtype=bool),
        np.eye(4, dtype=np.float16) * 0.8,
        np.eye(4, dtype=np.float64) * 255,
        np.eye(4, dtype=np.uint16) * 65535,
        np.uint8(255 * np.eye(4)[..., None].repeat(3, 2)),
        np.uint8(np.dstack([np.full((4, 4, 3), 90), 255 * np.eye(4)])),
        encode(Image.fromarray(np.eye(4) > 0), "PNG"),
        encode(Image.fromarray(np.uint8(255 * np.eye(4))), "PNG"),
        encode(Image.fromarray(np.uint16(np.eye(4))), "PNG"),
        Image.fromarray(np.uint8(np.eye(4)[..., None] * (64, 0, 0))).quantize(4),
    ],
    ids=[
        "0/1",
        "0/255",
        "labels",
        "bool",
        "probability",
        "float",
        "uint16",
        "RGB",
        "RGBA",
        "1-bit file",
        "grey file",
        "16-bit labels",
        "palette",
    ],
)
def test_masks_of_any_kind(mask) -> None:
    assert np.array_equal(open_mask(mask), np.eye(4) > 0)


def test_metadata_leaves_out_where_and_by_whom() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Artist] = "Camera", "Jane"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.BodySerialNumber] = "123456"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FNumber] = 2.8
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    metadata = open_photo(encode(Image.fromarray(gradient()), "JPEG", exif=exif, dpi=(300, 300))).metadata
    assert metadata.dpi == (300, 300)
    kept = Image.Exif()
    kept.load(metadata.exif)
    assert dict(kept)[ExifTags.Base.Make] == "Camera" and ExifTags.Base.Artist not in kept
    assert set(kept.get_ifd(ExifTags.IFD.Exif)) == {ExifTags.Base.FNumber}
    assert not kept.get_ifd(ExifTags.IFD.GPSInfo)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "LA", "CMYK", "F"])
def test_a_large_photo_is_made_smaller_and_says_so(mode: str, monkeypatch) -> None:
    monkeypatch.setattr("mam.images.pixels._STRIP", 5000)  # several strips
    image = Image.open(EXAMPLES / "coffee.png").convert("L" if mode == "F" else mode).resize((400, 300))
    if mode == "P":
        image.info["transparency"] = 7
    image = image.convert(mode)
    whole, smaller = open_photo(image), open_photo(image, reduce_to=40_000)
    assert smaller.note == "The photo has 0 megapixels and was reduced to 0 megapixels."
    assert (open_photo(image, reduce_to=120_000).pixels == whole.pixels).all()
    for values in ("pixels", "straight", "alpha"):
        expected = getattr(whole.downsample(230), values)
        assert expected is None or np.abs(getattr(smaller, values) - expected.astype(int)).max() <= (mode != "RGB")


def test_a_large_jpeg_is_decoded_at_half_its_size() -> None:
    photo = Image.open(EXAMPLES / "cat.png").convert("RGB").resize((800, 600))
    content = encode(photo, "JPEG", quality=95)
    smaller = open_photo(content, reduce_to=100_000)
    assert smaller.size == (274, 365) and "megapixels" in smaller.note
    assert np.abs(smaller.pixels - open_photo(content).downsample(365).pixels.astype(int)).mean() < 2.5
    assert open_photo(content, reduce_to=130_000).size == (312, 416)  # more than a half


@pytest.mark.slow
def test_all_that_is_accepted_takes_less_than_a_gigabyte(tmp_path, python) -> None:
    """A palette with transparency took 5.1 GB at this size, RGBA 5.5 GB."""
    size = 11_000, 10_800
    Image.new("P", size).save(tmp_path / "palette.png", transparency=0, compress_level=1)
    Image.new("RGBA", size, (9, 9, 9, 99)).save(tmp_path / "rgba.png", compress_level=1)
    for name in ("palette.png", "rgba.png"):
        code = (
            "import re, sys; from pathlib import Path; from mam.images import open_photo;"
            "print(open_photo(sys.argv[1], 120_000_000, 24_000_000).alpha.size);"
            # Not `ru_maxrss`, which counts what the parent had when it started this process.
            "print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
        )
        run = subprocess.run(
            [python, "-c", code, tmp_path / name], cwd=ROOT, capture_output=True, text=True, check=True
        )
        pixels, kilobytes = map(int, run.stdout.split())
        assert 23e6 < pixels <= 24e6 and kilobytes < 1_000_000, (name, kilobytes)


@pytest.mark.parametrize("scans", [20, 3000])
def test_a_jpeg_of_thousands_of_scans_is_refused(scans: int) -> None:
    content = encode(Image.fromarray(gradient()), "JPEG", progressive=True)
    start = content.rindex(b"\xff\xda")
    content = content[:start] + content[start:-2] * scans + content[-2:]
    if scans > 100:
        with pytest.raises(InputError, match="more than 100 scans"):
            open_photo(content)
    else:
        assert open_photo(content).size == (20, 30)


def test_the_pages_of_a_tiff_are_not_counted() -> None:
    """16,000 pages took 3.4 s, 100,000 more than a minute."""
    first = tiff({})
    entries = struct.unpack("<H", first[8:10])[0]
    directory = first[8 : 8 + 2 + 12 * entries]
    pages = b"".join(directory + struct.pack("<I", len(first) + (n + 1) * (len(directory) + 4)) for n in range(50_000))
    content = first[: 8 + len(directory)] + struct.pack("<I", len(first)) + first[12 + len(directory) :] + pages
    start = time.perf_counter()
    assert "several pages" in open_photo(content).note
    assert time.perf_counter() - start < 1
