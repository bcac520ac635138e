"""One matte: its arrays, composites, edges and file."""

import pickle

import numpy as np
import pytest
from PIL import Image

from mam import Matte, NothingFound
from tests.conftest import FLOWER_BOX


@pytest.fixture(scope="module")
def matte(flower) -> Matte:
    return flower.matte(box=FLOWER_BOX)


def test_cutout_and_composites_have_the_images_size(matte: Matte, tmp_path) -> None:
    cutout = matte.cutout()
    assert cutout.shape == (427, 640, 4) and np.array_equal(cutout[..., 3], matte.alpha_uint8())
    assert np.array_equal(matte.cutout(clean_colours=False)[..., :3], matte.photo.pixels)
    blue = matte.over("#0000ff")
    assert (blue[5, 5] == (0, 0, 255)).all()
    assert np.abs(blue[215, 310].astype(int) - matte.photo.pixels[215, 310]).max() <= 3
    for image in (matte.over_blur(), matte.over_checkerboard(), matte.over(np.zeros((9, 9, 3), np.uint8))):
        assert image.shape == (427, 640, 3) and image.dtype == np.uint8
    saved = Image.open(matte.save(tmp_path / "flower.png"))
    assert saved.mode == "RGBA" and np.array_equal(np.asarray(saved), cutout)


def test_edges_can_be_adjusted(matte: Matte) -> None:
    wider = matte.adjust_edges(grow=4)
    assert wider.alpha.sum() > matte.alpha.sum() and wider.segment is matte.segment
    assert np.array_equal(wider.cutout()[..., 3], wider.alpha_uint8())


def test_a_short_repr_and_a_pickle_with_equal_arrays(matte: Matte) -> None:
    assert repr(matte).startswith("Matte(Photo('flower', 640 x 427), ") and len(repr(matte)) < 100
    again = pickle.loads(pickle.dumps(matte))
    assert np.array_equal(again.alpha, matte.alpha) and again.photo.name == "flower"


def test_nothing_found_is_false_and_names_what_to_try() -> None:
    nothing = NothingFound(0.21)
    assert not nothing
    assert str(nothing).startswith("nothing found (best score 0.21); draw a box")
    by_text = "nothing found for 'a zebra' (best score 0.10); try another text, or give a box"
    assert str(NothingFound(0.1, "a zebra")) == by_text
