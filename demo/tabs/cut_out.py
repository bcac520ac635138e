"""The main tab: a photo on the canvas, the prompts that visitors draw or type, and the mattes that answer them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from demo.canvas.component import PromptCanvas
from demo.canvas.images import matte_message, photo_message, preview_url
from demo.canvas.protocol import (
    LIMITS,
    AskAgain,
    Failure,
    Mattes,
    NoPhoto,
    PhotoOpened,
    PreviewRequest,
    Reply,
    document_message,
    known_keys,
    parse_document,
    parse_ops,
    parse_preview,
)
from demo.downloads import Downloads
from demo.engine import Engine
from demo.messages import EXPECTED_ERRORS, EXPIRED, NO_TEXT_MODEL, UNEXPECTED, UNSURE, describe
from demo.session import Op, SceneObject, Session, has_foreground
from demo.tabs.result import GUIDANCE, add_result
from demo.uploads import uploaded_file
from mam import MamError, PromptError

EXAMPLES = Path(__file__).parents[1] / "examples"
START = "Drag a box around the object, or click on it."
NEXT = "Correct it with more clicks, or choose a background."
NOT_SURE = "Not sure what you want: click on it, or drag a box around it."
MAIN_OBJECT = (Op("main"),)
_PRIVATE = {"api_visibility": "private", "show_progress": "hidden"}
# One answer uses all cores; a second one keeps them busy while the first is packed and sent.
_MODEL = {**_PRIVATE, "concurrency_id": "model", "concurrency_limit": 2}
_LAST = {"trigger_mode": "always_last"}


def add_cut_out_tab(engine: Engine, downloads: Downloads) -> None:
    """Lay out the tab inside an open `gr.Blocks` and connect its events."""
    events = CutOutEvents(engine)
    session = gr.State(None, time_to_live=3600)
    with gr.Row():
        with gr.Column(scale=3, min_width=340):
            canvas = PromptCanvas(events.preview, events.no_photo(), elem_id="canvas")
            with gr.Row(elem_id="examples"):
                examples = gr.Dataset(
                    components=[gr.Image(type="filepath", visible=False)],
                    samples=[[str(path)] for path in list_example_photos()],
                    type="index",
                    label="Or try one of these",
                )
        with gr.Column(scale=2, min_width=320):
            guidance = gr.Radio(
                list(GUIDANCE),
                value="One object",
                label="The object is",
                elem_id="guidance",
                info="Choose 'One of several' where it touches other objects.",
                render=False,
            )
            result = add_result(engine, downloads, session, guidance)
    with gr.Row():
        guidance.render()
        text = gr.Textbox(
            label="Describe it",
            placeholder="the girl in the red sweater",
            elem_id="text",
            interactive=engine.has_text_model,
            info="Type what to cut out, then press Enter." if engine.has_text_model else NO_TEXT_MODEL,
            max_length=LIMITS.text_length,
        )

    opened = canvas.uploaded(events.open_photo, None, [session, canvas], trigger_mode="multiple", **_MODEL)
    tried = examples.click(events.open_example, examples, [session, canvas], **_LAST, **_MODEL)
    answered = canvas.prompt(
        events.answer_prompts, [session, guidance], [session, canvas], trigger_mode="multiple", **_MODEL
    )
    found = text.submit(events.find_text, [session, text], canvas, **_LAST, **_MODEL)
    guidance.input(events.ask_again, None, canvas, **_LAST, **_PRIVATE)
    for event in (opened, tried, answered, found):
        event.failure(events.report_failure, None, canvas, **_LAST, **_PRIVATE)
    for event in (opened, answered):
        result.redraw_after(event)


def list_example_photos() -> list[Path]:
    """Return the photos in `examples/`, in the order of their names."""
    return sorted(path for path in EXAMPLES.iterdir() if path.suffix in (".jpg", ".png"))


def name_examples() -> str:
    """Return a script that names the example buttons for screen readers; Gradio gives them none."""
    names = json.dumps([path.stem.capitalize() for path in list_example_photos()])
    return (
        f"() => {{ const names = {names}; document.querySelectorAll('#examples button')"
        ".forEach((button, i) => button.setAttribute('aria-label', 'Example: ' + names[i])); }"
    )


@dataclass(frozen=True)
class CutOutEvents:
    """Handlers of the tab's events; each returns or yields the new session, if any, and a `Reply` for the canvas."""

    engine: Engine

    def open_photo(self, request: gr.Request, event: gr.EventData) -> Iterator[tuple[Any, Any]]:
        """Reply that a photo is being encoded, then that it is there; one that fails leaves the last one open."""
        message = event._data  # Gradio has no public attribute for all of it
        path = uploaded_file(message.get("path")) if isinstance(message, dict) else None
        yield from self._open(path, None, request.session_hash)

    def open_example(self, index: int, request: gr.Request) -> Iterator[tuple[Any, Any]]:
        """Reply as `open_photo` does, with a prompt on the example's main object."""
        photo = list_example_photos()[index]
        prompts = json.loads((EXAMPLES / "prompts.json").read_text("utf-8"))
        yield from self._open(photo, parse_ops(prompts[photo.name]), request.session_hash)

    def answer_prompts(
        self, session: Session | None, guidance: str, request: gr.Request, event: gr.EventData
    ) -> tuple[Any, Any]:
        """Reply with mattes for what the visitor has drawn; skip what is about a photo that is no longer open."""
        message = event._data  # Gradio has no public attribute for all of it
        token = message.get("token") if isinstance(message, dict) else None
        current = self.engine.visitors.token(request.session_hash)
        if current is None or (session is None and token == current):  # Gradio drops sessions after an hour
            return None, self.no_photo(EXPIRED, error=True)
        if session is None or not current == session.token == token:
            return gr.skip(), gr.skip()
        try:
            objects, active = parse_document(message)
        except PromptError as error:
            return session, self._mattes_reply(session, message, str(error), error=True)
        session = replace(session, objects=objects, active=active)
        reply = self._answer(session, GUIDANCE[guidance], message)
        return (session, reply) if self.engine.is_open(session) else (gr.skip(), gr.skip())

    def find_text(self, session: Session | None, text: str, request: gr.Request) -> Iterator[Any]:
        """Reply that a search for a text has begun, then with boxes where it was found."""
        if not self.engine.is_open(session):
            gone = session is None or self.engine.visitors.token(request.session_hash) is None
            yield self.no_photo("Open a photo first, then type what to cut out.", error=True) if gone else gr.skip()
            return
        yield {"kind": "busy", "text": f"Looking for {text.strip()[:40]} …"}
        reply = {"kind": "text_boxes", "token": session.token, "boxes": []}
        try:
            boxes = self.engine.find(session, text.strip()[: LIMITS.text_length])
        except EXPECTED_ERRORS as error:
            yield {**reply, "text": describe(error), "error": True}
            return
        yield {
            **reply,
            "boxes": [
                {"xy": list(box.box), "label": f"{box.phrase or '?'} {box.score:.2f}"}
                for box in boxes[: LIMITS.found_boxes]
            ],
            "text": "" if boxes else f"{boxes}.",
            "error": not boxes,
            "status": self._status(),
        }

    def preview(self, message: PreviewRequest) -> str | None:
        """Return a data URL of what a click would give; None if it is not available at once or does not fit."""
        try:
            segment = self.engine.preview(*parse_preview(message))
        except MamError:
            return None  # the click itself will be answered with a text
        return preview_url(segment) if segment is not None and not segment.is_empty else None

    def ask_again(self) -> AskAgain:
        """Request the document again, because a setting outside the canvas changed."""
        return {"kind": "ask_again", "time": time.time()}

    def report_failure(self) -> Failure:
        """Reply after an unexpected error."""
        return self._failure(f"That did not work, {UNEXPECTED}. Try again, or another photo.")

    def no_photo(self, text: str = "Open a photo, or try an example.", *, error: bool = False) -> NoPhoto:
        """Reply that there is no photo."""
        return {"kind": "no_photo", "text": text, "error": error, "status": self._status()}

    def _open(self, path: Path | None, ops: tuple[Op, ...] | None, visitor: str) -> Iterator[tuple[Any, Any]]:
        if path is None:
            yield None, self.no_photo()
            return
        yield gr.skip(), {"kind": "busy", "text": f"Opening {path.name} …"}
        try:
            session = self.engine.open(str(path), visitor)
            photo = self.engine.scene(session).photo
            message = photo_message(photo)
        except EXPECTED_ERRORS as error:
            if self.engine.visitors.token(visitor) is None:
                yield None, self.no_photo(describe(error), error=True)
            else:  # the photo that is open stays
                yield gr.skip(), self._failure(describe(error))
            return
        if not self.engine.is_open(session):  # another photo was opened while this one was encoded
            yield gr.skip(), gr.skip()
            return
        reply: PhotoOpened = {
            "kind": "photo",
            "token": session.token,
            "photo": message,
            "text": f"{photo.note} {START}".strip(),
            "status": self._status(),
        }
        if ops is not None:
            session = replace(session, objects=(SceneObject(1, session.name.capitalize(), ops),))
        elif self.engine.matting.graphs.policy.main_object:
            session = replace(session, objects=(replace(session.objects[0], ops=MAIN_OBJECT),))
        if session.objects[0].ops:
            reply["document"] = document_message(session)
        yield session, reply

    def _answer(self, session: Session, guidance: str, message: dict[str, Any]) -> Reply:
        """Compute a matte for each visible object, and a text about the selected one."""
        known, mattes, text, failed = known_keys(message), {}, START, False
        for one in session.objects:
            selected = one.id == session.active
            if not has_foreground(one.ops):
                if one.ops and selected:
                    text = "That only removes; now click on the object."
                continue
            if not (one.visible or selected):
                continue
            try:
                matte = self.engine.matte(session, one.ops, guidance)
            except EXPECTED_ERRORS as error:
                line, bad = describe(error), True
            else:
                line, bad = f"{one.name}: {matte}.", not matte
                if one.ops == MAIN_OBJECT and (not matte or matte.score < UNSURE):
                    line, bad = NOT_SURE, False
                elif matte:
                    found = "found" if matte.score >= UNSURE else "found; check its edges"
                    line = f"{one.name} {found}. {NEXT}"
                if matte:
                    key = f"{session.token}:{hash((one.ops, guidance)):x}"
                    mattes[str(one.id)] = matte_message(
                        matte, key, with_pixels=key not in known, with_candidates=selected
                    )
            if selected:
                text, failed = line, bad
        return {**self._mattes_reply(session, message, text, error=failed), "mattes": mattes, "status": self._status()}

    def _mattes_reply(self, session: Session, message: dict[str, Any], text: str, *, error: bool) -> Mattes:
        return {
            "kind": "mattes",
            "token": session.token,
            "turn": message.get("turn"),
            "mattes": {},
            "text": text,
            "error": error,
        }

    def _failure(self, text: str) -> Failure:
        return {"kind": "failure", "time": time.time(), "text": text}

    def _status(self) -> str:
        """One line about the model."""
        return f"Model {self.engine.matting.graphs.variant}"
