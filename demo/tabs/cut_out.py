"""The main tab: a photo on the canvas, the prompts that visitors draw or type, and the mattes that answer them."""

from __future__ import annotations

import functools
import html
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from demo.canvas.component import PromptCanvas
from demo.canvas.images import matte_message, offer_messages, photo_message, preview_url, thumbnail_url
from demo.canvas.parsing import document_message, known_keys, parse_document, parse_offers, parse_ops, parse_preview
from demo.canvas.protocol import (
    LIMITS,
    AskAgain,
    BoxMessage,
    Failure,
    Mattes,
    NoPhoto,
    OfferMessage,
    OffersRequest,
    PhotoOpened,
    PreviewRequest,
    TextBoxes,
)
from demo.downloads import Downloads
from demo.engine import Engine
from demo.events import LAST, MODEL, PRIVATE
from demo.limits import place_in_queue, visitor_of
from demo.messages import EXPECTED_ERRORS, describe
from demo.session import Op, SceneObject, Session, has_foreground
from demo.tabs.result import ResultEvents, add_result, guidance
from demo.text_model import TextModelDownload, add_text_model, text_field
from demo.texts import ENGLISH, Texts, label
from demo.uploads import uploaded_file
from mam import Guidance, MamError, Matte, NothingFound, PromptError, Segment
from mam.serve.limits import client_of

EXAMPLES = Path(__file__).parents[1] / "examples"
MAIN_OBJECT = (Op("main"),)
_THUMBNAIL = 168  # pixels
_SHOWN_TEXT = 40  # characters of a visitor's text in a message


def add_cut_out_tab(
    page: gr.Blocks,
    engine: Engine,
    downloads: Downloads,
    text_model: TextModelDownload | None = None,
    menu: gr.HTML | None = None,
) -> ResultEvents:
    """Lay out the tab inside an open page and connect its events; returns those of the result.

    Args:
        page: The page.
        engine: Answers the prompts.
        downloads: Keeps the files that visitors download.
        text_model: Offers to get the text model; None where there is no such offer.
        menu: The menu of models; None where there is no choice.
    """
    events = CutOutEvents(engine)
    with gr.Row(elem_id="cut_out"):
        with gr.Column(scale=3, min_width=340):
            examples = {name: thumbnail_url(path, _THUMBNAIL) for name, (path, _) in load_examples().items()}
            place = functools.partial(place_in_queue, page)
            canvas = PromptCanvas(events.preview, events.offers, place, examples, events.no_photo(), elem_id="canvas")
            with gr.Row(elem_id="search", elem_classes="with-photo"):
                description = gr.Textbox(
                    label=label("describe"),
                    elem_id="text",
                    container=False,
                    scale=3,
                    max_lines=1,
                    max_length=LIMITS.text_length,
                    **text_field(engine, ENGLISH),
                )
                if text_model is not None:
                    add_text_model(page, text_model, description)
            gr.HTML(word_suggestions(engine), visible=bool(engine.known_words), elem_id="words")
        with gr.Column(scale=2, min_width=320, elem_id="result", elem_classes="with-photo"):
            result = add_result(page, engine, downloads)

    touching = result.controls.style.touching

    def opening(handler: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[dict[Component, Any]]]:
        def run(touching: bool, request: gr.Request, event: gr.EventData) -> Iterator[dict[Component, Any]]:
            for reply in handler(touching, request, event):
                cleared = result.clear(request) if reply.get("kind") == "photo" else {}
                yield {canvas: reply, **cleared}

        return run

    multiple = {"trigger_mode": "multiple", **MODEL}
    shown = [canvas, *result.previews.all]
    opened = canvas.uploaded(opening(events.open_photo), touching, shown, **multiple)
    tried = canvas.example(opening(events.open_example), touching, shown, **multiple)
    answered = canvas.prompt(events.answer_prompts, touching, canvas, **multiple)
    found = description.submit(events.find_text, description, canvas, **LAST, **MODEL)
    touching.input(events.ask_again, None, canvas, **LAST, **PRIVATE)
    if menu is not None:
        menu.switched(events.ask_again, None, canvas, **LAST, **PRIVATE)
    for event in (opened, tried, answered, found):
        event.failure(events.report_failure, None, canvas, **LAST, **PRIVATE)
    for event in (opened, tried, answered):
        result.redraw_after(event)
    result.save_after(canvas.save)
    return result


def word_suggestions(engine: Engine) -> str:
    """Return the words that the field for texts suggests while a visitor types, as an HTML list for `app`'s script."""
    options = "".join(f"<option>{html.escape(word)}</option>" for word in engine.known_words)
    return f'<datalist id="known_words">{options}</datalist>'


def load_examples() -> dict[str, tuple[Path, tuple[Op, ...]]]:
    """Return the photos that the page offers, by name, each with the prompts that it needs."""
    prompts = json.loads((EXAMPLES / "prompts.json").read_text("utf-8"))
    return {Path(file).stem: (EXAMPLES / file, parse_ops(ops)) for file, ops in prompts.items()}


