"""What one visitor has done so far, as a value, and the bounded store of what that costs to compute.

The page's state holds a `Session`: a file, and prompts. Pictures, embeddings and mattes live in a `Store` and can
always be computed again, so nothing is lost when the store forgets them.
"""

from __future__ import annotations

import functools
import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from demo.downloads import Downloads
from mam import Matte, Matting, NothingFound, Scene

BOX, ADD, REMOVE = "Box (click two corners)", "Add: this belongs to it", "Take away: this does not"
GUIDANCE = {"One object": "alpha", "One of several": "mask"}


@dataclass(frozen=True)
class Session:
    """A picture and the clicks on it, in order: (meaning, x, y) in pixels of the original picture."""

    path: str
    digest: str
    clicks: tuple[tuple[str, float, float], ...] = ()
    guidance: str = "alpha"

    @classmethod
    def open(cls, path: str) -> Session:
        """A new session about an uploaded file."""
        with open(path, "rb") as file:
            return cls(path, hashlib.file_digest(file, "sha256").hexdigest())

    @property
    def name(self) -> str:
        """The upload's name without its ending."""
        return Path(self.path).stem

    @functools.cached_property
    def _boxes(self) -> tuple[tuple[float, float, float, float] | None, tuple[float, float] | None]:
        """The last finished box, and a first corner that waits for the second; any other click gives it up."""
        box = corner = None
        for meaning, x, y in self.clicks:
            if meaning != BOX:
                corner = None
            elif corner is None:
                corner = (x, y)
            else:
                box = (min(corner[0], x), min(corner[1], y), max(corner[0], x), max(corner[1], y))
                corner = None
        return box, corner

    @property
    def box(self) -> tuple[float, float, float, float] | None:
        """x0, y0, x1, y1 of the last finished box."""
        return self._boxes[0]

    @property
    def corner(self) -> tuple[float, float] | None:
        """The first corner of a box that is not finished."""
        return self._boxes[1]

    @property
    def points(self) -> tuple[tuple[float, float, int], ...]:
        """x, y and label, 1 or 0, of each click that is no corner."""
        return tuple((x, y, int(meaning == ADD)) for meaning, x, y in self.clicks if meaning != BOX)

    @property
    def ready(self) -> bool:
        """True when there is something to ask the model, and no box half drawn."""
        return self.corner is None and (self.box is not None or any(label for *_, label in self.points))

    def clicked(self, meaning: str, x: float, y: float) -> Session:
        """The session after one more click."""
        return replace(self, clicks=(*self.clicks, (meaning, x, y)))

    def undone(self) -> Session:
        """The session without its last click."""
        return replace(self, clicks=self.clicks[:-1])

    def cleared(self) -> Session:
        """The same picture without clicks."""
        return replace(self, clicks=())


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
            session.digest, lambda: self._timed("encode", lambda: self.matting.open(session.path)), lambda scene: scene.nbytes
        )

    def matte(self, session: Session) -> Matte | NothingFound:
        """The answer to a session's prompts; each correcting click starts from the answer before it.

        Raises:
            PromptError: they make no sense for the picture.
        """
        scene = self.scene(session)
        points = [(x, y) for x, y, _ in session.points]
        labels = [label for *_, label in session.points]

        before = session.undone()
        correcting = before.ready and session.clicks[-1][0] != BOX

        def make() -> Matte | NothingFound:
            prompts = {"box": session.box, "points": points, "labels": labels, "guidance": session.guidance}
            previous = self.matte(before) if correcting else None
            return self._timed("matte", lambda: scene.matte(**prompts, previous=previous or None))

        key = (session.digest, session.clicks, session.guidance)
        return self.store.get(key, make, _matte_bytes)

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


def _matte_bytes(matte: Matte | NothingFound) -> int:
    if not matte:
        return 10_000
    # The clean foreground is computed when first asked for, and then stays.
    return matte.alpha.nbytes + matte.mask.nbytes + matte.photo.pixels.nbytes + matte.segment.low_res_masks.nbytes
