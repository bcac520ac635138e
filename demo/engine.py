"""The model behind the page: it answers prompts about visitors' photos and keeps its answers in a bounded store."""

from __future__ import annotations

import contextlib
import functools
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from demo.choices import Choices
from demo.session import (
    KEPT,
    Op,
    Session,
    Visitors,
    has_foreground,
    prompts_of,
    stroke_from,
    strokes_of,
    unknown_of,
)
from demo.store import Store
from mam import FoundBoxes, GraphError, InputError, Matte, Matting, NothingFound, Prompt, Scene, Segment
from mam.images import Photo
from mam.images.boxes import Patch
from mam.isolation import release_memory
from mam.masks.components import are_apart
from mam.masks.painting import paint
from mam.model.load_matte import load_matte
from mam.model.matte_network import MatteNetwork
from mam.model.runtime import OnnxGraphs
from mam.model.vitmatte import FILE as VITMATTE
from mam.scene import Guidance
from mam.serve.decoding import read_photo
from mam.weights import cache_folder

_LARGE = 6_000_000  # pixels; with 24 million, an answer takes 0.8 GB while it is made


class Engine:
    """Scenes, segments, mattes and found boxes of all sessions, each computed once.

    Keys of the store begin with a session's token, and a token begins with its visitor: so the values of one
    photo, or of one visitor, can be dropped together.

    Attributes:
        choices: The models, and which of them each visitor uses.
        store: What was computed.
        visitors: Which photo each visitor has open.
        can_find: Whether `find` can answer.
        known_words: The names that it can find; empty if it reads any phrase, or cannot answer.
        offering: Held by each thread that looks for what else prompts may mean.
        refining: Held by the thread that makes an alpha, because that takes all cores and much memory.
        best_edges: Returns the network that computes the best edges; None if it is not on this machine.

    Args:
        matting: The model.
        max_bytes: Bound of the store.
        seconds: How long it keeps unused values.
        best_edges: As the attribute; called while `refining` is held.
    """

    def __init__(
        self,
        matting: Matting,
        max_bytes: int = 300_000_000,
        seconds: float = 1200,
        best_edges: Callable[[], MatteNetwork] | None = None,
    ) -> None:
        self.best_edges = best_edges
        self.choices, self.visitors = Choices(matting), Visitors()
        self.store = Store(max_bytes, seconds, _size_of, lambda key: self.visitors.client(key[0].partition(".")[0]))
        self.can_find, self.known_words = False, tuple[str, ...]()
        with contextlib.suppress(GraphError):  # `demo.app` prints why
            self.load_text_model()
        self._preview, self.offering = threading.Lock(), threading.BoundedSemaphore(2)
        self._large, self.refining = threading.RLock(), threading.Lock()

    def load_text_model(self) -> None:
        """Let `find` answer: by the embedded words, or once there is one, by a text model that reads any phrase.

        Raises:
            GraphError: The text model cannot be loaded.
        """
        self.known_words = self.matting.grounding().known_words
        self.can_find = True

    @property
    def matting(self) -> Matting:
        """The model for visitors who have chosen none, and for programs."""
        return self.choices.default

    def matting_of(self, visitor: str) -> Matting:
        """Return the model that a visitor uses: for the photo that is open, or for the next one."""
        return self.choices.of(self.visitors.token(visitor) or visitor)

    def choose(self, visitor: str, name: str) -> None:
        """Switch a visitor to one of the models, also for the open photo; answers of the previous one are kept."""
        session = self.visitors.session(visitor)
        if session is not None:
            with contextlib.suppress(InputError, FileNotFoundError):  # the next answer reports it
                photo = self.photo(session)
                self.store.get((session.token, "photo"), lambda: photo)
        self.choices.choose(visitor, session.token if session else None, name)

    def key(self, token: str, *rest: Any) -> tuple[Any, ...]:
        """Return the key of something that a model has found for a photo."""
        return (token, self.choices.of(token).graphs.variant, *rest)

    def _get(self, parts: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        """Return what a model has found for a photo; found again if the visitor switched the model meanwhile."""
        while True:
            key = self.key(*parts)
            value = self.store.get(key, make)
            if self.key(*parts) == key:
                return value
            self.store.forget(key.__eq__)  # steps of both models may be in it

    def peek_scene(self, token: str) -> Scene | None:
        """Return an encoded photo if it is in the store."""
        return self.store.peek(self.key(token))

    @property
    def reads_phrases(self) -> bool:
        """Whether `find` reads any phrase."""
        return self.can_find and not self.known_words

    def open(self, path: str, visitor: str = "", client: str = "") -> Session:
        """Start a session with a file and decode it; it replaces the visitor's last one, unless that fails.

        Args:
            path: The file.
            visitor: Gradio's session hash.
            client: The visitor's address, for `Visitors.per_client`.

        Raises:
            InputError: The file cannot be used.
            FileNotFoundError: It was deleted.
        """
        session = Session(visitor, f"{visitor}.{secrets.token_urlsafe(12)}", path, _shorten(Path(path).stem))
        self.visitors.begin_opening(visitor, session.token, client)
        self.choices.begin(visitor, session.token)
        succeeded = False
        try:
            self.photo(session)
            succeeded = True
        finally:
            for crowded in self.visitors.end_opening(session, succeeded):
                self.forget(crowded)
        current = self.visitors.token(visitor)  # another photo may have been opened meanwhile
        self.store.forget(lambda key: key[0].startswith(f"{visitor}.") and key[0] != current)
        self.choices.forget(visitor, but=current or session.token)
        release_memory()
        return session

    def is_open(self, session: Session | None) -> bool:
        """Return whether a session is about the photo that its visitor has open now."""
        return session is not None and self.visitors.token(session.visitor) == session.token

    def forget(self, visitor: str) -> None:
        """Drop everything that was computed for a visitor."""
        self.visitors.remove(visitor)
        self.store.forget(lambda key: key[0].startswith(f"{visitor}."))
        self.choices.forget(visitor)
        release_memory()

    @property
    def needs_prompt(self) -> bool:
        """Whether neither the model nor a proposer finds the main object of a photo."""
        return not self.matting.graphs.policy.main_object and self.matting.proposer is None

    def turn(self, photo: Photo) -> contextlib.AbstractContextManager[Any]:
        """Return a lock to hold while working on a photo, so that large photos are processed one at a time."""
        h, w = photo.size
        return self._large if h * w > _LARGE else contextlib.nullcontext()

    @contextlib.contextmanager
    def cutting(self, photo: Photo) -> Iterator[None]:
        """Hold the locks for cutting something out of a photo without this engine's store."""
        with self.turn(photo), self.refining:
            yield

    def photo(self, session: Session) -> Photo:
        """Return the decoded photo of a session.

        Raises:
            InputError: The file cannot be used.
            FileNotFoundError: The upload has expired.
        """
        scene = self.peek_scene(session.token)
        if scene is not None:
            return scene.photo
        return self.store.get((session.token, "photo"), lambda: read_photo(session.path, self.matting.max_pixels))

    def scene(self, session: Session) -> Scene:
        """Return the encoded photo of a session.

        Raises:
            InputError: The file cannot be used.
            FileNotFoundError: The upload has expired.
        """

        def encode() -> Scene:
            scene = self.choices.of(session.token).open(self.photo(session))
            self.store.forget(lambda key: key == (session.token, "photo"))  # the scene holds it
            return scene

        return self._get((session.token,), encode)

    def segment(self, session: Session, ops: tuple[Op, ...]) -> Segment:
        """Return SAM's segment for the operations on one object; each correction starts from the segment before it.

        Raises:
            PromptError: They do not fit the photo.
        """
        likeliest = self.readings(session, ops)[0]
        if likeliest != ops:
            return self.segment(session, likeliest)

        def compute() -> Segment:
            scene, last, earlier = self.scene(session), ops[-1], ops[:-1]
            if last.kind == "main":
                return scene.find_main_object()
            if last.kind == "candidate":
                answer = self.segment(session, earlier)
                return self.alternatives(session, earlier).get(last.name, answer) if last.name else answer
            refines = has_foreground(earlier) and last.kind != "box"  # a box starts again
            return scene.segment([prompt_from(ops, self.segment(session, earlier) if refines else None)])[0]

        return self._get((session.token, ops), compute)

    def alternatives(self, session: Session, ops: tuple[Op, ...]) -> dict[str, Segment]:
        """Return what else the operations on one object may mean, by `mam.Scene.alternatives`.

        Raises:
            PromptError: They do not fit the photo.
        """
        return self._get(
            (session.token, ops, "others"), lambda: self.scene(session).alternatives(self.segment(session, ops))
        )

    def readings(self, session: Session, ops: tuple[Op, ...]) -> list[tuple[Op, ...]]:
        """Return the operations that these may stand for, the likelier first; two if a first click is ambiguous.

        Raises:
            PromptError: They do not fit the photo.
        """
        if len(ops) < 2 or ops[0].kind != "main" or not _is_beside(self.segment(session, ops[:1]), ops):
            return [ops]
        return _readings(ops, self.segment(session, ops[:1]), self.segment(session, ops[1:2]))

    def draft(self, session: Session, ops: tuple[Op, ...], guidance: Guidance) -> Matte | NothingFound | Segment:
        """Return the matte of one object if the model's is known, and otherwise its segment, which is faster.

        Args, Raises: As for `matte`.
        """
        with self.turn(self.photo(session)):
            ops = self._own_ops(session, ops)
            prompts = prompts_of(ops)
            if self.store.peek(self.key(session.token, prompts, guidance)):
                return self.matte(session, ops, guidance)
            segment, strokes = self.segment(session, prompts), strokes_of(ops)
        if not strokes or segment.is_empty:
            return segment
        painted, _ = paint(segment.mask.astype(np.float32), self.photo(session).pixels, strokes)
        return replace(segment, stored_mask=Patch.of(painted > 0.5))

    def matte(
        self, session: Session, ops: tuple[Op, ...], guidance: Guidance, best_edges: bool = False
    ) -> Matte | NothingFound:
        """Return the matte of one object: what the model answers to the prompts, with all strokes on top.

        Args:
            session: The photo.
            ops: What was done to the object.
            guidance: "alpha" or "mask", as for `mam.Scene.refine`.
            best_edges: Compute the edges by `best_edges`, in some ten seconds; ignored if there is none.

        Raises:
            PromptError: The operations do not fit the photo.
            GraphError, WeightsError: The network of the best edges cannot be loaded.
        """
        load = self.best_edges if best_edges else None
        way = (guidance, "best") if load else (guidance,)

        def compute() -> Matte | NothingFound:
            if asked == ops:
                scene, segment = self.scene(session), self.segment(session, prompts)
                strokes = [stroke_from(op) for op in unknown]
                with self.refining:
                    matte = scene.refine(segment, guidance, strokes, load() if load else None)
                    release_memory()
                    return matte
            before = self.store.peek(self.key(session.token, ops[:-1], *way))
            if (last := strokes_of(ops[-1:])) and isinstance(before, Matte):
                return before.painted(last)
            answer = self.matte(session, asked, guidance, best_edges)
            return answer.painted(strokes_of(ops)) if isinstance(answer, Matte) else answer

        with self.turn(self.photo(session)):
            ops = self._own_ops(session, ops)
            prompts, unknown = prompts_of(ops), unknown_of(ops) if load else ()
            asked = (*prompts, *unknown)
            return self._get((session.token, ops, *way), compute)

    def find(self, session: Session, text: str) -> FoundBoxes:
        """Return where a text is found in the photo of a session.

        Raises:
            PromptError: The text is empty or too long, or the embedded model does not know the word.
        """
        model = self.matting.grounding().name  # another one may take over
        return self.store.get((session.token, model, text), lambda: self.scene(session).find(text))

    def preview(self, token: str, ops: tuple[Op, ...], click: Op) -> Segment | None:
        """Return what a click would give; None if the photo is not in the store or another preview is being made.

        Raises:
            PromptError: The click does not fit the photo.
        """
        scene, ops = self.peek_scene(token), prompts_of(ops)
        if scene is None or not self._preview.acquire(blocking=False):
            return None
        try:
            main, meant = self.store.peek(self.key(token, ops[:1])), (*ops, click)
            if main is not None and _is_beside(main, meant):
                meant = _readings(meant, main, scene.segment([prompt_from(meant[1:2], None)])[0])[0]
            earlier = meant[:-1]
            known = [self.store.peek(self.key(token, one)) for one in (earlier, ops)]
            previous = known[0] or known[1] if earlier else None
            return scene.segment([prompt_from(meant, previous if has_foreground(earlier) else None)])[0]
        finally:
            self._preview.release()

    def _own_ops(self, session: Session, ops: tuple[Op, ...]) -> tuple[Op, ...]:
        """Return the likeliest meaning of the operations on one object, without strokes on an object they replaced."""
        prompts = prompts_of(ops)
        meant = self.readings(session, prompts)[0]
        if meant == prompts:
            return ops
        return (ops[0], KEPT, *ops[1:]) if meant[0] == ops[0] else ops[ops.index(prompts[1]) :]


def find_best_edges(matting: Matting) -> Callable[[], MatteNetwork] | None:
    """Return what loads ViTMatte when it is first wanted, on the model's device; None if its file is not here."""
    if not (cache_folder() / VITMATTE).is_file():
        return None
    graphs = matting.graphs
    where = (graphs.device, graphs.threads) if isinstance(graphs, OnnxGraphs) else ("cpu", None)
    return functools.cache(lambda: load_matte("vitmatte", *where))


def _is_beside(main: Segment, ops: tuple[Op, ...]) -> bool:
    """Return whether the operations on an object begin with the main object and a click beside it."""
    if len(ops) < 2 or ops[0].kind != "main" or ops[1].kind != "point" or not ops[1].label:
        return False
    (h, w), (x, y) = main.stored_mask.size, ops[1].xy
    return 0 <= x <= w and 0 <= y <= h and not main.mask[min(int(y), h - 1), min(int(x), w - 1)]


def _readings(ops: tuple[Op, ...], main: Segment, clicked: Segment) -> list[tuple[Op, ...]]:
    """Return what a click beside the main object may mean, the likelier first.

    Something apart is another object; what touches the main object is more of it, or another one.
    """
    only = ops[1:]
    return [only] if are_apart(main.mask, clicked.mask) else [(ops[0], KEPT, *ops[1:]), only]


def prompt_from(ops: tuple[Op, ...], previous: Segment | None) -> Prompt:
    """Combine all operations on an object into one prompt: its last box, its points and its scribbles."""
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


def _shorten(name: str) -> str:
    """Cut a name to 120 bytes, so that endings can be added to it in file names."""
    return name.encode()[:120].decode(errors="ignore")


def _size_of(value: Any) -> int:
    """Bytes that a stored value takes: a photo, a scene, a segment, a matte, or one of the small ones."""
    if isinstance(value, (Photo, Scene, Segment)):
        return value.nbytes
    if isinstance(value, dict):
        return sum(segment.nbytes for segment in value.values())
    return value.stored_alpha.nbytes + value.photo.pixels.nbytes if isinstance(value, Matte) else 1000
