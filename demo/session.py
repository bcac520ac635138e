"""One visitor's document as a value (a photo, its objects, the operations on each), and each visitor's open photo."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from mam import Stroke


@dataclass(frozen=True)
class Op:
    """One operation of a visitor on an object.

    Attributes:
        kind: "main" for the main object of the photo, with which a new document begins; "box", "point", "scribble";
            "candidate" for something else that the prompts may mean; or "paint" for a stroke on the alpha, a
            `mam.Stroke`.
        xy: Pixels of the original photo: (x0, y0, x1, y1), (x, y), or ((x, y), ...).
        label: 1 for a point or scribble on the foreground, 0 on the background; a stroke restores (1), erases (0), or
            has the best edges compute it again (`UNKNOWN`).
        name: A candidate's key in `mam.Scene.alternatives`; empty for the answer as it is.
        size: A stroke's diameter in pixels of the original photo.
        softness: A stroke's, from 0 to 1.
        snap: Whether a stroke stops at edges.
    """

    kind: Literal["main", "box", "point", "scribble", "candidate", "paint"]
    xy: tuple = ()
    label: int = 1
    name: str = ""
    size: float = 0
    softness: float = 0
    snap: bool = False


UNKNOWN = 2
"""The label of a stroke over what is unknown to the model, such as hair; the effect of its `mam.Stroke` is ignored."""
KEPT = Op("candidate")
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
        token: The secret token of this upload.
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
    """Return the strokes among operations that erase or restore."""
    return [stroke_from(op) for op in ops if op.kind == "paint" and op.label != UNKNOWN]


def unknown_of(ops: Sequence[Op]) -> tuple[Op, ...]:
    """Return the strokes over what is unknown."""
    return tuple(op for op in ops if op.kind == "paint" and op.label == UNKNOWN)


def prompts_of(ops: Sequence[Op]) -> tuple[Op, ...]:
    """Return the operations that the model answers: all but strokes on the alpha."""
    return tuple(op for op in ops if op.kind != "paint")


def has_foreground(ops: Sequence[Op]) -> bool:
    """Return whether the model can answer: there is the main object, a box, or a point or scribble on the object."""
    return any(op.kind in ("main", "box") or (op.kind in ("point", "scribble") and op.label == 1) for op in ops)


@dataclass
class _Visit:
    """What is known about a visitor: the photo that is open or being opened, the last one that was opened."""

    token: str
    client: str
    session: Session | None = None
    begun: dict[str, int] = field(default_factory=dict)


class Visitors:
    """Which photo each visitor has open, and which of the answers and results that are being made is the newest.

    Nothing is kept about those who have opened none, since anyone can make up visitors. The rules that this serves are
    in `demo.canvas.protocol`.

    Args:
        most: How many visitors are kept; the browsers of those who were not seen for longest send their photos again.
        per_client: The same for visitors from one address.
    """

    def __init__(self, most: int = 256, per_client: int = 16) -> None:
        self.most, self.per_client = most, per_client
        self._visits: dict[str, _Visit] = {}  # who was seen last is last

    def token(self, visitor: str) -> str | None:
        """Return the token of the photo that a visitor opened last or is opening; None if there is none."""
        visit = self._visits.get(visitor)
        return None if visit is None else visit.token

    def client(self, visitor: str) -> str:
        """Return the address of a visitor whose photo is kept; "" for any other."""
        visit = self._visits.get(visitor)
        return "" if visit is None else visit.client

    def session(self, visitor: str) -> Session | None:
        """Return the photo that a visitor opened last, with its objects; None if there is none."""
        visit = self._visits.pop(visitor, None)
        if visit is None:
            return None
        self._visits[visitor] = visit
        return visit.session

    def keep(self, session: Session) -> None:
        """Keep a visitor's objects, unless another photo was opened meanwhile."""
        visit = self._visits.get(session.visitor)
        if visit is not None and visit.session is not None and visit.session.token == session.token:
            visit.session = session

    def begin_opening(self, visitor: str, token: str, client: str = "") -> None:
        """Make `token` a visitor's photo before it is encoded, so that messages about the one before are skipped."""
        self._visits.setdefault(visitor, _Visit(token, client)).token = token

    def end_opening(self, session: Session, succeeded: bool) -> list[str]:
        """Keep the photo, or return to the last one that was opened; no effect if a newer one was begun meanwhile.

        Returns:
            Visitors who are one too many, to be removed.
        """
        visit = self._visits.get(session.visitor)
        if visit is None or visit.token != session.token:
            return []
        if not succeeded:
            if visit.session is None:
                del self._visits[session.visitor]
            else:
                visit.token = visit.session.token
            return []
        visit.session = session
        self.session(session.visitor)  # was seen last
        visits = list(self._visits.items())
        of_client = [visitor for visitor, one in visits if one.client == visit.client]
        crowded = of_client[: max(0, len(of_client) - self.per_client)]
        return crowded or [visitor for visitor, _ in visits[: max(0, len(visits) - self.most)]]

    def begin(self, kind: Literal["answer", "result"], visitor: str) -> Callable[[], bool]:
        """Count a new answer or result for a visitor; returns a function that checks whether it is still the newest."""
        visit = self._visits.get(visitor)
        if visit is None:
            return lambda: False
        number = visit.begun[kind] = visit.begun.get(kind, 0) + 1
        return lambda: visit.begun[kind] == number and self._visits.get(visitor) is visit

    def remove(self, visitor: str) -> None:
        """Forget a visitor who left."""
        self._visits.pop(visitor, None)
