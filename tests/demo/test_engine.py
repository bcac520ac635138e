"""What the engine computes once, what it forgets, and how corrections build on each other; no server."""

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import demo.engine
from demo.choices import Choices
from demo.engine import Engine, read_photo
from demo.session import KEPT, Op
from mam import Matting, Prompt, PromptError
from tests.conftest import EXAMPLES
from tests.mock_graphs import MockGraphs

POINT, BACKGROUND = Op("point", (310.0, 215.0)), Op("point", (60.0, 60.0), 0)


def test_a_photo_is_encoded_once_per_visitor(matting, tmp_path) -> None:
    engine = Engine(matting)
    files = [shutil.copy(EXAMPLES / "flower.jpg", tmp_path / f"{name}.jpg") for name in ("mine", "yours")]
    mine, yours = (engine.open(str(file), visitor) for file, visitor in zip(files, ("me", "you"), strict=True))
    assert engine.scene(mine) is engine.scene(mine) is not engine.scene(yours)
    assert (mine.name, yours.name) == ("mine", "yours") and mine.token != yours.token
    engine.forget("me")
    assert engine.peek_scene(mine.token) is None and engine.peek_scene(yours.token) is not None
    engine.open(str(files[0]), "you")  # the next photo replaces the last
    assert engine.peek_scene(yours.token) is None and len(engine.store) == 1


@pytest.mark.slow
def test_a_correction_starts_from_the_answer_before_it(matting) -> None:
    engine = Engine(matting)
    session = engine.open(str(EXAMPLES / "flower.jpg"))
    scene = engine.scene(session)
    first, second = engine.segment(session, (POINT,)), engine.segment(session, (POINT, BACKGROUND))
    before = scene.matte(points=[POINT.xy])
    expected = scene.matte(points=[POINT.xy, BACKGROUND.xy], labels=[1, 0], previous=before)
    assert np.array_equal(first.logits, before.segment.logits) and np.array_equal(
        second.logits, expected.segment.logits
    )
    assert np.array_equal(engine.matte(session, (POINT, BACKGROUND), "alpha").alpha, expected.alpha)
    boxed = engine.segment(session, (POINT, Op("box", (178.0, 82.0, 450.0, 360.0))))  # a box starts again
    alone = scene.matte(box=(178, 82, 450, 360), points=[POINT.xy])
    assert np.array_equal(boxed.logits, alone.segment.logits)


def test_a_candidate_is_chosen_and_corrected() -> None:
    engine = Engine(Matting(MockGraphs()))
    session = engine.open(str(EXAMPLES / "flower.jpg"))
    more = Op("candidate", name="more")
    single, third = engine.segment(session, (POINT,)), engine.segment(session, (POINT, more))
    assert third.chosen == 3 and third.mask.sum() > 6 * single.mask.sum()
    assert engine.segment(session, (POINT, Op("candidate", name="part"))) is single  # there is no part
    corrected = engine.segment(session, (POINT, more, Op("point", (320.0, 225.0), 0)))
    assert 0.5 * third.mask.sum() < corrected.mask.sum() < third.mask.sum()


