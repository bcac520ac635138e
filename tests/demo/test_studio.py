"""What is computed once, what is forgotten, and how one answer leads to the next; no server."""

import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from demo.downloads import Downloads, safe_name
from demo.session import Op
from demo.studio import Store, Studio
from mam import Matting, PromptError
from tests.conftest import EXAMPLES
from tests.demo.mock import MockGraphs

POINT, TAKEN = Op("point", (310.0, 215.0)), Op("point", (60.0, 60.0), 0)


def test_store_forgets_the_oldest_beyond_its_bytes() -> None:
    made = []
    store = Store(100, seconds=60)

    def get(key: str) -> str:
        return store.get(key, lambda: made.append(key) or key, lambda value: 40)

    for key in "abac":  # a is used again, so b is the oldest when c comes
        assert get(key) == key
    assert made == ["a", "b", "c"] and store.peek("b") is None
    store.forget(lambda key: key == "a")
    assert store.peek("a") is None and store.peek("c") == "c"


def test_store_forgets_what_nobody_asks_for() -> None:
    store = Store(100, seconds=0.1)
    store.get("a", lambda: 1, lambda value: 1)
    for _ in range(50):
        time.sleep(0.05)
        if not len(store):
            break
    assert len(store) == 0


def test_a_picture_is_encoded_once_and_per_visitor(matting, tmp_path) -> None:
    studio = Studio(matting)
    files = [shutil.copy(EXAMPLES / "flower.jpg", tmp_path / f"{name}.jpg") for name in ("mine", "yours")]
    mine, yours = (studio.open(str(file), visitor) for file, visitor in zip(files, ("me", "you")))
    assert studio.scene(mine) is studio.scene(mine) is not studio.scene(yours)
    assert (mine.name, yours.name) == ("mine", "yours") and mine.token != yours.token
    studio.forget("me")
    assert studio.store.peek((mine.token,)) is None and studio.store.peek((yours.token,)) is not None
    studio.open(str(files[0]), "you")  # the next picture takes the place of the last
    assert studio.store.peek((yours.token,)) is None and len(studio.store) == 1


def test_a_correction_starts_from_the_answer_before_it(matting) -> None:
    studio = Studio(matting)
    session = studio.open(str(EXAMPLES / "flower.jpg"))
    scene = studio.scene(session)
    first, second = studio.segment(session, (POINT,)), studio.segment(session, (POINT, TAKEN))
    before = scene.matte(points=[POINT.xy])
    expected = scene.matte(points=[POINT.xy, TAKEN.xy], labels=[1, 0], previous=before)
    assert np.array_equal(first.logits, before.segment.logits) and np.array_equal(
        second.logits, expected.segment.logits
    )
    assert np.array_equal(studio.matte(session, (POINT, TAKEN), "alpha").alpha, expected.alpha)
    boxed = studio.segment(session, (POINT, Op("box", (178.0, 82.0, 450.0, 360.0))))  # a box begins anew
    alone = scene.matte(box=(178, 82, 450, 360), points=[POINT.xy])
    assert np.array_equal(boxed.logits, alone.segment.logits)


def test_another_answer_is_taken_and_corrected() -> None:
    studio = Studio(Matting(MockGraphs()))
    session = studio.open(str(EXAMPLES / "flower.jpg"))
    single, third = studio.segment(session, (POINT,)), studio.segment(session, (POINT, Op("candidate", index=3)))
    assert third.chosen == 3 and third.mask.sum() > 6 * single.mask.sum()
    corrected = studio.segment(session, (POINT, Op("candidate", index=3), Op("point", (320.0, 225.0), 0)))
    assert 0.5 * third.mask.sum() < corrected.mask.sum() < third.mask.sum()


def test_a_glimpse_waits_for_nobody() -> None:
    studio = Studio(Matting(MockGraphs()))
    session = studio.open(str(EXAMPLES / "flower.jpg"))
    assert studio.glimpse(session.token, (), POINT).mask[215, 310]
    assert studio.glimpse("somebody else's", (), POINT) is None
    with studio._looking:
        assert studio.glimpse(session.token, (), POINT) is None
    with pytest.raises(PromptError):
        studio.glimpse(session.token, (), Op("point", (9000.0, 1.0)))
    assert studio.glimpse(session.token, (), POINT) is not None


def test_downloads_are_swept_and_safely_named() -> None:
    downloads = Downloads(seconds=-1)
    first = downloads.png(np.zeros((2, 2), np.uint8), "a/b:c_alpha")
    assert Path(first).name == "a_b_c_alpha.png" and Path(first).exists()
    second = downloads.jpeg(np.zeros((2, 2, 3), np.uint8), "a")
    assert not Path(first).exists() and Path(second).exists()
    assert safe_name("../../etc/passwd") == "_.._etc_passwd" and safe_name("...") == "picture"
    assert safe_name("猫" * 200 + ".png") == "猫" * 66 + ".png" and safe_name("a.b") == "a.b"
