"""What clicks mean, what the store keeps, and what is drawn; no server."""

from pathlib import Path

import numpy as np
import pytest

from demo import views
from demo.downloads import Downloads
from demo.session import ADD, BOX, REMOVE, Session, Store, Studio
from mam import InputError
from tests.conftest import EXAMPLES


def test_two_corners_make_a_box_in_any_order() -> None:
    start = Session("p", "d")
    half = start.clicked(BOX, 90, 10)
    assert half.corner == (90, 10) and half.box is None
    done = half.clicked(BOX, 20, 70)
    assert done.box == (20, 10, 90, 70) and done.corner is None


def test_clicks_add_take_away_and_can_be_undone() -> None:
    session = Session("p", "d").clicked(ADD, 1, 2).clicked(REMOVE, 3, 4)
    assert session.points == ((1, 2, 1), (3, 4, 0)) and not session.empty
    assert session.undone().points == ((1, 2, 1),)
    assert Session("p", "d").clicked(REMOVE, 3, 4).empty
    assert session.cleared() == Session("p", "d")
    assert Session("p", "d", box=(0, 0, 1, 1)).undone() == Session("p", "d")


def test_store_forgets_the_oldest_beyond_its_bytes() -> None:
    made = []
    store = Store(100)

    def get(key: str) -> str:
        return store.get(key, lambda: made.append(key) or key, lambda value: 40)

    for key in "abac":  # a is used again, so b is the oldest when c comes
        assert get(key) == key
    assert made == ["a", "b", "c"]
    get("a")
    get("b")
    assert made == ["a", "b", "c", "b"]


def test_studio_encodes_a_picture_once(matting) -> None:
    studio = Studio(matting)
    session = Session.open(str(EXAMPLES / "flower.jpg"))
    scene = studio.scene(session)
    assert studio.scene(session.clicked(ADD, 320, 180)) is scene
    assert studio.matte(session.clicked(ADD, 320, 180)).alpha.shape == (427, 640)
    assert "encode" in studio.status() and "CPUExecutionProvider" in studio.status()


def test_annotations_show_the_prompts() -> None:
    pixels = np.full((200, 300, 3), 90, np.uint8)
    session = Session("p", "d", box=(20, 30, 200, 150)).clicked(ADD, 100, 100).clicked(REMOVE, 250, 50)
    drawn = np.asarray(views.annotated(pixels, session, None))
    assert tuple(drawn[100, 100]) == views.ADDED and tuple(drawn[50, 250]) == views.TAKEN
    assert tuple(drawn[30, 100]) == views.FRAMED and tuple(drawn[190, 10]) == (90, 90, 90)


def test_large_pictures_are_shown_smaller_and_clicks_scale_back() -> None:
    pixels = np.zeros((1000, 2560, 3), np.uint8)
    assert views.shown(pixels).size == (1280, 500) and views.scale_of((1000, 2560)) == 2
    assert views.scale_of((100, 100)) == 1


def test_backgrounds(matting, flower) -> None:
    matte = flower.matte(box=(175, 30, 470, 330))

    def corner(kind: str, own: str | None = None, colour: str = "#102030") -> np.ndarray:
        return views.composed(matte, kind, colour, 20, views.shipped_backgrounds()[0], own)[3, 3]

    assert corner(views.TRANSPARENT)[3] == 0
    assert corner(views.COLOUR).tolist() == [16, 32, 48]
    assert corner(views.COLOUR, colour="rgba(16.2, 32.4, 48, 1)").tolist() == [16, 32, 48]
    assert corner(views.OWN).tolist() == [255, 255, 255]
    assert corner(views.PICTURE).shape == corner(views.BLUR).shape == (3,)
    with pytest.raises(InputError):
        corner(views.COLOUR, colour="no colour")
    assert len(views.shipped_backgrounds()) >= 3


def test_downloads_are_swept() -> None:
    downloads = Downloads(seconds=-1)
    first = downloads.write(np.zeros((2, 2), np.uint8), "a_alpha")
    assert Path(first).name == "a_alpha.png" and Path(first).exists()
    second = downloads.write(np.zeros((2, 2), np.uint8), "a_alpha")
    assert not Path(first).exists() and Path(second).exists()