class BlockedGraphs(MockGraphs):
    """Answers when the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.free = threading.Event(), threading.Event()
        self.free.set()

    def decode(self, *values):
        self.asked.set()
        self.free.wait()
        return super().decode(*values)


def test_a_photo_that_is_decoded_late_does_not_replace_a_newer_one(monkeypatch) -> None:
    started, free = threading.Event(), threading.Event()

    def read(path, max_pixels):
        if "flower" in path:
            started.set()
            assert free.wait(30)
        return read_photo(path, max_pixels)

    monkeypatch.setattr(demo.engine, "read_photo", read)
    engine = Engine(Matting(MockGraphs()))
    with ThreadPoolExecutor() as threads:
        slow = threads.submit(engine.open, str(EXAMPLES / "flower.jpg"), "me")
        assert started.wait(30)
        newer = engine.open(str(EXAMPLES / "coffee.png"), "me")
        free.set()
        older = slow.result()
    assert engine.is_open(newer) and not engine.is_open(older)
    assert [key[0] for key in engine.store._values] == [newer.token]


def test_only_one_preview_at_a_time() -> None:
    graphs = BlockedGraphs()
    engine = Engine(Matting(graphs))
    session = engine.open(str(EXAMPLES / "flower.jpg"))
    assert engine.preview(session.token, (), POINT) is None  # not encoded yet
    engine.scene(session)
    assert engine.preview(session.token, (), POINT).mask[215, 310]
    assert engine.preview("another token", (), POINT) is None
    graphs.free.clear()
    graphs.asked.clear()
    with ThreadPoolExecutor() as threads:
        first = threads.submit(engine.preview, session.token, (), POINT)
        assert graphs.asked.wait(10) and engine.preview(session.token, (), POINT) is None
        graphs.free.set()
        assert first.result() is not None
    with pytest.raises(PromptError):
        engine.preview(session.token, (), Op("point", (9000.0, 1.0)))
    assert engine.preview(session.token, (), POINT) is not None  # an error does not block the next


@pytest.mark.slow
def test_the_main_object_is_corrected_or_replaced_by_the_first_click(matting) -> None:
    engine, main = Engine(matting), Op("main")
    session = engine.open(str(EXAMPLES / "flower.jpg"))
    found = engine.segment(session, (main,))
    assert found.mask[215, 310] and not found.mask[400, 340] and not found.mask[60, 60]
    corrected = engine.segment(session, (main, POINT))
    expected = engine.scene(session).matte(points=[POINT.xy], previous=engine.matte(session, (main,), "alpha"))
    assert np.array_equal(corrected.logits, expected.segment.logits)
    bud = Op("point", (340.0, 410.0))  # beside the flower: another object is wanted
    assert engine.segment(session, (main, bud)) is engine.segment(session, (bud,))
    assert engine.preview(session.token, (main,), bud).mask[410, 340]
    assert not engine.segment(session, (main, BACKGROUND)).mask[60, 60]


@pytest.mark.parametrize(("x", "readings"), [(440.0, 2), (600.0, 1)])
def test_a_click_beside_the_main_object_adds_what_touches_it_and_chooses_what_is_apart(x, readings) -> None:
    engine, main, click = Engine(Matting(MockGraphs())), Op("main"), Op("point", (x, 200.0))
    session = engine.open(str(EXAMPLES / "flower.jpg"))
    box = Prompt(box=(200, 100, 430, 340))
    found = engine.store.get(engine.key(session.token, (main,)), lambda: engine.scene(session).segment([box])[0])
    meant = engine.readings(session, (main, click))
    assert meant == [(main, KEPT, click), (click,)][-readings:]
    answer = engine.segment(session, (main, click))
    assert answer.mask[200, int(x)] and answer.mask[200, 300] == (readings == 2)
    assert np.array_equal(engine.preview(session.token, (main,), click).mask, answer.mask)
    assert engine.segment(session, meant[-1]).mask.sum() < found.mask.sum()


@pytest.mark.slow
def test_strokes_stand_above_every_answer_to_the_same_object(matting) -> None:
    engine, main, erase = Engine(matting), Op("main"), Op("paint", ((310.0, 215.0),), 0, size=40)
    session = engine.open(str(EXAMPLES / "flower.jpg"))
    restore = Op("paint", ((60.0, 60.0), (90.0, 60.0)), 1, size=20)
    both = engine.matte(session, (main, erase, restore), "alpha")
    assert both.alpha[215, 310] == 0 and both.alpha[60, 75] == 1
    later = engine.matte(session, (main, erase, BACKGROUND, POINT, restore), "alpha")
    assert later.alpha[215, 310] == 0 and later.alpha[60, 60] == 1, "above clicks that ask for the opposite"
    engine.store.forget(lambda key: len(key) > 2 and erase in key[2])
    again = engine.matte(session, (main, erase, restore), "alpha")
    assert np.array_equal(again.alpha, both.alpha)
    assert engine.draft(session, (main, erase, restore, erase), "alpha").alpha[215, 310] == 0
    draft = engine.draft(session, (main, erase, Op("point", (320.0, 230.0)), restore), "alpha")
    assert not draft.mask[215, 310] and draft.mask[60, 75], "the mask that comes first has the strokes too"
    bud = Op("point", (340.0, 410.0))  # beside the flower: another object, without strokes on the flower
    assert engine.matte(session, (main, restore, bud, erase), "alpha").alpha[60, 75] == 0
    assert engine.preview(session.token, (main, erase), POINT) is not None


def test_another_model_answers_the_same_prompts_and_what_the_first_one_found_is_kept() -> None:
    class Larger(MockGraphs):
        variant = "larger"

        def decode(self, *values):
            logits, scores = super().decode(*values)
            return np.roll(logits, -1, 1), scores  # the second candidate's discs are larger

    engine = Engine(Matting(MockGraphs(), proposer=None))
    session = engine.open(str(EXAMPLES / "flower.jpg"), "me")
    first = engine.segment(session, (POINT,))
    engine.choices.add(Matting(Larger(), proposer=None), replace_default=True)
    assert engine.matting_of("me").graphs.variant == "mock" and engine.matting_of("you").graphs.variant == "larger"
    assert engine.segment(session, (POINT,)) is first
    photo = engine.photo(session)
    engine.choose("me", "larger")
    assert engine.photo(session) is photo and engine.segment(session, (POINT,)).mask.sum() != first.mask.sum()
    engine.choose("me", "mock")
    assert engine.segment(session, (POINT,)) is first
    engine.choose("me", "larger")
    assert engine.matting_of("me").graphs.variant == "larger"
    engine.forget("me")
    assert engine.choices._chosen == {}


def test_an_answer_is_of_one_model_although_the_visitor_switches_meanwhile() -> None:
    class Switching(MockGraphs):
        def encode(self, image):
            engine.choose("me", "larger")
            return super().encode(image)

    class Larger(MockGraphs):
        variant = "larger"

    engine = Engine(Matting(Switching(), proposer=None))
    session = engine.open(str(EXAMPLES / "flower.jpg"), "me")
    engine.choices.add(Matting(Larger(), proposer=None), replace_default=False)
    assert engine.scene(session).graphs.variant == "larger"
    engine.choose("me", "mock")
    assert engine.peek_scene(session.token) is None  # what was half made is not kept


def test_room_for_other_models_is_not_made_by_removing_the_default() -> None:
    choices = Choices(Matting(MockGraphs(), proposer=None))
    for name in ("default", "second", "third", "fourth"):
        graphs = MockGraphs()
        graphs.variant = name
        choices.add(Matting(graphs, proposer=None), replace_default=name == "default")
    assert list(choices.models) == ["mock", "default", "fourth"] and choices.default is choices.models["default"]
