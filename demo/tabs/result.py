"""The result beside the canvas: previews of the objects in the chosen style, and downloads at full size."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.components import Component

from demo.downloads import Downloads
from demo.engine import Engine
from demo.messages import EXPECTED_ERRORS, describe, show_errors
from demo.session import SceneObject, Session, has_foreground
from demo.tabs.style import StyleControls, Values
from mam import Matte, PromptError
from mam.composition import Composition, Style
from mam.images import Photo

GUIDANCE = {"One object": "alpha", "One of several": "mask"}
ALL, SELECTED = "All visible objects", "The selected object"
DOWNLOADS = {
    "png": "Download",
    "jpeg": "JPEG",
    "cutout": "Without background, PNG",
    "alpha": "Alpha, PNG",
    "zip": "All objects, ZIP",
}
LONGEST = 1280  # pixels of a preview
_QUEUE = {"api_visibility": "private", "show_progress": "hidden", "concurrency_id": "result", "concurrency_limit": 2}
_START_DOWNLOAD = """(file) => {
  if (!file) return;
  const link = document.createElement('a');
  link.href = file.url;
  link.download = file.orig_name;
  link.click();
}"""


def add_result(engine: Engine, downloads: Downloads, session: gr.State, guidance: gr.Radio) -> ResultEvents:
    """Lay out the result inside an open `gr.Blocks` and connect its controls.

    Args:
        engine: Computes the mattes.
        downloads: Where files are written.
        session: The visitor's session.
        guidance: Which guidance was chosen.

    Returns:
        The handlers; `redraw_after` connects the canvas's events.
    """
    with gr.Tab("Result"):
        cutout = _image("Result", "cutout")
    with gr.Tab("Before / after"):
        compare = gr.ImageSlider(
            label="Before / after", elem_id="compare", type="filepath", height=300, interactive=False
        )
    with gr.Tab("Alpha"):
        alpha = _image("Alpha matte", "alpha")
    buttons = {"png": gr.Button(DOWNLOADS["png"], variant="primary", interactive=False, elem_id="save_png")}
    with gr.Row():
        for kind in [kind for kind in DOWNLOADS if kind not in buttons]:
            buttons[kind] = gr.Button(
                DOWNLOADS[kind], interactive=False, elem_id=f"save_{kind}", size="sm", min_width=120
            )
    style = StyleControls()
    which = gr.Radio([ALL, SELECTED], value=ALL, label="What is shown and saved", elem_id="which")
    problem = gr.Markdown(elem_id="problem")
    file = gr.File(visible="hidden", elem_id="file")

    controls = ResultControls(session, guidance, which, style)
    previews = Previews(compare, cutout, alpha, problem, tuple(buttons.values()))
    events = ResultEvents(engine, downloads, controls, previews)
    for control in (which, *style.all):
        name = {gr.Slider: "release", gr.UploadButton: "upload"}.get(type(control), "input")
        getattr(control, name)(events.draw, controls.all, previews.all, trigger_mode="always_last", **_QUEUE)
    for kind, button in buttons.items():
        saved = button.click(events.saver(kind), controls.all, file, **_QUEUE)
        saved.success(None, file, None, js=_START_DOWNLOAD, api_visibility="private")
    return events


def _image(label: str, elem_id: str) -> gr.Image:
    return gr.Image(
        label=label, elem_id=elem_id, type="filepath", height=300, interactive=False, buttons=["fullscreen"]
    )


@dataclass(frozen=True)
class ResultControls:
    """All controls that the result depends on; handlers get a dict of their values."""

    session: gr.State
    guidance: gr.Radio
    which: gr.Radio
    style: StyleControls

    @property
    def all(self) -> set[Component]:
        """The inputs of a handler."""
        return {self.session, self.guidance, self.which, *self.style.all}


@dataclass(frozen=True)
class Previews:
    """Everything that a new result changes; handlers return a dict of new values."""

    compare: gr.ImageSlider
    cutout: gr.Image
    alpha: gr.Image
    problem: gr.Markdown
    buttons: tuple[gr.Button, ...]

    @property
    def all(self) -> list[Component]:
        """The outputs of a handler."""
        return [self.compare, self.cutout, self.alpha, self.problem, *self.buttons]

    def buttons_update(self, interactive: bool) -> dict[Component, Any]:
        """Return the new values of the download buttons."""
        return {button: gr.update(interactive=interactive) for button in self.buttons}


@dataclass(frozen=True)
class ResultEvents:
    """Handlers of the result's events."""

    engine: Engine
    downloads: Downloads
    controls: ResultControls
    previews: Previews

    def redraw_after(self, event: gr.events.Dependency) -> None:
        """Draw a new result when an event of the canvas is done."""
        event.then(self.draw, self.controls.all, self.previews.all, trigger_mode="always_last", **_QUEUE)

    def draw(self, values: dict, request: gr.Request) -> dict[Component, Any]:
        """Return new previews, unless a newer result for the same visitor was begun meanwhile."""
        is_newest = self.engine.visitors.begin_result(request.session_hash)
        try:
            new = self._draw(values)
        except EXPECTED_ERRORS as error:
            new = {self.previews.problem: f"**{describe(error)}**"}
        return new if is_newest() else {self.previews.problem: gr.skip()}

    def saver(self, kind: str) -> Any:
        """Return the handler of a download button."""

        @show_errors
        def save(values: dict) -> str:
            return self.save(kind, values)

        return save

    def save(self, kind: str, values: Values) -> str:
        """Write a full-size download, named after the visitor's photo; returns its path.

        Args:
            kind: A key of `DOWNLOADS`.
            values: Of all `ResultControls`.

        Raises:
            PromptError: There is nothing to save.
            InputError: The background cannot be used.
        """
        session: Session | None = values[self.controls.session]
        mattes = [] if session is None else self._mattes(session, values)
        if not mattes:
            raise PromptError("nothing is cut out yet.")
        photo, name = self.engine.scene(session).photo, session.name
        needs_background = kind in ("png", "jpeg")
        style = self._style(values) if needs_background else self.controls.style.edges(values)
        if kind == "zip":
            return self._save_objects(photo, mattes, style, name)
        composition = Composition.of(photo, [matte.alpha for _, matte in mattes], style)
        if kind == "alpha":
            return self.downloads.png(composition.alpha_uint8(), name, "alpha")
        if kind == "cutout":
            return self.downloads.png(composition.cutout(), name, "cutout", photo.icc_profile)
        pixels = composition.pixels()
        if kind == "png":
            return self.downloads.png(pixels, name, "result", photo.icc_profile)
        if pixels.shape[2] == 4:  # JPEG cannot store transparency
            pixels = composition.over("white")
        return self.downloads.jpeg(pixels, name, "result", photo.icc_profile)

    def _draw(self, values: Values) -> dict[Component, Any]:
        compare, cutout, alpha = self.previews.compare, self.previews.cutout, self.previews.alpha
        session: Session | None = values[self.controls.session]
        mattes = self._mattes(session, values) if self.engine.is_open(session) else []
        if not mattes:
            return {
                **dict.fromkeys((compare, cutout, alpha)),
                self.previews.problem: "",
                **self.previews.buttons_update(False),
            }
        photo, style = self.engine.scene(session).photo, self._style(values)
        composition = Composition.of(photo, [matte.alpha for _, matte in mattes], style, LONGEST)
        squares = composition.over_checkerboard()
        after = squares if style.background is None else composition.pixels()
        return {
            compare: (self._preview(composition.photo.pixels, "before", photo), self._preview(after, "after", photo)),
            cutout: self._preview(after, "result", photo),
            alpha: self.downloads.png(composition.alpha_uint8(), photo.name, "alpha"),
            self.previews.problem: "",
            **self.previews.buttons_update(True),
        }

    def _preview(self, pixels: np.ndarray, name: str, photo: Photo) -> str:
        write = self.downloads.jpeg if name == "before" else self.downloads.png
        return write(pixels, photo.name, name, photo.icc_profile)

    def _style(self, values: Values) -> Style:
        return self.controls.style.style(values, self.engine.matting.max_pixels)

    def _mattes(self, session: Session, values: Values) -> list[tuple[SceneObject, Matte]]:
        """Return the objects that are shown, with their mattes; those for which nothing was found are left out."""
        guidance, which = GUIDANCE[values[self.controls.guidance]], values[self.controls.which]
        shown = (one for one in session.objects if (one.visible if which == ALL else one.id == session.active))
        mattes = [(one, self.engine.matte(session, one.ops, guidance)) for one in shown if has_foreground(one.ops)]
        return [(one, matte) for one, matte in mattes if isinstance(matte, Matte)]

    def _save_objects(self, photo: Photo, mattes: list[tuple[SceneObject, Matte]], style: Style, name: str) -> str:
        """Return a cut-out and an alpha of each object in one archive."""
        path = self.downloads.path(name, "_objects.zip")
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:  # PNGs are compressed already
            for one, matte in mattes:
                composition, part = Composition.of(photo, [matte.alpha], style), f"{one.id}_{one.name}"
                for written in (
                    self.downloads.png(composition.cutout(), name, f"{part}_cutout", photo.icc_profile),
                    self.downloads.png(composition.alpha_uint8(), name, f"{part}_alpha"),
                ):
                    archive.write(written, Path(written).name)
        return str(path)
