"""What the canvas is told: that a photo is there, what was found in it, and what went wrong, as messages for the browser."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from demo import replies
from demo.session import Item, Op, Session, parse, parse_ops, ready
from demo.studio import Studio
from demo.words import in_words
from mam import MamError, Matte, PromptError

Reply = dict[str, Any]
MAX_WORDS, MAX_OFFERS = 1000, 12


def hover(studio: Studio, message: dict[str, Any]) -> str | None:
    """A picture of what a click would give; None if that cannot be said at once."""
    try:
        ops = parse_ops(message.get("ops"))
        (click,) = parse_ops(
            [{"kind": "point", "xy": [message.get("x"), message.get("y")], "label": message.get("label")}]
        )
        found = studio.glimpse(str(message.get("token")), ops, click)
    except (AttributeError, MamError):
        return None  # nothing that a canvas asks; a preview needs no words
    return replies.mask(found) if found is not None and found.mask.any() else None


def nothing(studio: Studio, text: str = "Open a photo, or try an example.", error: bool = False) -> Reply:
    """The message that there is no photo."""
    return {"picture": None, "text": text, "error": error, "status": _status(studio)}


def opened(
    studio: Studio, path: str | None, ops: tuple[Op, ...] | None, visitor: str
) -> Iterator[tuple[Session | None, Reply]]:
    """Yields (session, reply) twice: that a picture is being read, and that it is there, with prompts if it has some."""
    if path is None:
        yield None, nothing(studio)
        return
    yield gr.skip(), {"busy": f"Encoding {Path(path).name} …"}
    start = time.perf_counter()
    try:
        session = studio.open(path, visitor)
        shown = replies.picture(studio, session)
    except (MamError, FileNotFoundError) as error:
        if studio.current(visitor) is None:
            yield None, nothing(studio, str(error), error=True)
        else:  # what they had stays
            yield gr.skip(), {"failed": time.time(), "text": str(error)}
        return
    reply = {
        "token": session.token,
        "picture": shown,
        "text": "Drag a box around the object, or click on it.",
        "status": _status(studio, encode=time.perf_counter() - start),
    }
    if ops is not None:
        session = replace(session, items=(Item(1, session.name.capitalize(), ops),))
        reply["document"] = {"items": [item.to_message() for item in session.items], "active": 1}
    yield session, reply


def prompted(
    studio: Studio, visitor: str, session: Session | None, guidance: str, message: dict[str, Any]
) -> tuple[Session | None, Reply]:
    """The session with what the visitor has drawn, and the answers; nothing if they have opened another photo meanwhile."""
    current = studio.current(visitor)
    if session is None or not isinstance(message, dict) or not current == session.token == message.get("token"):
        if current is not None:
            return gr.skip(), gr.skip()
        return None, nothing(studio, "This photo has expired here; please open it again.", error=True)
    try:
        items, active = parse(message)
    except PromptError as error:
        reply = {"token": session.token, "turn": message.get("turn"), "answers": {}, "text": str(error), "error": True}
        return session, reply
    session = replace(session, items=items, active=active)
    reply = _answered(studio, session, guidance, message)
    return (session, reply) if studio.current(visitor) == session.token else (gr.skip(), gr.skip())


def found(studio: Studio, visitor: str, session: Session | None, text: str) -> Iterator[Reply]:
    """Yields that words are being looked for, then where they are: boxes for the canvas to offer, and to take the surest of."""
    current = studio.current(visitor)
    if session is None or current != session.token:
        yield (
            gr.skip()
            if current is not None
            else nothing(studio, "Open a photo first, then say what to cut out.", error=True)
        )
        return
    yield {"busy": f"Looking for {text.strip()[:40]} …"}
    start = time.perf_counter()
    try:
        boxes = studio.find(session, text.strip()[:MAX_WORDS])
    except (MamError, FileNotFoundError) as error:
        yield {"token": session.token, "offers": [], "text": in_words(error), "error": True}
        return
    yield {
        "token": session.token,
        "offers": [
            {"xy": list(box.box), "label": f"{box.phrase or '?'} {box.score:.2f}"} for box in boxes[:MAX_OFFERS]
        ],
        "text": "" if boxes else f"{boxes}.",
        "error": not boxes,
        "status": _status(studio, words=time.perf_counter() - start),
    }


def _answered(studio: Studio, session: Session, guidance: str, message: dict[str, Any]) -> Reply:
    """The reply to a session: a matte for each object that can be seen; words about the active one."""
    start = time.perf_counter()
    known = message.get("have")
    known = set(map(str, known)) if isinstance(known, list) else set()
    answers, text, failed = {}, "Drag a box around the object, or click on it.", False
    for item in session.items:
        about = item.id == session.active
        if not ready(item.ops):
            if item.ops and about:
                text = "That says what does not belong; now click on something that does."
            continue
        if not (item.visible or about):
            continue
        try:
            matte = studio.matte(session, item.ops, guidance)
        except (MamError, FileNotFoundError) as error:
            words, bad = in_words(error), True
        else:
            words, bad = (f"{item.name}: {matte}.", True) if not matte else (_found(item, matte), False)
            if matte:
                key = f"{session.token}:{hash((item.ops, guidance)):x}"
                answers[str(item.id)] = replies.answer(matte, key, key in known, about)
        if about:
            text, failed = words, bad
    return {
        "token": session.token,
        "turn": message.get("turn"),
        "answers": answers,
        "text": text,
        "error": failed,
        "status": _status(studio, answer=time.perf_counter() - start),
    }


def _found(item: Item, matte: Matte) -> str:
    return (
        f"{item.name} found (predicted quality {matte.score:.2f}). Correct it with more clicks, or choose a background."
    )


def _status(studio: Studio, **seconds: float) -> str:
    """One line: the model, what it runs on, and how long the last step took."""
    graphs = studio.matting.graphs
    steps = " · ".join(f"{name} {1000 * value:.0f} ms" for name, value in seconds.items())
    return " · ".join([f"Model {graphs.variant}", f"runs on {graphs.provider}", *filter(None, [steps or graphs.note])])