@dataclass(frozen=True)
class CutOutEvents:
    """Handlers of the tab's events; each returns or yields a `Reply` for the canvas."""

    engine: Engine

    def open_photo(self, touching: bool, request: gr.Request, event: gr.EventData) -> Iterator[Any]:
        """Reply with the photo, then with mattes of its main object; one that fails leaves the last one open."""
        message = event._data if isinstance(event._data, dict) else {}  # Gradio has no public attribute for all of it
        yield from self._open(uploaded_file(message.get("path")), (), message, touching, request)

    def open_example(self, touching: bool, request: gr.Request, event: gr.EventData) -> Iterator[Any]:
        """Reply as `open_photo` does, with a prompt on the example's main object where it needs one."""
        message = event._data if isinstance(event._data, dict) else {}
        path, ops = load_examples().get(str(message.get("name")), (None, ()))
        yield from self._open(path, ops, message, touching, request)

    def answer_prompts(self, touching: bool, request: gr.Request, event: gr.EventData) -> Iterator[Any]:
        """Reply with masks, then mattes of what the visitor has drawn; skip what is about a photo no longer open."""
        message, texts = event._data, Texts.of(request)
        token = message.get("token") if isinstance(message, dict) else None
        session = self.engine.visitors.session(visitor_of(request))
        if self.engine.visitors.token(visitor_of(request)) is None:
            yield self.no_photo(texts("expired"), error=True, expired=True)
            return
        if session is None or not self.engine.is_open(session) or session.token != token:
            yield gr.skip()
            return
        try:
            objects, active = parse_document(message)
        except PromptError as error:
            yield {**self._mattes(session, message, str(error)), "error": True}
            return
        yield from self._answers(replace(session, objects=objects, active=active), guidance(touching), message, texts)

    def find_text(self, text: str, request: gr.Request) -> Iterator[Any]:
        """Reply that a search for a text has begun, then with boxes where it was found."""
        texts, session = Texts.of(request), self.engine.visitors.session(visitor_of(request))
        if session is None or not self.engine.is_open(session):
            gone = self.engine.visitors.token(visitor_of(request)) is None
            yield self.no_photo(texts("open_first"), error=True, expired=True) if gone else gr.skip()
            return
        text = text.strip()[: LIMITS.text_length]
        shown = text[:_SHOWN_TEXT]
        reply: TextBoxes = {
            "kind": "text_boxes",
            "token": session.token,
            "boxes": [],
            "note": "",
            "text": "",
            "error": True,
        }
        if not text:
            yield {**reply, "text": texts("describe_first")}
            return
        yield {"kind": "busy", "text": texts("looking_for", text=shown)}
        try:
            boxes = self.engine.find(session, text)
        except EXPECTED_ERRORS as error:
            yield {**reply, "text": describe(error, texts)}
            return
        if not boxes:
            yield {**reply, "text": texts("text_not_found", text=shown)}
            return
        notes = [texts("read_as", phrase=phrase[:_SHOWN_TEXT], name=name) for phrase, name in boxes.readings[:1]]
        listed: list[BoxMessage] = [
            {"xy": list(box.box), "label": f"{box.phrase or '?'} {box.score:.2f}"}
            for box in boxes[: LIMITS.found_boxes]
        ]
        if notes and len(listed) > 1:
            notes.append(texts("choose_place"))
        yield {**reply, "boxes": listed, "note": " ".join(notes), "error": False}

    def preview(self, message: PreviewRequest) -> str | None:
        """Return a data URL of what a click would give; None if it is not available at once or does not fit."""
        try:
            segment = self.engine.preview(*parse_preview(message))
        except MamError:
            return None  # the click itself will be answered with a text
        return preview_url(segment) if segment is not None and not segment.is_empty else None

    def offers(self, message: OffersRequest) -> list[OfferMessage] | None:
        """Return what else the prompts of an object may mean, with pictures; nothing for a photo no longer open.

        None while two others are being made: this call passes by the queue, so it never waits for the model.
        """
        if not self.engine.offering.acquire(blocking=False):
            return None
        try:
            return self._offers(*parse_offers(message))
        except EXPECTED_ERRORS:
            return []  # the answer itself came with a text
        finally:
            self.engine.offering.release()

    def _offers(self, token: str, prompts: tuple[Op, ...]) -> list[OfferMessage]:
        if self.engine.peek_scene(token) is None:
            return []
        session = Session("", token, "", "")  # the store holds the photo
        readings = self.engine.readings(session, prompts) if len(prompts) == 2 else [prompts]
        answer = self.engine.segment(session, readings[0])
        if len(readings) == 2:
            found = {"add": answer, "only": self.engine.segment(session, readings[1])}
        else:
            found = self.engine.alternatives(session, readings[0])
        return offer_messages(self.engine.photo(session), answer, found)

    def ask_again(self) -> AskAgain:
        """Request the document again, because a setting outside the canvas changed."""
        return {"kind": "ask_again", "time": time.time()}

    def report_failure(self, request: gr.Request) -> Failure:
        """Reply after an unexpected error."""
        return self._failure(Texts.of(request)("failed"))

    def no_photo(self, text: str = "", *, error: bool = False, expired: bool = False) -> NoPhoto:
        """Reply that there is no photo; without a text, the canvas asks for one."""
        return {"kind": "no_photo", "text": text, "error": error, "expired": expired}

    def _open(
        self, path: Path | None, ops: tuple[Op, ...], message: dict[str, Any], touching: bool, request: gr.Request
    ) -> Iterator[Any]:
        visitor, texts = visitor_of(request), Texts.of(request)
        if path is None:  # no page sends this
            yield self._failure(texts("failed"))
            return
        yield {"kind": "busy", "text": texts("opening", name=path.name)}
        try:
            session = self.engine.open(str(path), visitor, client_of(request))
            photo = self.engine.photo(session)
        except EXPECTED_ERRORS as error:
            if self.engine.visitors.token(visitor) is None:
                yield self.no_photo(describe(error, texts), error=True)
            else:  # the photo that is open stays
                yield self._failure(describe(error, texts))
            return
        if not self.engine.is_open(session):  # another photo was opened while this one was decoded
            yield gr.skip()
            return
        try:
            objects, active = parse_document(message.get("document"))
        except PromptError:  # a new photo
            ops = ops or (() if self.engine.needs_prompt else MAIN_OBJECT)
            objects, active = (SceneObject(1, texts("object", number=1), ops),), 1
        session = replace(session, objects=objects, active=active)
        self.engine.visitors.keep(session)
        reply: PhotoOpened = {
            "kind": "photo",
            "opening": message.get("opening"),
            "token": session.token,
            "photo": photo_message(photo, message.get("shown")),
            "document": document_message(session),
            "note": photo.note,
            "text": texts("start"),
        }
        yield reply
        if any(one.ops for one in objects):
            yield from self._answers(session, guidance(touching), {"turn": 0}, texts)
        else:
            self.engine.scene(session)  # encoded already when the first click comes

    def _answers(self, session: Session, guidance: Guidance, message: dict[str, Any], texts: Texts) -> Iterator[Any]:
        """Yield two answers; the second one is left out where a newer change has come."""
        is_newest = self.engine.visitors.begin("answer", session.visitor)
        draft = self._answer(session, guidance, message, texts, self.engine.draft)
        if is_newest():
            self.engine.visitors.keep(session)
        if draft["refining"]:
            yield draft if self.engine.is_open(session) else gr.skip()
            if not is_newest():
                return
        reply = self._answer(session, guidance, message, texts, self.engine.matte)
        if self.engine.is_open(session):
            yield reply

    def _answer(
        self,
        session: Session,
        guidance: Guidance,
        message: dict[str, Any],
        texts: Texts,
        look_up: Callable[[Session, tuple[Op, ...], Guidance], Matte | NothingFound | Segment],
    ) -> Mattes:
        """Return what `look_up` finds for each visible object, and a text about the selected one."""
        reply, known = self._mattes(session, message, texts("start")), known_keys(message)
        for one in session.objects:
            selected = one.id == session.active
            if not has_foreground(one.ops):
                if one.ops and selected:
                    reply["text"] = texts("only_removes")
                continue
            if not (one.visible or selected):
                continue
            try:
                found = look_up(session, one.ops, guidance)
            except EXPECTED_ERRORS as error:
                line, bad = describe(error, texts), True
            else:
                made_with: Guidance | None = None
                if isinstance(found, Segment):
                    if found.is_empty:
                        continue  # the second answer says so
                    line, bad = "", False
                    reply["refining"] = True
                else:
                    line, bad = self._describe_matte(one, found, texts)
                    made_with = guidance
                if not isinstance(found, NothingFound):
                    model = self.engine.matting_of(session.visitor).graphs.variant
                    key = f"{session.token}:{hash((model, one.ops, made_with)):x}"
                    reply["mattes"][str(one.id)] = matte_message(found, key, with_pixels=key not in known)
            if selected:
                reply["text"], reply["error"] = line, bad
        return reply

    @staticmethod
    def _describe_matte(one: SceneObject, matte: Matte | NothingFound, texts: Texts) -> tuple[str, bool]:
        """Return a line about an object's matte, and whether it is a failure."""
        if isinstance(matte, NothingFound):
            return texts("nothing_there"), one.ops != MAIN_OBJECT
        if one.ops == MAIN_OBJECT and matte.segment.is_doubtful:
            return texts("not_sure"), False
        return texts("found_unsure" if matte.segment.is_doubtful else "found", name=one.name), False

    def _mattes(self, session: Session, message: dict[str, Any], text: str) -> Mattes:
        return {
            "kind": "mattes",
            "token": session.token,
            "turn": message.get("turn"),
            "mattes": {},
            "text": text,
            "error": False,
            "refining": False,
        }

    def _failure(self, text: str) -> Failure:
        return {"kind": "failure", "time": time.time(), "text": text}
