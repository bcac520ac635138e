"""The result beside the canvas: previews of the objects in the chosen style, and downloads at full size."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr
import numpy as np
from gradio.blocks import Block
from gradio.components import Component

from demo.downloads import Downloads, safe_name
from demo.engine import Engine
from demo.events import LAST, PRIVATE, RESULT
from demo.limits import visitor_of
from demo.messages import EXPECTED_ERRORS, describe, show_errors
from demo.session import SceneObject, Session, has_foreground
from demo.tabs.style import StyleControls, Values
from demo.texts import ENGLISH, Texts, label, tables_as_json
from mam import Guidance, Matte, OutputOptions, Placement, PromptError, Style
from mam.compose.composite import fit_image
from mam.images import Photo
from mam.images.encode import write_content
from mam.matte import compose_mattes, encode_mattes

_FILES = {
    "format_png": ("PNG", "_result.png"),
    "format_jpeg": ("JPEG", "_result.jpg"),
    "format_cutout": ("PNG", "_cutout.png"),
    "format_alpha": ("PNG", "_alpha.png"),
    "format_psd": ("PSD", "_layers.psd"),
}
FORMATS = (*_FILES, "format_zip")
LONGEST = 1280  # pixels of a preview
_START_DOWNLOAD = """(file) => {
  if (!file) return;
  const link = document.createElement('a');
  link.href = file.url;
  link.download = file.orig_name;
  link.click();
}"""
# A browser allows it on https and localhost, and some only as long as the click is fresh.
_COPY = """async (file) => {
  if (!file) return '';
  const tables = TABLES, texts = tables[document.documentElement.lang.split('-')[0]] || tables.en;
  try {
    const image = await (await fetch(file.url)).blob();
    await navigator.clipboard.write([new ClipboardItem({ 'image/png': image })]);
    return texts.copied;
  } catch (error) {
    return texts.copy_refused;
  }
}"""


# The settings come back with the photo (canvas/js/keep.js), the visitor's own background as long as the server has it.
# No handler of the server gets the stored values: it would have to trust the paths of files in them.
_KEEP = """(...values) => {
  if (!window.settingsAreBack) return; // the page is being loaded
  try { sessionStorage.setItem('mam.settings', JSON.stringify(values)); } catch (error) { /* without storage */ }
}"""
_BRING_BACK = """async (...values) => {
  try {
    const kept = JSON.parse(sessionStorage.getItem('mam.settings'));
    if (!kept || kept.length !== values.length) return values;
    const own = kept.findIndex((value) => value && value.url);
    if (own < 0 || (await fetch(kept[own].url)).ok) return kept;
    return kept.map((value, i) => (i === own || value === 'own' ? values[i] : value));
  } catch (error) {
    return values;
  } finally {
    window.settingsAreBack = true;
  }
}"""


def add_result(page: gr.Blocks, engine: Engine, downloads: Downloads) -> ResultEvents:
    """Lay out the result inside an open page and connect its controls.

    Args:
        page: Open.
        engine: Computes the mattes.
        downloads: Where files are written.

    Returns:
        The handlers; `redraw_after` and `save_after` connect the canvas's events.
    """
    with gr.Tabs(elem_id="previews", elem_classes="of-photo"):
        with gr.Tab(label("cutout")):
            cutout = _image("cutout")
        with gr.Tab(label("compare")):
            compare = gr.ImageSlider(
                label=label("compare"), show_label=False, elem_id="compare", type="filepath", interactive=False
            )
        with gr.Tab(label("alpha")):
            alpha = _image("alpha")
    reset_place = gr.Button(label("place_changed"), size="sm", elem_id="reset_place", visible=False)
    with gr.Row(elem_id="saving", elem_classes="of-photo"):
        download = gr.Button(label("download"), variant="primary", interactive=False, elem_id="download", min_width=140)
        form = gr.Dropdown(
            ENGLISH.choices(FORMATS),
            value=FORMATS[0],
            label=label("format"),
            container=False,
            filterable=False,
            elem_id="format",
            min_width=140,
        )
        copy = gr.Button(label("copy"), interactive=False, elem_id="copy", min_width=80)
    problem = gr.Markdown(elem_id="problem")
    with gr.Tabs(elem_id="styles"):
        style = StyleControls(offers_best_edges=engine.best_edges is not None)
    only_selected = gr.Checkbox(False, label=label("only_selected"), elem_id="only_selected", visible=False)
    file, copied = gr.File(visible="hidden", elem_id="file"), gr.File(visible="hidden")

    controls = ResultControls(form, only_selected, style)
    previews = Previews(compare, cutout, alpha, problem, only_selected, reset_place, (download, copy))
    events = ResultEvents(engine, downloads, controls, previews, file)
    for control in (only_selected, style.best_edges, *style.all):
        chosen = control.upload if isinstance(control, gr.UploadButton) else control.input
        chosen(events.draw, controls.all, previews.all, **LAST, **RESULT)
    place = [style.shift_x, style.shift_y]
    moved = gr.Button(visible="hidden", elem_id="moved")  # pressed by page.js while the result is dragged
    events.redraw_after(moved.click(None, place, place, js="(x, y) => takeDistance(x, y)", **PRIVATE, **LAST))
    defaults = list(style.place.values())
    events.redraw_after(reset_place.click(lambda: defaults, None, list(style.place), **PRIVATE))
    kept = [form, style.touching, style.best_edges, *style.all]
    changes = [control.upload if isinstance(control, gr.UploadButton) else control.change for control in kept]
    gr.on(changes, None, kept, None, js=_KEEP, api_visibility="private")
    back = page.load(None, kept, kept, js=_BRING_BACK, api_visibility="private")
    style.show_controls_after(back.then)
    events.save_after(download.click)
    copying = copy.click(events.copy, controls.all, copied, **RESULT)
    copying.success(
        None,
        copied,
        problem,
        js=_COPY.replace("TABLES", tables_as_json("copied", "copy_refused")),
        api_visibility="private",
    )
    return events


def guidance(touching: bool) -> Guidance:
    """Return the guidance of refinement for an object that touches others, or for one that does not."""
    return "mask" if touching else "alpha"


def _image(name: str) -> gr.Image:
    return gr.Image(
        label=label(name),
        show_label=False,
        elem_id=name,
        type="filepath",
        interactive=False,
        buttons=["fullscreen"],
    )


@dataclass(frozen=True)
class ResultControls:
    """All controls that the result depends on; handlers get a dict of their values."""

    form: gr.Dropdown
    only_selected: gr.Checkbox
    style: StyleControls

    @property
    def all(self) -> set[Block]:
        """The inputs of a handler."""
        return {self.form, self.only_selected, self.style.touching, self.style.best_edges, *self.style.all}

    def choices(self, texts: Texts) -> dict[Component, Any]:
        """Return updates of the controls with choices, which Gradio does not translate."""
        return {self.form: gr.update(choices=texts.choices(FORMATS)), **self.style.choices(texts)}


@dataclass(frozen=True)
class Previews:
    """Everything that a new result changes; handlers return a dict of new values."""

    compare: gr.ImageSlider
    cutout: gr.Image
    alpha: gr.Image
    problem: gr.Markdown
    only_selected: gr.Checkbox
    reset_place: gr.Button
    buttons: tuple[gr.Button, ...]

    @property
    def all(self) -> list[Component]:
        """The outputs of a handler."""
        shown = (self.compare, self.cutout, self.alpha, self.problem)
        return [*shown, self.only_selected, self.reset_place, *self.buttons]

    def empty(self) -> dict[Component, Any]:
        """Return the new values where there is no result."""
        return {
            **dict.fromkeys((self.compare, self.cutout, self.alpha)),
            self.problem: "",
            **self.buttons_update(False),
        }

    def buttons_update(self, interactive: bool) -> dict[Component, Any]:
        """Return the new values of the buttons that save."""
        return {button: gr.update(interactive=interactive) for button in self.buttons}


@dataclass(frozen=True)
class ResultEvents:
    """Handlers of the result's events."""

    engine: Engine
    downloads: Downloads
    controls: ResultControls
    previews: Previews
    file: gr.File

    def redraw_after(self, event: gr.events.Dependency) -> None:
        """Draw a new result when an event of the canvas is done."""
        event.then(self.draw, self.controls.all, self.previews.all, **LAST, **RESULT)

    def save_after(self, event: Callable[..., gr.events.Dependency]) -> None:
        """Start a download at an event, such as `button.click`."""
        saved = event(self.download, self.controls.all, self.file, **RESULT)
        saved.success(None, self.file, None, js=_START_DOWNLOAD, api_visibility="private")

    def clear(self, request: gr.Request) -> dict[Component, Any]:
        """Return empty previews for a new photo; results of the last one that are still being made are skipped."""
        self.engine.visitors.begin("result", visitor_of(request))
        return self.previews.empty()

    def draw(self, values: dict, request: gr.Request) -> dict[Component, Any]:
        """Return new previews, unless a newer result for the same visitor was begun meanwhile."""
        is_newest = self.engine.visitors.begin("result", visitor_of(request))
        try:
            new = self._draw(values, self.engine.visitors.session(visitor_of(request)))
        except EXPECTED_ERRORS as error:
            new = {self.previews.problem: f"**{describe(error, Texts.of(request))}**"}
        return new if is_newest() else {self.previews.problem: gr.skip()}

    @show_errors
    def download(self, values: dict, request: gr.Request) -> str:
        """Write the file in the chosen form; returns its path."""
        session = self.engine.visitors.session(visitor_of(request))
        return self.save(values[self.controls.form], session, values, Texts.of(request))

    @show_errors
    def copy(self, values: dict, request: gr.Request) -> str:
        """Write the finished image for the clipboard, as PNG; returns its path."""
        session = self.engine.visitors.session(visitor_of(request))
        return self.save("format_png", session, values, Texts.of(request))

    def save(self, form: str, session: Session | None, values: Values, texts: Texts = ENGLISH) -> str:
        """Write a full-size download, named after the visitor's photo; returns its path.

        Args:
            form: One of `FORMATS`.
            session: The visitor's photo and objects.
            values: The values of all `ResultControls`.
            texts: In the visitor's language.

        Raises:
            PromptError: There is nothing to save.
            InputError: The background cannot be used.
        """
        mattes = [] if session is None else self._mattes(session, values)
        if session is None or not mattes:
            raise PromptError(texts("nothing_cut_out"))
        name = session.name
        is_finished = form in ("format_png", "format_jpeg")
        style = self._style(values) if is_finished else self.controls.style.edges(values)
        with self.engine.turn(mattes[0][1].photo):
            if form == "format_zip":
                return self._save_objects(mattes, replace(style, placement=Placement()), name)
            if form == "format_psd":
                style = replace(self._style(values), placement=Placement(), outline=0.0)
            file_format, ending = _FILES[form]
            options = OutputOptions(style, alpha=form == "format_alpha")
            content = encode_mattes([(one.name, matte) for one, matte in mattes], file_format, options)
        return str(write_content(content, self.downloads.path(name, ending)))

    def _draw(self, values: Values, session: Session | None) -> dict[Component, Any]:
        compare, cutout, alpha = self.previews.compare, self.previews.cutout, self.previews.alpha
        mattes = self._mattes(session, values) if session is not None and self.engine.is_open(session) else []
        if session is None or not mattes:
            return self.previews.empty()
        photo, style = self.engine.scene(session).photo, self._style(values)
        composition = compose_mattes([matte for _, matte in mattes], style, LONGEST)
        after = composition.over_checkerboard() if style.background is None else composition.pixels()
        result = self._preview(after, "result", photo)
        before = composition.photo.pixels
        if after.shape != before.shape:
            before = fit_image(before, after.shape[:2], whole=True)
        return {
            cutout: result,
            compare: (self._preview(before, "before", photo), result),
            alpha: self.downloads.png(composition.alpha_uint8(), photo.name, "alpha"),
            self.previews.problem: "",
            self.previews.only_selected: gr.update(visible=len(session.objects) > 1),
            self.previews.reset_place: gr.update(visible=self.controls.style.is_placed(values)),
            **self.previews.buttons_update(True),
        }

    def _preview(self, pixels: np.ndarray, name: str, photo: Photo) -> str:
        return self.downloads.jpeg(pixels, photo.name, name, photo.icc_profile)

    def _style(self, values: Values) -> Style:
        return self.controls.style.style(values, self.engine.matting.max_pixels)

    def _mattes(self, session: Session, values: Values) -> list[tuple[SceneObject, Matte]]:
        """Return the objects that are shown, with their mattes; without those that have none."""
        style = self.controls.style
        chosen = guidance(values[style.touching]), values[style.best_edges]
        only_selected = values[self.controls.only_selected] and len(session.objects) > 1
        shown = (one for one in session.objects if (one.id == session.active if only_selected else one.visible))
        mattes = []
        for one in shown:
            if has_foreground(one.ops):
                with contextlib.suppress(PromptError):  # the canvas reports it, and the other objects stay
                    mattes.append((one, self.engine.matte(session, one.ops, *chosen)))
        return [(one, matte) for one, matte in mattes if isinstance(matte, Matte)]

    def _save_objects(self, mattes: list[tuple[SceneObject, Matte]], style: Style, name: str) -> str:
        """Return a cut-out and an alpha of each object in one archive, as layers in the photo's frame."""
        path = self.downloads.path(name, "_objects.zip")
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:  # PNGs are compressed already
            for one, matte in mattes:
                composition, part = compose_mattes([matte], style), f"_{one.id}_{one.name}"
                for options, ending in ((OutputOptions(), "_cutout.png"), (OutputOptions(alpha=True), "_alpha.png")):
                    archive.writestr(safe_name(name, part + ending), composition.encode("PNG", options))
        return str(path)
