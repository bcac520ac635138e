"""First use of the text model: a visitor asks for it, or the server's owner, and it is prepared in the background."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from demo.engine import Engine
from demo.events import PRIVATE
from demo.preparation import Preparation
from demo.texts import Texts, label
from mam import weights
from mam.text.preparation import FILE, prepare

Prepare = Callable[[Callable[[str], weights.Progress | None]], Path]


class TextModelDownload(Preparation):
    """The download and conversion of the text model.

    Attributes:
        offered: The model is missing, and the server may download it.

    Args:
        engine: Uses the model when it is ready.
        may_download: The owner allows it.
        prepare: Returns the folder of the prepared model.
    """

    def __init__(self, engine: Engine, may_download: bool = True, prepare: Prepare = prepare) -> None:
        super().__init__("the text model")
        self.engine, self._prepare = engine, prepare
        self.offered = may_download and not engine.reads_phrases and weights.may_download(FILE)

    def start(self) -> None:
        """Start the preparation, unless it is running or not needed."""
        if self.offered and not self.engine.reads_phrases:
            super().start()

    def prepare(self) -> str:
        """As `Preparation.prepare`."""
        folder = self._prepare(self.progress)
        self.engine.load_text_model()
        return f"Text prompts by the model in {folder}."

    def progress(self, name: str) -> weights.Progress:
        """As `Preparation.progress`; the tokenizer is there in a moment, so its numbers are not kept."""
        return super().progress(name) if name == FILE else weights.log_progress(name, print)

    def status(self, texts: Texts) -> str:
        """Return the state in a visitor's language; empty before the first attempt."""
        if self.engine.reads_phrases:
            return texts("text_model_ready")
        if self.running:  # the last percent is the conversion
            return texts("text_model_loading", percent=99 * self.received // max(1, self.expected))
        return texts("text_model_failed", count=len(self.engine.known_words)) if self.failed else ""


def text_field(engine: Engine, texts: Texts) -> dict[str, Any]:
    """Return the properties of the field for texts: hidden where nothing can be found, with a hint at what to type."""
    words = len(engine.known_words)
    hint = texts("describe_words", count=words) if words else texts("describe_hint")
    return {"visible": engine.can_find, "placeholder": hint}


def add_text_model(page: gr.Blocks, text_model: TextModelDownload, description: gr.Textbox) -> None:
    """Lay out a button that gets the text model, and its progress, below the field for texts.

    Args:
        page: Open; it brings a new visitor up to date.
        text_model: Nothing is laid out where it is not offered.
        description: The field for texts, which changes when the model is ready.
    """

    def show_field(request: gr.Request) -> Any:
        return gr.update(**text_field(text_model.engine, Texts.of(request)))

    if not text_model.offered:
        page.load(show_field, None, description, **PRIVATE)
        return
    get = gr.Button(label("get_text_model"), elem_id="get_text_model", size="sm")
    line = gr.Markdown("", elem_id="text_model")
    timer = gr.Timer(2, active=False)

    def refresh(request: gr.Request) -> tuple[Any, ...]:
        ready = text_model.engine.reads_phrases
        return (
            show_field(request),
            gr.update(visible=not ready and not text_model.running),
            text_model.status(Texts.of(request)),
            gr.Timer(active=text_model.running),
        )

    def begin(request: gr.Request) -> tuple[Any, ...]:
        if text_model.engine.reads_phrases:  # no news for somebody who comes later
            return show_field(request), gr.update(visible=False), "", gr.Timer(active=False)
        return refresh(request)

    def start(request: gr.Request) -> tuple[Any, ...]:
        text_model.start()
        return refresh(request)

    shown = [description, get, line, timer]
    get.click(start, None, shown, **PRIVATE)
    timer.tick(refresh, None, shown, **PRIVATE)
    page.load(begin, None, shown, **PRIVATE)
