"""The model behind the page, and a bounded store of what it has computed for its visitors."""

from __future__ import annotations

import ctypes
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

from demo.downloads import Downloads
from demo.session import Op, Session, ready
from mam import FoundBoxes, GraphError, Matte, Matting, NothingFound, Prompt, Scene, Segment


class Store:
    """Least recently used values, bounded in bytes and in age; safe for several threads.

    Args:
        max_bytes: when the values' sizes add up to more, the oldest go.
        seconds: a value that was not asked for so long goes too, whether or not anybody comes.
    """

    def __init__(self, max_bytes: int, seconds: float) -> None:
        self.max_bytes, self.seconds = max_bytes, seconds
        self._values: OrderedDict[Hashable, tuple[Any, int, float]] = OrderedDict()
        self._lock = threading.Lock()
        self._sweeper: threading.Timer | None = None

    def get(self, key: Hashable, make: Callable[[], Any], size_of: Callable[[Any], int]) -> Any:
        """The value of a key, made now if it is not there."""
        value = self.peek(key)
        if value is None:
            value = make()
            with self._lock:
                self._values[key] = value, size_of(value), time.monotonic()
                while len(self._values) > 1 and sum(size for _, size, _ in self._values.values()) > self.max_bytes:
                    self._values.popitem(last=False)
            self._sweep_later()
        return value

    def peek(self, key: Hashable) -> Any:
        """The value of a key, or None if it is not there."""
        with self._lock:
            if key not in self._values:
                return None
            value, size, _ = self._values.pop(key)
            self._values[key] = value, size, time.monotonic()
            return value

    def forget(self, belongs: Callable[[Hashable], bool]) -> None:
        """Drop the values of all keys of which `belongs` is true."""
        with self._lock:
            for key in [key for key in self._values if belongs(key)]:
                del self._values[key]

    def __len__(self) -> int:
        return len(self._values)

    def _sweep_later(self) -> None:
        with self._lock:
            if self._sweeper is None and self._values:
                self._sweeper = threading.Timer(self.seconds / 2, self._sweep)
                self._sweeper.daemon = True
                self._sweeper.start()

    def _sweep(self) -> None:
        with self._lock:
            self._sweeper = None
            for key in [key for key, (*_, used) in self._values.items() if time.monotonic() - used > self.seconds]:
                del self._values[key]
        self._sweep_later()


class Studio:
    """The model, the store and the downloads behind the page.

    Attributes:
        reads_words: there is a text model.

    Args:
        matting: what answers.
        max_bytes: bound of the store. seconds: how long it keeps what nobody asks for.
    """

    def __init__(self, matting: Matting, max_bytes: int = 1_500_000_000, seconds: float = 1200) -> None:
        self.matting, self.store, self.downloads = matting, Store(max_bytes, seconds), Downloads()
        try:
            self.reads_words = bool(matting.grounding())
        except GraphError:  # `demo.app` says why
            self.reads_words = False
        self._looking = threading.Lock()
        self._tokens: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def open(self, path: str, visitor: str = "") -> Session:
        """A new session about a file, its picture encoded; it takes the place of the visitor's last one, unless it fails.

        Raises:
            InputError: the file cannot be used. FileNotFoundError: it is gone.
        """
        session = Session(visitor, f"{visitor}.{secrets.token_urlsafe(12)}", path, Path(path).stem)
        before, self._tokens[visitor] = self._tokens.get(visitor), session.token
        try:
            self.scene(session)
        except Exception:
            if before is None:
                self._tokens.pop(visitor, None)
            elif self._tokens.get(visitor) == session.token:
                self._tokens[visitor] = before
            raise
        self.store.forget(lambda key: key[0].startswith(f"{visitor}.") and key[0] != session.token)
        _give_back()
        return session

    def current(self, visitor: str) -> str | None:
        """The token of the last picture that a visitor opened, or is opening; None if they are gone or never did."""
        return self._tokens.get(visitor)

    def turn(self, visitor: str) -> Callable[[], bool]:
        """Begin a result for a visitor; the answer says, at any later time, whether it is still their latest."""
        mine = self._counts[visitor] = self._counts.get(visitor, 0) + 1
        return lambda: self._counts.get(visitor) == mine

    def forget(self, visitor: str) -> None:
        """Drop everything that was computed for a visitor."""
        self._tokens.pop(visitor, None)
        self._counts.pop(visitor, None)
        self.store.forget(lambda key: key[0].startswith(f"{visitor}."))
        _give_back()

    def scene(self, session: Session) -> Scene:
        """The encoded picture of a session.

        Raises:
            InputError: the file cannot be used. FileNotFoundError: the upload has expired.
        """
        return self.store.get((session.token,), lambda: self.matting.open(session.path), lambda scene: scene.nbytes)

    def segment(self, session: Session, ops: tuple[Op, ...]) -> Segment:
        """SAM's answer to the operations on one object; each correction starts from the answer before it.

        Raises:
            PromptError: they make no sense for the picture.
        """

        def make() -> Segment:
            scene, last, before = self.scene(session), ops[-1], ops[:-1]
            if last.kind == "candidate":
                return scene.alternatives(self.segment(session, before))[last.index]
            previous = self.segment(session, before) if ready(before) and last.kind != "box" else None
            return scene.segment([prompt_of(ops, previous)])[0]

        return self.store.get((session.token, ops), make, lambda found: found.mask.nbytes + found.low_res_masks.nbytes)

    def matte(self, session: Session, ops: tuple[Op, ...], guidance: str) -> Matte | NothingFound:
        """The matte of one object.

        Raises:
            PromptError: the operations make no sense for the picture.
        """

        def make() -> Matte | NothingFound:
            return self.scene(session).refine(self.segment(session, ops), guidance)

        return self.store.get((session.token, ops, guidance), make, lambda matte: matte.alpha.nbytes if matte else 1000)

    def find(self, session: Session, text: str) -> FoundBoxes:
        """Where words are in the picture of a session.

        Raises:
            PromptError: no words, or too many.
        """
        return self.store.get((session.token, text), lambda: self.scene(session).find(text), lambda found: 1000)

    def glimpse(self, token: str, ops: tuple[Op, ...], click: Op) -> Segment | None:
        """What a click would give, if that can be said at once: the picture is at hand and nobody else is looking."""
        scene = self.store.peek((token,))
        if scene is None or not self._looking.acquire(blocking=False):
            return None
        try:
            previous = self.store.peek((token, ops)) if ready(ops) else None
            return scene.segment([prompt_of((*ops, click), previous)], recrop=False)[0]
        finally:
            self._looking.release()


def _give_back() -> None:
    """Ask the C library to return freed memory to the system, which glibc else keeps for long; others need no asking."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        pass


def prompt_of(ops: tuple[Op, ...], previous: Segment | None) -> Prompt:
    """All operations on an object as one prompt: its last box, its clicks and its scribbles."""
    boxes = [op.xy for op in ops if op.kind == "box"]
    points = [op for op in ops if op.kind == "point"]
    scribbles = [op for op in ops if op.kind == "scribble"]
    return Prompt(
        boxes[-1] if boxes else None,
        [op.xy for op in points],
        [op.label for op in points],
        [op.xy for op in scribbles],
        [op.label for op in scribbles],
        previous=previous,
    )
