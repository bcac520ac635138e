"""Results as pictures; no server."""

from dataclasses import replace

import numpy as np
import pytest

from demo import views
from demo.views import Layers, Look
from mam import InputError
from tests.conftest import EXAMPLES

LOOK = Look(
    views.TRANSPARENT, "#102030", "#f0f0f0", 20, views.shipped_backgrounds()[0], None, False, 50, 50, 0, 0, 0, True
)
LIMIT = 10_000_000


@pytest.fixture(scope="module")
def matte(flower):
    return flower.matte(box=(178, 82, 450, 360))


@pytest.fixture(scope="module")
def layers(matte) -> Layers:
    return Layers.lift(matte.photo, [matte.alpha], LOOK)


def test_untouched_layers_are_the_librarys(matte, layers) -> None:
    assert np.array_equal(layers.alpha, matte.alpha) and np.array_equal(layers.cutout(), matte.cutout())
    assert np.array_equal(layers.over_checkerboard(), matte.over_checkerboard())
    kept = Layers.lift(matte.photo, [matte.alpha], replace(LOOK, clean=False))
    assert np.array_equal(kept.colours, matte.photo.pixels) and not np.array_equal(layers.colours, matte.photo.pixels)


def test_backgrounds(layers) -> None:
    def corner(**changes: object) -> list[int]:
        return layers.composed(replace(LOOK, **changes), LIMIT)[3, 3].tolist()

    assert corner()[3] == 0
    assert corner(kind=views.COLOUR) == [16, 32, 48]
    assert corner(kind=views.COLOUR, colour="rgba(16.2, 32.4, 48, 1)") == [16, 32, 48]
    assert corner(kind=views.GRADIENT)[0] in (17, 18, 16)
    assert corner(kind=views.OWN) == [255, 255, 255]
    assert len(corner(kind=views.PICTURE)) == len(corner(kind=views.BLUR)) == 3
    with pytest.raises(InputError):
        corner(kind=views.COLOUR, colour="no colour")
    with pytest.raises(InputError):
        corner(kind=views.OWN, own=str(EXAMPLES / "README.md"))
    assert len(views.shipped_backgrounds()) >= 3


def test_a_shadow_darkens_only_what_is_near(layers) -> None:
    plain, shaded = (
        layers.composed(replace(LOOK, kind=views.COLOUR, colour="white", shadow=s), LIMIT) for s in (0, 80)
    )
    darker = plain.astype(int).sum(2) - shaded.astype(int).sum(2)
    assert darker[368, 320] > 100 and darker[5, 5] == 0 and darker[215, 310] == 0


def test_several_objects_are_lifted_together(matte) -> None:
    other = np.zeros_like(matte.alpha)
    other[:40, :40] = 1
    both = Layers.lift(matte.photo, [matte.alpha, other], LOOK)
    assert both.alpha[10, 10] == 1 and both.alpha[215, 310] > 0.9 and both.alpha[400, 30] < 0.05


def test_previews_are_smaller(matte) -> None:
    small = Layers.lift(matte.photo, [matte.alpha], LOOK, longest=320)
    assert small.alpha.shape == (214, 320) and small.cutout().shape == (214, 320, 4)
    assert views.shown(np.zeros((1000, 2560, 3), np.uint8)).size == (1280, 500)
