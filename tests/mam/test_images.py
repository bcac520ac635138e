"""Reading of image files and arrays of every supported and unsupported kind."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from mam.errors import ImageTooLarge, InputError, MamError
from mam.images import convert_profile, open_photo, write_jpeg, write_png


def gradient(h: int = 20, w: int = 30) -> np.ndarray:
    y, x = np.mgrid[:h, :w]
    return np.uint8(np.dstack([x * 255 // w, y * 255 // h, np.full((h, w), 90)]))


def encode(image: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


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


def test_transparent_images_are_composed_over_white() -> None:
    rgba = Image.new("RGBA", (4, 4), (10, 20, 30, 0))
    assert (open_photo(encode(rgba, "PNG")).pixels == 255).all()
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
    out = write_png(photo.pixels, tmp_path / "out.png", photo.icc_profile)
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
        (b"", "empty .0 bytes"),
        (b"hello, I am a text", "not an image"),
        (
            encode(Image.fromarray(np.uint8(np.random.default_rng(0).integers(0, 255, (90, 90, 3)))), "JPEG")[:1500],
            "truncated",
        ),
        (encode(Image.fromarray(gradient()), "PNG")[:60], "truncated|header is broken|not an image"),
        (
            encode(Image.new("RGB", (9, 9)), "GIF", save_all=True, append_images=[Image.new("RGB", (9, 9), "red")]),
            r"animated or has several pages \(2\)",
        ),
    ],
    ids=["empty", "text", "truncated jpeg", "truncated png", "animated"],
)
def test_errors_describe_unreadable_files(content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_photo(content)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 0, 3), np.uint8), "no pixels"),
        (np.zeros((4, 4, 2), np.uint8), "not an image"),
        (np.zeros((4, 4, 3), np.int64), "not understood"),
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
    for length in (9, 200, 1900, len(pages) - 30):
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


@pytest.mark.parametrize("write", [write_png, write_jpeg])
def test_a_file_that_cannot_be_written_leaves_nothing(write, tmp_path) -> None:
    path = tmp_path / "no folder" / "image"
    with pytest.raises(MamError, match=r"image cannot be written \(No such file"):
        write(np.zeros((4, 4, 3), np.uint8), path)
    (tmp_path / "taken").mkdir()
    with pytest.raises(MamError, match="taken cannot be written"):
        write(np.zeros((4, 4, 3), np.uint8), tmp_path / "taken")
    assert [file.name for file in tmp_path.iterdir()] == ["taken"]
