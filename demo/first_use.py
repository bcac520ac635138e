"""The first use of a full-size model: it is made ready in a process of its own, while the page works on the embedded one."""

from __future__ import annotations

import atexit
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import gradio as gr

from demo.studio import Studio
from mam import MamError, Matting, weights

ROOT = Path(__file__).resolve().parents[1]
_log = logging.getLogger(__name__)
COMMAND = [sys.executable, "-m", "export", "prepare", "--variant"]


class FirstUse:
    """What goes on behind the page until the model that was asked for can take over.

    Args:
        variant: the model's name. load: makes it from its folder of graphs.
    """

    def __init__(self, variant: str, load: Callable[[Path], Matting]) -> None:
        self.variant, self.load = variant, load
        self.said, self.done = f"{variant} is being made ready", False

    def start(self, studio: Studio) -> None:
        """Begin; the studio gets the model when it is ready."""
        threading.Thread(target=self._run, args=[studio], daemon=True).start()

    def in_words(self) -> str:
        """How far it is, for visitors."""
        return self.said if self.done else f"**{self.said}** … Until {self.variant} is ready, this page runs on `tiny`."

    def _run(self, studio: Studio) -> None:
        try:
            self._prepare()
            loaded = self.load(weights.graphs_folder(self.variant))
            studio.matting = replace(loaded, grounding=studio.matting.grounding)  # which may be in memory already
            self._say(
                f"{self.variant} is ready, on {studio.matting.graphs.provider}: photos that you open from now on use it."
            )
        except MamError as error:
            self._say(f"{self.variant} could not be made ready ({error}). This page stays on `tiny`.")
        except Exception:  # nobody waits for this thread, so it must tell by itself
            _log.exception("first use of %s", self.variant)
            self._say(
                f"{self.variant} could not be made ready, for a reason that the server's log tells. This page stays on `tiny`."
            )
        finally:
            self.done = True

    def _prepare(self) -> None:
        # Where torch runs apart, its memory goes with it, and the page stays quick.
        process = subprocess.Popen(
            [*COMMAND, self.variant],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        atexit.register(process.kill)  # a page that is closed downloads no further
        for line in process.stdout:
            if line.strip():
                self._say(line.strip())
        status = process.wait()
        if status < 0:
            raise MamError(f"a signal, {-status}, ended it after: {self.said}; 9 means that memory ran out")
        if status:
            raise MamError(self.said)

    def _say(self, line: str) -> None:
        self.said = line
        print(line, flush=True)


def add_first_use(first_use: FirstUse) -> None:
    """Show inside an open `gr.Blocks` how far the model is, until it is ready or was given up."""
    told = gr.Markdown(first_use.in_words, elem_id="first_use")
    timer = gr.Timer(2)

    def look() -> tuple:
        return first_use.in_words(), gr.Timer(active=not first_use.done)

    timer.tick(look, None, [told, timer], show_progress="hidden", api_visibility="private")
