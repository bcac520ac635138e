"""First use of the text model: a visitor asks for it, or the server's owner, and it is prepared in the background."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from demo.engine import Engine
from demo.texts import Texts, label
from mam import MamError, weights
from mam.text.preparation import FILE, prepare

Prepare = Callable[[Callable[[str], weights.Progress | None]], Path]

_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
_log = logging.getLogger(__name__)


class TextModelDownload:
    """The download and conversion of the text model, once for all visitors; the page shows its progress.

    Attributes:
        offered: The model is missing, and the server may download it.
        running: It is being prepared.
        failed: The last attempt failed; another one may be started.

    Args:
        engine: Uses the model when it is ready.
        may_download: The owner allows it.
        prepare: Returns the folder of the prepared model.
    """

    def __init__(self, engine: Engine, may_download: bool = True, prepare: Prepare = prepare) -> None:
        self.engine, self._prepare = engine, prepare
        self.offered = may_download and not engine.reads_phrases and weights.may_download(FILE)
        self.running = self.failed = False
        self._percent, self._lock = 0, threading.Lock()

    def start(self) -> None:
        """Start the preparation, unless it is running or not needed."""
        with self._lock:
            if self.running or not self.offered or self.engine.reads_phrases:
                return
            self.running, self.failed, self._percent = True, False, 0
        threading.Thread(target=self._run, daemon=True).start()

    def status(self, texts: Texts) -> str:
        """Return the state in a visitor's language; empty before the first attempt."""
        if self.engine.reads_phrases:
            return texts("text_model_ready")
        if self.running:
            return texts("text_model_loading", percent=self._percent)
        return texts("text_model_failed", count=len(self.engine.known_words)) if self.failed else ""

    def _run(self) -> None:
        try:
            folder = self._prepare(self._progress)
            self._percent = 100
            self.engine.load_text_model()
            print(f"Text prompts by the model in {folder}.", flush=True)
        except MamError as error:
            self.failed = True
            print(f"The text model could not be prepared: {error}", flush=True)
        except Exception:  # no caller would see it, so it is reported here
            self.failed = True
            _log.exception("the text model could not be prepared")
        finally:
            self.running = False

    def _progress(self, name: str) -> weights.Progress:
        log = weights.log_progress(name, lambda line: print(line, flush=True))
        if name != FILE:  # the tokenizer is there in a moment
            return log

        def progress(received: int, expected: int) -> None:
            self._percent = 99 * received // expected if expected else 0  # the rest is the conversion
            log(received, expected)

        return progress


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
        page.load(show_field, None, description, **_QUIET)
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
    get.click(start, None, shown, **_QUIET)
    timer.tick(refresh, None, shown, **_QUIET)
    page.load(begin, None, shown, **_QUIET)
