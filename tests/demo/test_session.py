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
    half = Session("p", "d").clicked(BOX, 90, 10)
    assert half.corner == (90, 10) and half.box is None and not half.ready
    done = half.clicked(BOX, 20, 70)
    assert done.box == (20, 10, 90, 70) and done.corner is None and done.ready


def test_a_click_gives_up_a_half_drawn_box() -> None:
    session = Session("p", "d").clicked(BOX, 90, 10).clicked(ADD, 5, 5)
    assert session.corner is None and session.box is None and session.ready


def test_clicks_add_take_away_and_are_undone_one_by_one() -> None:
    session = Session("p", "d").clicked(ADD, 1, 2).clicked(REMOVE, 3, 4)
    assert session.points == ((1, 2, 1), (3, 4, 0)) and session.ready
    assert session.undone().points == ((1, 2, 1),)
    assert not Session("p", "d").clicked(REMOVE, 3, 4).ready
    boxed = session.clicked(BOX, 0, 0).clicked(BOX, 9, 9)
    assert boxed.undone().corner == (0, 0) and boxed.undone().undone() == session
    again = boxed.clicked(BOX, 5, 5).clicked(BOX, 8, 8)
    assert again.box == (5, 5, 8, 8) and again.undone().undone().box == (0, 0, 9, 9)
    assert session.cleared() == Session("p", "d") == session.cleared().undone()


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
    assert studio.scene(session.clicked(ADD, 310, 215)) is scene
    assert studio.matte(session.clicked(ADD, 310, 215)).alpha.shape == (427, 640)
    assert "encode" in studio.status() and "CPUExecutionProvider" in studio.status()


def test_a_correcting_click_starts_from_the_answer_before_it(matting) -> None:
    studio = Studio(matting)
    first = Session.open(str(EXAMPLES / "flower.jpg")).clicked(ADD, 310, 215)
    second = first.clicked(REMOVE, 60, 60)
    scene, before = studio.scene(first), studio.matte(first)
    prompts = {"points": [(310, 215), (60, 60)], "labels": [1, 0]}
    expected = scene.matte(**prompts, previous=before)
    assert np.array_equal(studio.matte(second).alpha, expected.alpha)
    assert not np.array_equal(expected.segment.logits, scene.matte(**prompts).segment.logits)


def test_two_visitors_of_one_picture_keep_their_own_names(matting, tmp_path) -> None:
    import shutil

    studio = Studio(matting)
    sessions = [Session.open(shutil.copy(EXAMPLES / "flower.jpg", tmp_path / f"{name}.jpg")) for name in ("mine", "yours")]
    assert studio.scene(sessions[0]) is studio.scene(sessions[1])
    assert [session.name for session in sessions] == ["mine", "yours"]


def test_annotations_show_the_prompts() -> None:
    pixels = np.full((200, 300, 3), 90, np.uint8)
    session = Session("p", "d").clicked(BOX, 20, 30).clicked(BOX, 200, 150).clicked(ADD, 100, 100).clicked(REMOVE, 250, 50)
    drawn = np.asarray(views.annotated(pixels, session, None))
    assert tuple(drawn[100, 100]) == views.ADDED and tuple(drawn[50, 250]) == views.TAKEN
    assert tuple(drawn[30, 100]) == views.FRAMED and tuple(drawn[190, 10]) == (90, 90, 90)


def test_large_pictures_are_shown_smaller_and_clicks_scale_back() -> None:
    pixels = np.zeros((1000, 2560, 3), np.uint8)
    assert views.shown(pixels).size == (1280, 500) and views.scale_of((1000, 2560)) == 2
    assert views.scale_of((100, 100)) == 1


def test_backgrounds(matting, flower) -> None:
    matte = flower.matte(box=(178, 82, 450, 360))

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
