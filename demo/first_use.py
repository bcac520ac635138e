"""First use of a larger model: its weights are downloaded while the page works on `tiny`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import gradio as gr

from demo.engine import Engine
from demo.messages import UNEXPECTED
from mam import MamError, Matting, weights
from mam.folders import find_model

_log = logging.getLogger(__name__)


class FirstUse:
    """Preparation of the chosen model in the background, until it replaces the one that the page runs on.

    Attributes:
        progress: How far the download is, or how it ended.
        done: The model is in use, or its preparation failed.

    Args:
        variant: The model's name.
        load: Loads it from its folder of graphs.
    """

    def __init__(self, variant: str, load: Callable[[Path], Matting]) -> None:
        self.variant, self.load = variant, load
        self.progress, self.done = f"{variant} is being prepared", False

    def start(self, engine: Engine) -> None:
        """Start the preparation; the engine gets the model when it is ready."""
        threading.Thread(target=self._run, args=[engine], daemon=True).start()

    def status(self) -> str:
        """Return the progress as Markdown for visitors."""
        if self.done:
            return self.progress
        return f"**{self.progress}** … Until {self.variant} is ready, this page runs on `tiny`."

    def _run(self, engine: Engine) -> None:
        try:
            loaded = self.load(find_model(self.variant, lambda name: weights.log_progress(name, self._report)))
            engine.matting = replace(loaded, grounding=engine.matting.grounding)  # which may be in memory already
            if loaded.graphs.note:
                print(loaded.graphs.note, flush=True)
            self._report(f"{self.variant} is ready: photos that you open from now on use it.")
        except MamError as error:
            self._report(f"{self.variant} could not be prepared ({error}). This page stays on `tiny`.")
        except Exception:  # no caller would see it, so it is reported here
            _log.exception("first use of %s", self.variant)
            self._report(f"{self.variant} could not be prepared, {UNEXPECTED}. This page stays on `tiny`.")
        finally:
            self.done = True

    def _report(self, line: str) -> None:
        self.progress = line
        print(line, flush=True)


def add_first_use(first_use: FirstUse) -> None:
    """Show the progress inside an open `gr.Blocks`, until the model is ready or has failed."""
    line = gr.Markdown(first_use.status(), elem_id="first_use")
    timer = gr.Timer(2)

    def refresh() -> tuple[str, gr.Timer]:
        return first_use.status(), gr.Timer(active=not first_use.done)

    timer.tick(refresh, None, [line, timer], show_progress="hidden", api_visibility="private")
