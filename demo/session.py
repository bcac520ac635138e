"""What one visitor has done so far, as a value, and the bounded store of what that costs to compute.

The page's state holds a `Session`: a file, and prompts. Pictures, embeddings and mattes live in a `Store` and can
always be computed again, so nothing is lost when the store forgets them.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any

from demo.downloads import Downloads
from mam import Matte, Matting, NothingFound, Scene

BOX, ADD, REMOVE = "Box (click two corners)", "Add: this belongs to it", "Take away: this does not"
GUIDANCE = {"One object": "alpha", "One of several": "mask"}


@dataclass(frozen=True)
class Session:
    """A picture and what was pointed at in it; coordinates are pixels of the original picture."""

    path: str
    digest: str
    box: tuple[float, float, float, float] | None = None
    corner: tuple[float, float] | None = None
    points: tuple[tuple[float, float, int], ...] = ()
    guidance: str = "alpha"

    @classmethod
    def open(cls, path: str) -> Session:
        """A new session about an uploaded file."""
        with open(path, "rb") as file:
            return cls(path, hashlib.file_digest(file, "sha256").hexdigest())

    @property
    def empty(self) -> bool:
        """True while there is nothing to ask the model."""
        return self.box is None and not any(label for *_, label in self.points)

    def clicked(self, mode: str, x: float, y: float) -> Session:
        """The session after a click in one of the modes."""
        if mode == BOX:
            if self.corner is None:
                return replace(self, corner=(x, y), box=None)
            x0, y0 = self.corner
            return replace(self, corner=None, box=(min(x0, x), min(y0, y), max(x0, x), max(y0, y)))
        return replace(self, points=(*self.points, (x, y, int(mode == ADD))))

    def undone(self) -> Session:
        """The session without its last click."""
        if self.corner is not None:
            return replace(self, corner=None)
        if self.points:
            return replace(self, points=self.points[:-1])
        return replace(self, box=None)

    def cleared(self) -> Session:
        """The same picture without prompts."""
        return replace(self, box=None, corner=None, points=())


class Store:
    """Least recently used values, bounded in bytes; safe for several threads.

    Args:
        max_bytes: when the values' sizes add up to more, the oldest go.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._values: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Any], size_of: Callable[[Any], int]) -> Any:
        """The value of a key, made now if it is not there."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key][0]
        value = make()
        with self._lock:
            self._values[key] = value, size_of(value)
            while len(self._values) > 1 and sum(size for _, size in self._values.values()) > self.max_bytes:
                self._values.popitem(last=False)
        return value


class Studio:
    """The model, the store and the downloads behind the page.

    Args:
        matting: what answers.
        max_bytes: bound of the store.
    """

    def __init__(self, matting: Matting, max_bytes: int = 1_500_000_000) -> None:
        self.matting, self.store, self.downloads = matting, Store(max_bytes), Downloads()
        self.seconds: dict[str, float] = {}

    def scene(self, session: Session) -> Scene:
        """The encoded picture of a session.

        Raises:
            InputError: the file cannot be used. FileNotFoundError: the upload has expired.
        """
        return self.store.get(
            session.digest, lambda: self._timed("encode", lambda: self.matting.open(session.path)), _scene_bytes
        )

    def matte(self, session: Session) -> Matte | NothingFound:
        """The answer to a session's prompts.

        Raises:
            PromptError: they make no sense for the picture.
        """
        scene = self.scene(session)
        points = [(x, y) for x, y, _ in session.points]
        labels = [label for *_, label in session.points]

        def make() -> Matte | NothingFound:
            return self._timed(
                "matte", lambda: scene.matte(box=session.box, points=points, labels=labels, guidance=session.guidance)
            )

        key = (session.digest, session.box, session.points, session.guidance)
        return self.store.get(key, make, lambda matte: scene.photo.pixels.nbytes * 3 if matte else 1)

    def status(self) -> str:
        """One line: the model, what it runs on, and how long the last steps took."""
        graphs = self.matting.graphs
        steps = " · ".join(f"{name} {1000 * value:.0f} ms" for name, value in self.seconds.items())
        return " · ".join(filter(None, [f"Model **{graphs.variant}**", f"runs on **{graphs.provider}**", steps, graphs.note]))

    def _timed(self, name: str, work: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = work()
        self.seconds[name] = time.perf_counter() - start
        return result


def _scene_bytes(scene: Scene) -> int:
    return scene.photo.pixels.nbytes + scene.image_embeddings.nbytes + 3 * 1024 * 1024 * 4
