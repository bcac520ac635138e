"""A larger model for the page: its weights are downloaded while the page works on `tiny`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import gradio as gr

from demo.engine import Engine
from demo.events import PRIVATE
from demo.preparation import Preparation
from demo.texts import Texts
from mam import Matting, weights
from mam.model.folders import TEMPLATES, find_model, is_ready, required_checkpoints

UPGRADE_VARIANT = "mobile_sam"
"""The model that takes over where none was chosen: it is small enough to be downloaded without a question."""


def may_use(variant: str) -> bool:
    """Return whether a model is on this machine or may be downloaded."""
    return is_ready(variant) or all(map(weights.may_download, required_checkpoints(TEMPLATES / variant)))


class ModelUpgrade(Preparation):
    """Preparation of a model until it replaces the one that the page runs on; if it fails, the page stays as it is.

    Args:
        variant: The model's name.
        load: Loads it from its folder of graphs.
    """

    def __init__(self, variant: str, load: Callable[[Path], Matting]) -> None:
        super().__init__(variant)
        self.variant, self.load = variant, load

    def start_for(self, engine: Engine) -> None:
        """Start the preparation; the engine gets the model when it is ready."""
        self.engine = engine
        self.start()

    def prepare(self) -> str:
        """As `Preparation.prepare`."""
        loaded = self.load(find_model(self.variant, self.progress))
        # The text model may be in memory already.
        self.engine.matting = replace(loaded, grounding=self.engine.matting.grounding)
        return f"{self.variant} on {loaded.graphs.provider} is in use. {loaded.graphs.note}".strip()

    def status(self, texts: Texts) -> str:
        """Return the state in a visitor's language."""
        if self.failed:
            return texts("better_failed")
        if self.done:
            return texts("better_ready")
        if not self.expected:
            return texts("better_begun")
        percent, megabytes = 100 * self.received // self.expected, max(1, round(self.expected / 1e6))
        return texts("better_loading", megabytes=megabytes, percent=percent)


def add_upgrade(page: gr.Blocks, upgrade: ModelUpgrade) -> None:
    """Show the state inside an open page: progress while the model is prepared, then how that ended.

    Visitors who come after the model is ready see nothing.
    """
    line = gr.Markdown("", elem_id="upgrade")
    timer = gr.Timer(2)

    def refresh(request: gr.Request) -> tuple[str, gr.Timer]:
        return upgrade.status(Texts.of(request)), gr.Timer(active=upgrade.running)

    def begin(request: gr.Request) -> tuple[str, gr.Timer]:
        return ("", gr.Timer(active=False)) if upgrade.done else refresh(request)

    timer.tick(refresh, None, [line, timer], **PRIVATE)
    page.load(begin, None, [line, timer], **PRIVATE)
