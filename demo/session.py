"""What one visitor has done so far, as a value; and the check of what a browser says about it.

A browser may send anything. What leaves `parse` has the right types, is finite, and is bounded in number; whether it
makes sense for the picture is `mam.prompts`' to say.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mam import PromptError

MAX_ITEMS, MAX_OPS, MAX_ALL, MAX_STROKE, MAX_NAME = 20, 64, 200, 600, 60


@dataclass(frozen=True)
class Op:
    """One thing that a visitor did to an object.

    Attributes:
        kind: "box", "point", "scribble", or "candidate" for one of SAM's other answers.
        xy: pixels of the original picture: (x0, y0, x1, y1), (x, y), or ((x, y), ...).
        label: of a point or scribble: 1 belongs to the object, 0 does not.
        index: of a candidate, 1 to 3.
    """

    kind: Literal["box", "point", "scribble", "candidate"]
    xy: tuple = ()
    label: int = 1
    index: int = 0

    def to_message(self) -> dict[str, Any]:
        """The operation as the canvas keeps it."""
        if self.kind == "candidate":
            return {"kind": self.kind, "index": self.index}
        return {"kind": self.kind, "xy": [list(p) if isinstance(p, tuple) else p for p in self.xy], "label": self.label}


@dataclass(frozen=True)
class Item:
    """One object that is being cut out: `ops` in the order in which they were made."""

    id: int
    name: str
    ops: tuple[Op, ...] = ()
    visible: bool = True

    def to_message(self) -> dict[str, Any]:
        """The object as the canvas keeps it."""
        return {"id": self.id, "name": self.name, "visible": self.visible, "ops": [op.to_message() for op in self.ops]}


@dataclass(frozen=True)
class Session:
    """A picture and the objects in it; what they cost to compute lives in a `Studio` under `token`.

    Attributes:
        visitor: Gradio's name for their open page.
        token: of this upload, known to nobody else.
        path: the uploaded file.
        name: its name without the ending.
        items: the objects.
        active: id of the one that is worked on.
    """

    visitor: str
    token: str
    path: str
    name: str
    items: tuple[Item, ...] = (Item(1, "Object 1"),)
    active: int = 1


def ready(ops: Sequence[Op]) -> bool:
    """True when there is something to ask the model: a box, or something that belongs to the object."""
    return any(op.kind == "box" or (op.kind != "candidate" and op.label) for op in ops)


def parse(message: object) -> tuple[tuple[Item, ...], int]:
    """The objects, and the id of the active one, in what the canvas sent.

    Raises:
        PromptError: anything else than a canvas sends.
    """
    if not isinstance(message, dict) or not isinstance(message.get("items"), list):
        raise PromptError("the page sent no list of objects; reload it.")
    listed = message["items"]
    if not 1 <= len(listed) <= MAX_ITEMS:
        raise PromptError(f"{len(listed)} objects; from 1 to {MAX_ITEMS} are possible.")
    items = tuple(_item(item) for item in listed)
    total = sum(len(item.ops) for item in items)
    if total > MAX_ALL:
        raise PromptError(f"{total} prompts on all objects together; at most {MAX_ALL} are possible: remove an object.")
    if len({item.id for item in items}) != len(items):
        raise PromptError("two objects have the same number; reload the page.")
    active = next((item.id for item in items if item.id == message.get("active")), items[-1].id)
    return items, active


def parse_ops(listed: object) -> tuple[Op, ...]:
    """The operations on one object.

    Raises:
        PromptError: as `parse`.
    """
    if not isinstance(listed, list) or len(listed) > MAX_OPS:
        count = len(listed) if isinstance(listed, list) else "no list of"
        raise PromptError(
            f"{count} prompts on one object; at most {MAX_OPS} are possible: undo some, or add an object."
        )
    return tuple(_op(op) for op in listed)


def _item(item: object) -> Item:
    if not isinstance(item, dict):
        raise PromptError(f"an object is {type(item).__name__}; reload the page.")
    number, name = item.get("id"), item.get("name")
    if type(number) is not int or not 1 <= number <= 10**6:
        raise PromptError(f"an object has the number {_short(number)}; expected 1, 2, ...")
    if not isinstance(name, str):
        raise PromptError(f"the name of object {number} is no text.")
    name = "".join(c for c in name if c.isprintable()).strip()[:MAX_NAME] or f"Object {number}"
    return Item(number, name, parse_ops(item.get("ops")), item.get("visible") is not False)


def _op(op: object) -> Op:
    kind = op.get("kind") if isinstance(op, dict) else None
    if kind == "candidate":
        if op.get("index") not in (1, 2, 3):
            raise PromptError(f"answer {_short(op.get('index'))} was chosen; there are 1, 2 and 3.")
        return Op("candidate", index=int(op["index"]))
    if kind == "box":
        return Op("box", _numbers(op.get("xy"), 4, "a box"))
    label = op.get("label") if isinstance(op, dict) else None
    if kind not in ("point", "scribble") or label not in (0, 1):
        raise PromptError(f"{_short(op)} is no box, point, scribble or candidate.")
    if kind == "point":
        return Op("point", _numbers(op.get("xy"), 2, "a point"), int(label))
    stroke = op.get("xy")
    if not isinstance(stroke, list) or not 1 <= len(stroke) <= MAX_STROKE:
        raise PromptError(f"a scribble has from 1 to {MAX_STROKE} points.")
    return Op("scribble", tuple(_numbers(point, 2, "a scribble's point") for point in stroke), int(label))


def _numbers(values: object, count: int, what: str) -> tuple[float, ...]:
    numeric = isinstance(values, list) and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
    if not numeric or len(values) != count or not all(math.isfinite(v) and abs(v) < 1e6 for v in values):
        raise PromptError(f"{what} is {_short(values)}; expected {count} finite numbers.")
    return tuple(float(v) for v in values)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
