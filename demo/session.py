"""One visitor's document as a value (a photo, its objects, the operations on each), and each visitor's open photo."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from mam import Stroke


@dataclass(frozen=True)
class Op:
    """One operation of a visitor on an object.

    Attributes:
        kind: "main" for the main object of the photo, with which a new document begins; "box", "point", "scribble";
            "candidate" for one of the model's other answers; or "paint" for a stroke on the alpha, a `mam.Stroke`.
        xy: Pixels of the original photo: (x0, y0, x1, y1), (x, y), or ((x, y), ...).
        label: Of a point or scribble: 1 foreground, 0 background. Of a stroke: 1 restores, 0 erases.
        index: Of a candidate, 1 to 3; 0 for the answer as it is.
        size: Of a stroke: its diameter in pixels of the original photo.
        softness: Of a stroke, from 0 to 1.
        snap: Whether a stroke stops at edges.
    """

    kind: Literal["main", "box", "point", "scribble", "candidate", "paint"]
    xy: tuple = ()
    label: int = 1
    index: int = 0
    size: float = 0
    softness: float = 0
    snap: bool = False


KEPT = Op("candidate", index=0)
"""After "main": the answer as it is, to which later clicks add. A click beside the main object may mean another one."""


@dataclass(frozen=True)
class SceneObject:
    """One object that is being cut out; `ops` are in the order in which they were made."""

    id: int
    name: str
    ops: tuple[Op, ...] = ()
    visible: bool = True


@dataclass(frozen=True)
class Session:
    """A photo and the objects in it; what was computed for them is in the engine's store, under `token`.

    Attributes:
        visitor: Gradio's session hash.
        token: Of this upload, known to nobody else.
        path: The uploaded file.
        name: Its name without the ending.
        objects: At least one.
        active: Id of the selected object.
    """

    visitor: str
    token: str
    path: str
    name: str
    objects: tuple[SceneObject, ...] = (SceneObject(1, "Object 1"),)
    active: int = 1


def stroke_from(op: Op) -> Stroke:
    """Return a "paint" operation as a stroke.

    Raises:
        PromptError: Its size or softness is out of range.
    """
    return Stroke(op.xy, op.size, op.softness, "restore" if op.label else "erase", op.snap)


def strokes_of(ops: Sequence[Op]) -> list[Stroke]:
    """Return the strokes among operations."""
    return [stroke_from(op) for op in ops if op.kind == "paint"]


def prompts_of(ops: Sequence[Op]) -> tuple[Op, ...]:
    """Return the operations that the model answers: all but strokes on the alpha."""
    return tuple(op for op in ops if op.kind != "paint")


def has_foreground(ops: Sequence[Op]) -> bool:
    """Return whether the model can answer: there is the main object, a box, or a point or scribble on the object."""
    return any(op.kind in ("main", "box") or (op.kind in ("point", "scribble") and op.label == 1) for op in ops)


class Visitors:
    """Which photo each visitor has open, and which of the answers and results that are being made is the newest.

    The rules that this serves are in `demo.canvas.protocol`.
    """

    def __init__(self) -> None:
        self._tokens: dict[str, str] = {}
        self._opened: dict[str, str] = {}
        self._begun: dict[str, dict[str, int]] = {}

    def token(self, visitor: str) -> str | None:
        """Return the token of the photo that a visitor opened last or is opening; None if there is none."""
        return self._tokens.get(visitor)

    def begin_opening(self, visitor: str, token: str) -> None:
        """Make `token` a visitor's photo before it is encoded, so that messages about the one before are skipped."""
        self._tokens[visitor] = token

    def end_opening(self, visitor: str, token: str, succeeded: bool) -> None:
        """Keep the photo, or return to the last one that was opened; no effect if a newer one was begun meanwhile."""
        if self._tokens.get(visitor) != token:
            return
        if succeeded:
            self._opened[visitor] = token
        elif visitor in self._opened:
            self._tokens[visitor] = self._opened[visitor]
        else:
            del self._tokens[visitor]

    def begin(self, kind: Literal["answer", "result"], visitor: str) -> Callable[[], bool]:
        """Count a new answer or result for a visitor; returns a function that checks whether it is still the newest."""
        counts = self._begun.setdefault(visitor, {})
        number = counts[kind] = counts.get(kind, 0) + 1
        return lambda: counts.get(kind) == number and self._begun.get(visitor) is counts

    def remove(self, visitor: str) -> None:
        """Forget a visitor who left."""
        self._tokens.pop(visitor, None)
        self._opened.pop(visitor, None)
        self._begun.pop(visitor, None)
