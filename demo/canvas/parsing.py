"""Conversion between the messages of `demo.canvas.protocol` and a session's objects, and validation of what arrives.

A browser may send anything. What these functions return has the right types, is finite, and is bounded in number;
`mam.masks.prompts` checks whether it fits the photo.
"""

from __future__ import annotations

import math
from typing import Any, Literal, cast

from demo.canvas.protocol import LIMITS, Document, ObjectMessage, OpMessage
from demo.session import UNKNOWN, Op, SceneObject, Session, stroke_from
from mam import PromptError
from mam.masks.alternatives import ALTERNATIVES


def document_message(session: Session) -> Document:
    """Return a session's objects as the browser keeps them."""
    objects: list[ObjectMessage] = [
        {"id": one.id, "name": one.name, "visible": one.visible, "ops": [_op_message(op) for op in one.ops]}
        for one in session.objects
    ]
    return {"objects": objects, "active": session.active}


def _op_message(op: Op) -> OpMessage:
    if op.kind == "main":
        return {"kind": "main"}
    if op.kind == "candidate":
        return {"kind": "candidate", "name": op.name}
    xy = [list(p) if isinstance(p, tuple) else p for p in op.xy]
    message: OpMessage = {"kind": op.kind, "xy": xy, "label": cast("Literal[0, 1, 2]", op.label)}
    if op.kind == "paint":
        message |= {"size": op.size, "softness": op.softness, "snap": op.snap}
    return message


def parse_document(message: object) -> tuple[tuple[SceneObject, ...], int]:
    """Check a `Document`; returns the objects and the id of the selected one.

    Raises:
        PromptError: No canvas sends such a message.
    """
    if not isinstance(message, dict) or not isinstance(message.get("objects"), list):
        raise PromptError("the page sent no list of objects; reload it.")
    listed = message["objects"]
    if not 1 <= len(listed) <= LIMITS.objects:
        raise PromptError(f"{len(listed)} objects; from 1 to {LIMITS.objects} are possible.")
    objects = tuple(_parse_object(one) for one in listed)
    total = sum(len(one.ops) for one in objects)
    if total > LIMITS.ops:
        raise PromptError(
            f"{total} prompts on all objects together; at most {LIMITS.ops} are possible: remove an object."
        )
    if len({one.id for one in objects}) != len(objects):
        raise PromptError("two objects have the same number; reload the page.")
    active = next((one.id for one in objects if one.id == message.get("active")), objects[-1].id)
    return objects, active


def parse_ops(listed: object) -> tuple[Op, ...]:
    """Check the operations on one object.

    Raises:
        PromptError: As `parse_document`.
    """
    if not isinstance(listed, list) or len(listed) > LIMITS.ops_per_object:
        count = len(listed) if isinstance(listed, list) else "no list of"
        limit = LIMITS.ops_per_object
        raise PromptError(f"{count} prompts on one object; at most {limit} are possible: undo some, or add an object.")
    return tuple(_parse_op(op) for op in listed)


def parse_preview(message: object) -> tuple[str, tuple[Op, ...], Op]:
    """Check a `PreviewRequest`; returns the token, the operations so far, and the click.

    Raises:
        PromptError: As `parse_document`.
    """
    if not isinstance(message, dict):
        raise PromptError("the page sent no click; reload it.")
    click = {"kind": "point", "xy": [message.get("x"), message.get("y")], "label": message.get("label")}
    return str(message.get("token")), parse_ops(message.get("ops")), _parse_op(click)


def parse_offers(message: object) -> tuple[str, tuple[Op, ...]]:
    """Check an `OffersRequest`; returns the token and the operations.

    Raises:
        PromptError: As `parse_document`.
    """
    if not isinstance(message, dict):
        raise PromptError("the page sent no prompts; reload it.")
    return str(message.get("token")), parse_ops(message.get("ops"))


def known_keys(message: dict[str, Any]) -> set[str]:
    """Return the keys in `have` of a `PromptMessage`; none if it is not a list."""
    keys = message.get("have")
    return set(map(str, keys)) if isinstance(keys, list) else set()


def _parse_object(message: object) -> SceneObject:
    if not isinstance(message, dict):
        raise PromptError(f"an object is {type(message).__name__}; reload the page.")
    number, name = message.get("id"), message.get("name")
    if type(number) is not int or not 1 <= number <= 10**6:
        raise PromptError(f"an object has the number {_short(number)}; expected 1, 2, ...")
    if not isinstance(name, str):
        raise PromptError(f"the name of object {number} is not a text.")
    name = "".join(c for c in name if c.isprintable()).strip()[: LIMITS.name_length] or f"Object {number}"
    return SceneObject(number, name, parse_ops(message.get("ops")), message.get("visible") is not False)


def _parse_op(message: object) -> Op:
    if not isinstance(message, dict):
        raise PromptError(f"{_short(message)} is not a box, point, scribble or candidate.")
    kind, label = message.get("kind"), message.get("label")
    if kind == "candidate":
        if message.get("name", "") not in ("", *ALTERNATIVES):
            raise PromptError(
                f"answer {_short(message['name'])} was chosen; expected one of {', '.join(ALTERNATIVES)}."
            )
        return Op("candidate", name=message.get("name", ""))
    if kind == "main":
        return Op("main")
    if kind == "box":
        return Op("box", _parse_numbers(message.get("xy"), 4, "a box"))
    labels = (0, 1, UNKNOWN) if kind == "paint" else (0, 1)
    if kind not in ("point", "scribble", "paint") or not isinstance(label, int) or label not in labels:
        raise PromptError(f"{_short(message)} is not a box, point, scribble or candidate.")
    if kind == "point":
        return Op("point", _parse_numbers(message.get("xy"), 2, "a point"), label)
    stroke = message.get("xy")
    if not isinstance(stroke, list) or not 1 <= len(stroke) <= LIMITS.stroke_points:
        raise PromptError(f"a stroke has from 1 to {LIMITS.stroke_points} points.")
    xy = tuple(_parse_numbers(point, 2, "a stroke's point") for point in stroke)
    if kind == "scribble":
        return Op("scribble", xy, label)
    size, softness = _parse_numbers([message.get("size"), message.get("softness")], 2, "a stroke's size and softness")
    op = Op("paint", xy, label, size=size, softness=softness, snap=message.get("snap") is True)
    stroke_from(op)  # checks the range
    return op


def _parse_numbers(values: object, count: int, what: str) -> tuple[float, ...]:
    if (
        not isinstance(values, list)
        or len(values) != count
        or not all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
        or not all(math.isfinite(v) and abs(v) < 1e6 for v in values)
    ):
        raise PromptError(f"{what} is {_short(values)}; expected {count} finite numbers.")
    return tuple(float(v) for v in values)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
