"""First use of a larger model: its weights are downloaded while the page works on `tiny`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import gradio as gr

from demo.engine import Engine
from demo.texts import Texts
from mam import MamError, Matting, weights
from mam.model.folders import SKELETONS, find_model, is_ready, required_checkpoints

BETTER = "mobile_sam"
"""The model that takes over where none was chosen: it is small enough to be downloaded without a question."""

_log = logging.getLogger(__name__)


def may_use(variant: str) -> bool:
    """Return whether a model is on this machine or may be downloaded."""
    return is_ready(variant) or all(map(weights.may_download, required_checkpoints(SKELETONS / variant)))


class FirstUse:
    """Preparation of a model in the background, until it replaces the one that the page runs on.

    The page shows its state to visitors in few words; the server's output has the details.

    Attributes:
        done: The model is in use, or its preparation failed.
        failed: Its preparation failed; the page stays as it is.

    Args:
        variant: The model's name.
        load: Loads it from its folder of graphs.
    """

    def __init__(self, variant: str, load: Callable[[Path], Matting]) -> None:
        self.variant, self.load = variant, load
        self.done = self.failed = False
        self._received, self._expected = 0, 0

    def start(self, engine: Engine) -> None:
        """Start the preparation; the engine gets the model when it is ready."""
        threading.Thread(target=self._run, args=[engine], daemon=True).start()

    def status(self, texts: Texts) -> str:
        """Return the state in a visitor's language."""
        if self.failed:
            return texts("better_failed")
        if self.done:
            return texts("better_ready")
        if not self._expected:
            return texts("better_begun")
        percent, megabytes = 100 * self._received // self._expected, max(1, round(self._expected / 1e6))
        return texts("better_loading", megabytes=megabytes, percent=percent)

    def _run(self, engine: Engine) -> None:
        try:
            loaded = self.load(find_model(self.variant, self._progress))
            engine.matting = replace(loaded, grounding=engine.matting.grounding)  # which may be in memory already
            print(f"{self.variant} on {loaded.graphs.provider} is in use. {loaded.graphs.note}".strip(), flush=True)
        except MamError as error:
            self.failed = True
            print(f"{self.variant} could not be prepared: {error} The page stays on tiny.", flush=True)
        except Exception:  # no caller would see it, so it is reported here
            self.failed = True
            _log.exception("%s could not be prepared; the page stays on tiny", self.variant)
        finally:
            self.done = True

    def _progress(self, name: str) -> weights.Progress:
        log = weights.log_progress(name, lambda line: print(line, flush=True))

        def progress(received: int, expected: int) -> None:
            self._received, self._expected = received, expected
            log(received, expected)

        return progress


def add_first_use(page: gr.Blocks, first_use: FirstUse) -> None:
    """Show the state inside an open page: progress while the model is prepared, then how that ended.

    Visitors who come after the model is ready see nothing.
    """
    line = gr.Markdown("", elem_id="first_use")
    timer = gr.Timer(2)

    def refresh(request: gr.Request) -> tuple[str, gr.Timer]:
        return first_use.status(Texts.of(request)), gr.Timer(active=not first_use.done)

    def begin(request: gr.Request) -> tuple[str, gr.Timer]:
        in_use = first_use.done and not first_use.failed
        return "" if in_use else first_use.status(Texts.of(request)), gr.Timer(active=not first_use.done)

    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    timer.tick(refresh, None, [line, timer], **quiet)
    page.load(begin, None, [line, timer], **quiet)
