"""The models of the page: each is downloaded and checked in the background, and visitors choose from a menu."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from demo.engine import Engine
from demo.events import PRIVATE
from demo.limits import visitor_of
from demo.preparation import Preparation
from demo.texts import ENGLISH, Texts
from demo.zero_gpu import is_zero_gpu
from mam import Matting
from mam.catalogue import Model, list_models
from mam.model.folders import find_model
from mam.proof import Proof, prove, read_proof

FOLLOWING = "mobile_sam"
"""The model to switch to where none was chosen; it is small enough to be downloaded without asking."""

_LARGEST = 400_000_000  # bytes; visitors cannot have the server download, and then run, larger models
_HERE = Path(__file__).parent
Load = Callable[[Path | None], Matting]


class ModelPreparation(Preparation):
    """Download, loading and check of one model.

    Attributes:
        checking: It is loaded and being checked.
    """

    def __init__(self, name: str, models: Models) -> None:
        super().__init__(name)
        self.models, self.checking = models, False

    def prepare(self) -> str:
        """As `Preparation.prepare`."""
        self.checking = False
        loaded = self.models.load(find_model(self.name, self.progress))
        self.checking = True
        return self.models.add(loaded)


class Models:
    """What the page may run: the model that it began with, and those that are prepared when they are wanted.

    Args:
        load: Loads a model from its folder of graphs; None loads the embedded one.
        following: The model to prepare at once and then to continue with; None for none.
        unconditional: Continue with it even if its check does not find it better: a person has chosen it.
        may_download: Visitors may have models downloaded.
    """

    def __init__(
        self, load: Load, following: str | None = None, unconditional: bool = False, may_download: bool = False
    ) -> None:
        self.load, self.following, self.unconditional = load, following, unconditional
        self.may_download, self.entries = may_download, dict[str, Model]()
        self.preparations: dict[str, ModelPreparation] = {}
        self.proofs: dict[str, Proof] = {}  # of this run: a folder may be read-only

    def start_for(self, engine: Engine) -> None:
        """Prepare what follows, or check what the page began with; the engine gets the models when they are ready."""
        self.engine, first = engine, engine.matting
        self._list()
        if self.following in self.preparations:
            self.preparations[self.following].start()
        elif first.graphs.variant != "tiny":
            threading.Thread(target=lambda: print(self.add(first), flush=True), daemon=True).start()

    @property
    def running(self) -> bool:
        """Whether a model is being prepared."""
        return any(one.running for one in self.preparations.values())

    def add(self, loaded: Matting) -> str:
        """Check a model and offer it to visitors; returns a line for the server's output."""
        name, follows = loaded.graphs.variant, loaded.graphs.variant == self.following
        is_forced = follows and self.unconditional
        if is_forced:
            self.engine.choices.add(loaded, replace_default=True)
        proof = self.proofs[name] = self._check(loaded)
        if not is_forced:
            self.engine.choices.add(loaded, replace_default=follows and proof.better)
        self._list()
        use = "in use" if self.engine.matting.graphs.variant == name else "not in use unless somebody chooses it"
        return f"{name} on {loaded.graphs.provider} is {use}. Check: {proof.summary}. {loaded.graphs.note}".strip()

    def choose(self, visitor: str, name: str) -> bool:
        """Let a visitor use a model; returns False if it is not ready, and prepares it then."""
        if name in self.engine.choices.models:
            self.engine.choose(visitor, name)
            return True
        if name in self.preparations:
            self.preparations[name].done = False  # it may have been removed from memory
            self.preparations[name].start()
        return False

    def menu(self, visitor: str, texts: Texts) -> dict[str, Any]:
        """Return what the menu shows to a visitor."""
        current = self.engine.matting_of(visitor).graphs.variant
        following = self.engine.choices.of(visitor).graphs.variant
        rows = [
            {
                "name": name,
                "facts": f"{max(1, round(entry.size / 1e6))} MB, {entry.licence}" if entry.size else entry.licence,
                "best": texts(f"best_{entry.best_at}") if entry.best_at else "",
                "state": self._state(name, current, following, texts),
            }
            for name, entry in self.entries.items()
        ]
        busy = [row for row in rows if self.preparations[row["name"]].running]
        line = " ".join(f"{row['name']}: {row['state']}" for row in busy)
        return {"label": texts("model"), "current": current, "rows": rows, "line": line}

    def _state(self, name: str, current: str, following: str, texts: Texts) -> str:
        preparation, entry = self.preparations[name], self.entries[name]
        if name == current:
            doubtful = entry.proof is not None and not entry.proof.better
            return texts("model_doubtful" if doubtful else "model_in_use")
        if preparation.running and (preparation.checking or not preparation.expected):
            return texts("model_checking" if preparation.checking else "model_begun")
        if preparation.running:
            return texts("model_loading", percent=100 * preparation.received // preparation.expected)
        if preparation.failed:
            return texts("model_failed")
        if name == following:
            return texts("model_next")
        if entry.proof is not None:
            return texts("model_better" if entry.proof.better else "model_not_better")
        return texts("model_ready" if entry.state == "ready" else "model_get")

    def _check(self, loaded: Matting) -> Proof:
        folder = loaded.graphs.folder
        if is_zero_gpu():  # there is no GPU outside of a visitor's request
            loaded = Matting.load(folder, device="cpu")
        known = read_proof(folder, loaded.graphs.provider)
        tiny = self.engine.choices.models.get("tiny")
        return known or prove(loaded, Matting.load(device="cpu") if is_zero_gpu() else tiny or self.load(None))

    def _list(self) -> None:
        chosen = self.following if self.unconditional else None

        def is_offered(one: Model) -> bool:
            may_get = self.may_download and one.state == "to get" and one.size <= _LARGEST
            return one.state == "ready" or may_get or one.name == chosen

        entries = {one.name: one for one in list_models() if is_offered(one)}
        for name, loaded in list(self.engine.choices.models.items()):  # from a folder
            entries.setdefault(name, Model(name, 0, "", "", "ready", read_proof(loaded.graphs.folder)))
        for name, entry in entries.items():
            entries[name] = replace(entry, proof=self.proofs.get(name, entry.proof))
            self.preparations.setdefault(name, ModelPreparation(name, self))
        self.entries = entries


def add_menu(page: gr.Blocks, models: Models) -> gr.HTML:
    """Lay out the menu inside an open page; its event `switched` fires when the visitor's model changes."""
    models_menu = gr.HTML(
        models.menu("", ENGLISH),
        html_template=(_HERE / "models.html").read_text("utf-8"),
        js_on_load=(_HERE / "models.js").read_text("utf-8"),
        apply_default_css=False,
        elem_id="models",
    )
    wanted, timer = gr.State(""), gr.Timer(2)

    def refresh(wanted: str, request: gr.Request) -> tuple[Any, ...]:
        visitor = visitor_of(request)
        if wanted in models.engine.choices.models:
            models.choose(visitor, wanted)
        return (
            models.menu(visitor, Texts.of(request)),
            gr.Timer(active=models.running),
            wanted if models.running else "",
        )

    def choose(request: gr.Request, event: gr.EventData) -> tuple[Any, ...]:
        name = str(event._data.get("name")) if isinstance(event._data, dict) else ""
        is_ready = models.choose(visitor_of(request), name)
        return models.menu(visitor_of(request), Texts.of(request)), gr.Timer(active=not is_ready), name

    shown = [models_menu, timer, wanted]
    models_menu.choose(choose, None, shown, **PRIVATE)
    timer.tick(refresh, wanted, shown, **PRIVATE)
    page.load(refresh, wanted, shown, **PRIVATE)
    return models_menu
