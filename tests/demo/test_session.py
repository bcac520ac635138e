"""What a browser may say, and what it may not; no server."""

import math

import pytest

from demo.session import MAX_ITEMS, MAX_NAME, MAX_OPS, Item, Op, parse, parse_ops, ready
from mam import PromptError

BOX, POINT = {"kind": "box", "xy": [1, 2, 30, 40]}, {"kind": "point", "xy": [5, 6], "label": 0}
STROKE = {"kind": "scribble", "xy": [[1, 1], [2, 3]], "label": 1}


def item(number: object = 1, **changes: object) -> dict:
    return {
        "id": number,
        "name": "cat",
        "visible": True,
        "ops": [BOX, POINT, STROKE, {"kind": "candidate", "index": 2}],
        **changes,
    }


def test_what_a_canvas_sends_and_back() -> None:
    items, active = parse({"items": [item(), item(2, visible=False)], "active": 2})
    assert active == 2 and items[0].ops == (
        Op("box", (1.0, 2.0, 30.0, 40.0)),
        Op("point", (5.0, 6.0), 0),
        Op("scribble", ((1.0, 1.0), (2.0, 3.0)), 1),
        Op("candidate", index=2),
    )
    assert not items[1].visible and parse({"items": [i.to_message() for i in items], "active": 2}) == (items, 2)


def test_names_are_shortened_and_cleaned() -> None:
    (one,), active = parse({"items": [item(name="a\n\x00b" + "c" * 200)], "active": "?"})
    assert one.name == ("ab" + "c" * 200)[:MAX_NAME] and active == 1
    assert parse({"items": [item(name=" ")]})[0][0].name == "Object 1"


@pytest.mark.parametrize(
    "message, said",
    [
        (None, "no list of objects"),
        ({"items": "x"}, "no list of objects"),
        ({"items": []}, "0 objects"),
        ({"items": [item(i) for i in range(1, MAX_ITEMS + 2)]}, "21 objects"),
        ({"items": [item(), item()]}, "same number"),
        ({"items": [7]}, "an object is int"),
        ({"items": [item(True)]}, "has the number True"),
        ({"items": [item(-1)]}, "has the number -1"),
        ({"items": [item(name=5)]}, "is no text"),
        ({"items": [item(ops=None)]}, "no list of prompts"),
        ({"items": [item(ops=[POINT] * (MAX_OPS + 1))]}, "65 prompts"),
    ],
)
def test_documents_that_no_canvas_sends(message, said) -> None:
    with pytest.raises(PromptError, match=said):
        parse(message)


@pytest.mark.parametrize(
    "op",
    [
        None,
        "box",
        {"kind": "polygon", "xy": [[1, 2]]},
        {**POINT, "label": 2},
        {**POINT, "label": None},
        {**POINT, "xy": [1]},
        {**POINT, "xy": [math.nan, 1]},
        {**POINT, "xy": [math.inf, 1]},
        {**POINT, "xy": [1e9, 1]},
        {**POINT, "xy": ["1", "2"]},
        {**POINT, "xy": [True, False]},
        {**BOX, "xy": [1, 2, 3]},
        {**BOX, "xy": {"a": 1}},
        {**STROKE, "xy": []},
        {**STROKE, "xy": [[1, 2]] * 601},
        {**STROKE, "xy": [[1, 2, 3]]},
        {"kind": "candidate", "index": 0},
        {"kind": "candidate", "index": "1"},
        {"kind": "candidate"},
        {"kind": ["box"], "xy": [1, 2, 3, 4]},
    ],
)
def test_operations_that_no_canvas_sends(op) -> None:
    with pytest.raises(PromptError):
        parse_ops([op])


def test_ready_needs_something_that_belongs() -> None:
    assert ready((Op("box", (0, 0, 9, 9)),)) and ready((Op("scribble", ((1, 1),)),))
    assert not ready(()) and not ready((Op("point", (1, 1), 0), Op("candidate", index=1)))
    assert Item(1, "x").ops == ()
