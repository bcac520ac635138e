"""First use of a full-size model: another process downloads and exports it, while the page works on `tiny`."""

from __future__ import annotations

import atexit
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import gradio as gr

from demo.engine import Engine
from demo.messages import UNEXPECTED
from mam import MamError, Matting, weights

ROOT = Path(__file__).resolve().parents[1]
_log = logging.getLogger(__name__)
PREPARE = (sys.executable, "-m", "export", "prepare", "--variant")


class FirstUse:
    """Preparation of the chosen model in the background, until it replaces the one that the page runs on.

    Attributes:
        progress: The last line that the other process printed, or how it ended.
        done: The model is in use, or its preparation failed.

    Args:
        variant: The model's name.
        load: Loads it from its folder of graphs.
        command: Prepares a variant; the variant's name is appended.
    """

    def __init__(self, variant: str, load: Callable[[Path], Matting], command: Sequence[str] = PREPARE) -> None:
        self.variant, self.load, self.command = variant, load, [*command, variant]
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
            self._prepare()
            loaded = self.load(weights.graphs_folder(self.variant))
            engine.matting = replace(loaded, grounding=engine.matting.grounding)  # which may be in memory already
            self._report(f"{self.variant} is ready: photos that you open from now on use it.")
        except MamError as error:
            self._report(f"{self.variant} could not be prepared ({error}). This page stays on `tiny`.")
        except Exception:  # no caller would see it, so it is reported here
            _log.exception("first use of %s", self.variant)
            self._report(f"{self.variant} could not be prepared, {UNEXPECTED}. This page stays on `tiny`.")
        finally:
            self.done = True

    def _prepare(self) -> None:
        # In a process of its own, so that torch's memory is freed at the end and the page stays responsive.
        process = subprocess.Popen(
            self.command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        atexit.register(process.kill)  # closing the page ends the download
        for line in process.stdout or ():
            if line.strip():
                self._report(line.strip())
        status = process.wait()
        if status < 0:
            raise MamError(
                f"signal {-status} ended it after: {self.progress}; signal 9 means that the machine ran out of memory"
            )
        if status:
            raise MamError(self.progress)

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
