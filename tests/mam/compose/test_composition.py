"""Compositions of a photo's objects: every kind of background, shadows, edges, previews."""

import numpy as np
import pytest
from PIL import Image

from mam import InputError, Matte
from mam.compose.composition import Blur, Composition, Gradient, Style
from mam.images import Photo, open_photo
from tests.conftest import EXAMPLES


@pytest.fixture(scope="module")
def matte(flower) -> Matte:
    return flower.matte(box=(178, 82, 450, 360))


@pytest.fixture(scope="module")
def composition(matte) -> Composition:
    return Composition.of(matte.photo, [matte.alpha])


def test_the_default_style_gives_the_mattes_cutout(matte, composition) -> None:
    assert np.array_equal(composition.alpha, matte.alpha) and np.array_equal(composition.pixels(), matte.cutout())
    assert np.array_equal(composition.over_checkerboard(), matte.over_checkerboard())
    kept = Composition.of(matte.photo, [matte.alpha], Style(clean_colours=False))
    assert np.array_equal(kept.foreground, matte.photo.pixels)
    assert not np.array_equal(composition.foreground, matte.photo.pixels)


def test_backgrounds(matte) -> None:
    def corner(background: object) -> list[int]:
        return Composition.of(matte.photo, [matte.alpha], Style(background)).pixels()[3, 3].tolist()

    assert corner(None)[3] == 0
    assert corner("#102030") == corner((16, 32, 48)) == [16, 32, 48]
    assert corner(Gradient("#102030", "white"))[0] in (16, 17, 18)
    cat = open_photo(EXAMPLES / "cat.png")
    assert corner(cat) == corner(cat.pixels) and len(corner(Blur(20))) == 3
    with pytest.raises(InputError):
        corner("no colour")


def test_a_background_image_fills_the_frame_or_is_shown_whole(matte) -> None:
    stripes = np.zeros((100, 400, 3), np.uint8)
    stripes[:, ::2] = 200
    stripes[:, :40] = (255, 0, 0)  # the left edge
    filled, left, whole = (
        Composition.of(matte.photo, [matte.alpha], Style(stripes, fit, position)).pixels()[213, 5]
        for fit, position in (("cover", (0.5, 0.5)), ("cover", (0.0, 0.5)), ("contain", (0.5, 0.5)))
    )
    assert left.tolist() == whole.tolist() == [255, 0, 0] and filled.tolist() != [255, 0, 0]


def test_a_shadow_darkens_only_pixels_nearby(matte) -> None:
    plain, shaded = (
        Composition.of(matte.photo, [matte.alpha], Style("white", shadow=shadow)).pixels() for shadow in (0, 0.8)
    )
    darker = plain.astype(int).sum(2) - shaded.astype(int).sum(2)
    assert darker[368, 320] > 100 and darker[5, 5] == 0 and darker[215, 310] < 20


def test_several_objects_are_composed_together(matte) -> None:
    other = np.zeros_like(matte.alpha)
    other[:40, :40] = 1
    both = Composition.of(matte.photo, [matte.alpha, other])
    assert both.alpha[10, 10] == 1 and both.alpha[215, 310] > 0.9 and both.alpha[400, 30] < 0.05


def test_a_preview_is_smaller(matte) -> None:
    small = Composition.of(matte.photo, [matte.alpha], longest=320)
    assert small.alpha.shape == (214, 320) and small.cutout().shape == (214, 320, 4)
    assert small.photo.size == (214, 320)


def test_a_string_is_never_opened_as_a_file_or_an_address(tmp_path) -> None:
    Image.new("RGB", (4, 4), "red").save(tmp_path / "a.png")
    composition = Composition(Photo(np.zeros((4, 4, 3), np.uint8)), np.zeros((4, 4), np.float32))
    for text in (str(tmp_path / "a.png"), "http://127.0.0.1/a.png", "data:image/png;base64,AAAA"):
        with pytest.raises(InputError, match="neither an image nor a colour"):
            composition.over(text)
    assert (composition.over(tmp_path / "a.png") == (255, 0, 0)).all()


def test_edges_never_make_a_transparent_photo_opaque() -> None:
    alpha = np.zeros((60, 60), np.uint8)
    alpha[20:40, 20:40] = 255
    photo = Photo(np.full((60, 60, 3), 200, np.uint8), alpha=alpha, straight=np.full((60, 60, 3), 9, np.uint8))
    for style in (Style(grow=200), Style(softness=1), Style(softness=1, grow=100)):
        for longest in (None, 30):
            composition = Composition.of(photo, [alpha / np.float32(255)], style, longest)
            limit = composition.photo.alpha
            assert (composition.alpha_uint8() <= limit).all() and composition.alpha_uint8().max() > 200


@pytest.mark.parametrize(("clean", "invisible"), [(True, 0), (False, 9)])
def test_invisible_pixels_keep_their_colours_only_if_asked_to(clean: bool, invisible: int) -> None:
    pixels, alpha = np.full((2, 2, 3), 9, np.uint8), np.float32([[0, 1], [1, 0.4 / 255]])
    cutout = Composition(Photo(pixels), alpha, Style(clean_colours=clean)).cutout()
    assert cutout[..., 0].tolist() == [[invisible, 9], [9, invisible]] and cutout[..., 3].tolist() == [
        [0, 255],
        [255, 0],
    ]
