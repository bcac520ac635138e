"""Random messages and prompts: every one gets an answer or an expected error, never anything else.

`MAM_FUZZ=20000 pytest tests/demo/test_fuzz.py` tries more of them.
"""

import json
import os

import gradio as gr
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from demo.canvas.parsing import parse_document, parse_ops
from demo.engine import Engine
from demo.tabs.cut_out import CutOutEvents
from mam import Matting, Prompt, PromptError
from tests.conftest import EXAMPLES
from tests.mock_graphs import MockGraphs

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
number = st.integers(-50, 700) | st.floats() | anything
op = st.fixed_dictionaries(
    {"kind": st.sampled_from(["main", "box", "point", "scribble", "candidate", "paint"]) | anything},
    optional={
        "xy": st.lists(number, max_size=5) | st.lists(st.lists(number, max_size=3), max_size=4) | anything,
        "label": st.sampled_from([0, 1]) | anything,
        "index": st.integers(0, 4) | anything,
        "size": st.integers(0, 900) | anything,
        "softness": st.floats(0, 1) | anything,
        "snap": anything,
    },
)
scene_object = st.fixed_dictionaries(
    {
        "id": st.integers(0, 5) | anything,
        "name": st.text(max_size=80) | anything,
        "ops": st.lists(op | anything, max_size=5) | anything,
    },
    optional={"visible": anything},
)
document = (
    st.fixed_dictionaries(
        {
            "objects": st.lists(scene_object | anything, max_size=4) | anything,
            "active": anything,
            "turn": anything,
            "have": anything,
        }
    )
    | anything
)
often = settings(
    derandomize=bool(os.environ.get("CI")),  # CI tries the same messages every time
    max_examples=int(os.environ.get("MAM_FUZZ", 150)),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
seldom = settings(often, max_examples=often.max_examples // 5)  # where each takes a second


def assert_is_a_sentence(error: PromptError, longest: int = 400) -> None:
    assert 10 < len(str(error)) < longest and " " in str(error)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(Matting(MockGraphs()))


@pytest.fixture(scope="module")
def session(engine):
    return engine.open(str(EXAMPLES / "flower.jpg"), "fuzz")


@often
@given(document)
@example({"objects": [{"id": 1, "name": "", "ops": []}], "active": []})
def test_parse(message) -> None:
    try:
        parse_document(message)
    except PromptError as error:
        assert_is_a_sentence(error)


@often
@given(st.lists(op | anything, max_size=6) | anything)
def test_parse_ops(listed) -> None:
    try:
        parse_ops(listed)
    except PromptError as error:
        assert_is_a_sentence(error)


@often
@given(message=document)
def test_the_canvas_always_gets_a_reply(engine, session, message) -> None:
    if isinstance(message, dict):
        message["token"] = session.token
    request, event = gr.Request(session_hash="fuzz", headers={}), gr.EventData(None, message)
    answers = list(CutOutEvents(engine).answer_prompts(False, request, event))
    if not isinstance(message, dict):  # nothing that a canvas sends is passed over
        return
    assert answers[-1]["text"] and answers[-1]["token"] == session.token
    json.dumps(answers[-1])


@pytest.mark.slow
@seldom
@given(shown=anything, kept=document)
def test_a_photo_is_opened_whatever_comes_with_it(engine, shown, kept) -> None:
    message = {"shown": shown, "document": kept, "opening": shown}
    request = gr.Request(session_hash="opening", headers={})
    answers = list(CutOutEvents(engine)._open(EXAMPLES / "cat.png", (), message, False, request))
    assert answers[1]["kind"] == "photo"


@often
@given(
    message=st.fixed_dictionaries(
        {"x": number, "y": number, "label": anything, "ops": st.lists(op, max_size=3) | anything}
    )
    | anything
)
def test_a_preview_is_answered_or_skipped(engine, session, message) -> None:
    if isinstance(message, dict):
        message["token"] = session.token
    answer = CutOutEvents(engine).preview(message)
    assert answer is None or answer.startswith("data:image/png")


@often
@given(
    box=anything | st.lists(number, min_size=4, max_size=4),
    points=anything | st.lists(st.lists(number, min_size=2, max_size=2)),
    labels=anything,
    scribbles=anything | st.lists(st.lists(st.lists(number, min_size=2, max_size=2), max_size=4), max_size=3),
    scribble_labels=anything,
)
def test_the_api_checks_every_prompt(box, points, labels, scribbles, scribble_labels) -> None:
    try:
        Prompt(box, points, labels, scribbles, scribble_labels).check((427, 640))
    except PromptError as error:
        assert_is_a_sentence(error, longest=1_000)
