"""Messages that a browser may send, and messages that are refused; no server."""

import json
import math
import re
from dataclasses import asdict

import pytest

from demo.canvas.parsing import document_message, known_keys, parse_document, parse_ops, parse_preview
from demo.canvas.protocol import LIMITS, limits_as_javascript
from demo.session import Op, Session
from mam import PromptError

BOX, POINT = {"kind": "box", "xy": [1, 2, 30, 40]}, {"kind": "point", "xy": [5, 6], "label": 0}
STROKE = {"kind": "scribble", "xy": [[1, 1], [2, 3]], "label": 1}
PAINT = {**STROKE, "kind": "paint", "size": 9.5, "softness": 0.3, "snap": True}


def scene_object(number: object = 1, **changes: object) -> dict:
    return {
        "id": number,
        "name": "cat",
        "visible": True,
        "ops": [BOX, POINT, STROKE, {"kind": "candidate", "name": "whole"}, PAINT],
        **changes,
    }


def test_a_document_survives_the_round_trip() -> None:
    objects, active = parse_document({"objects": [scene_object(), scene_object(2, visible=False)], "active": 2})
    assert active == 2 and objects[0].ops == (
        Op("box", (1.0, 2.0, 30.0, 40.0)),
        Op("point", (5.0, 6.0), 0),
        Op("scribble", ((1.0, 1.0), (2.0, 3.0)), 1),
        Op("candidate", name="whole"),
        Op("paint", ((1.0, 1.0), (2.0, 3.0)), 1, size=9.5, softness=0.3, snap=True),
    )
    assert not objects[1].visible
    assert parse_document(document_message(Session("v", "t", "p", "n", objects, 2))) == (objects, 2)


def test_names_are_shortened_and_cleaned() -> None:
    (one,), active = parse_document({"objects": [scene_object(name="a\n\x00b" + "c" * 200)], "active": "?"})
    assert one.name == ("ab" + "c" * 200)[: LIMITS.name_length] and active == 1
    assert parse_document({"objects": [scene_object(name=" ")]})[0][0].name == "Object 1"


@pytest.mark.parametrize(
    "message, text",
    [
        (None, "no list of objects"),
        ({"objects": "x"}, "no list of objects"),
        ({"objects": []}, "0 objects"),
        ({"objects": [scene_object(i) for i in range(1, LIMITS.objects + 2)]}, "21 objects"),
        ({"objects": [scene_object(), scene_object()]}, "same number"),
        ({"objects": [7]}, "an object is int"),
        ({"objects": [scene_object(True)]}, "has the number True"),
        ({"objects": [scene_object(-1)]}, "has the number -1"),
        ({"objects": [scene_object(name=5)]}, "is not a text"),
        ({"objects": [scene_object(ops=None)]}, "no list of prompts"),
        ({"objects": [scene_object(ops=[POINT] * (LIMITS.ops_per_object + 1))]}, "129 prompts"),
    ],
)
def test_wrong_documents_are_refused(message, text) -> None:
    with pytest.raises(PromptError, match=text):
        parse_document(message)


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
        {**STROKE, "xy": [[1, 2]] * (LIMITS.stroke_points + 1)},
        {**STROKE, "xy": [[1, 2, 3]]},
        {**PAINT, "size": 0},
        {**PAINT, "size": None},
        {**PAINT, "softness": 1.5},
        {**PAINT, "xy": []},
        {"kind": "candidate", "name": "all"},
        {"kind": "candidate", "name": 1},
        {"kind": ["box"], "xy": [1, 2, 3, 4]},
    ],
)
def test_wrong_operations_are_refused(op) -> None:
    with pytest.raises(PromptError):
        parse_ops([op])


def test_a_preview_is_a_click_on_an_object() -> None:
    token, ops, click = parse_preview({"token": "t", "x": 3, "y": 4, "label": 0, "ops": [BOX]})
    assert (token, ops, click) == ("t", (Op("box", (1.0, 2.0, 30.0, 40.0)),), Op("point", (3.0, 4.0), 0))
    for message in (None, {}, {"token": "t", "x": None, "y": 4, "label": 1, "ops": []}, {"x": 1, "y": 1, "label": 1}):
        with pytest.raises(PromptError):
            parse_preview(message)


def test_the_keys_that_a_browser_has_are_texts() -> None:
    assert known_keys({"have": ["a", 1]}) == {"a", "1"} and known_keys({"have": 5}) == known_keys({}) == set()


def test_the_browser_gets_the_same_limits() -> None:
    (declared,) = re.findall(r"const LIMITS = (\{.*\});", limits_as_javascript())
    assert json.loads(declared) == asdict(LIMITS)
