"""The tab for many images: one rule for all, progress and failures as they occur, the results in one archive."""

from __future__ import annotations

import contextlib
import logging
import unicodedata
import zipfile
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.blocks import Block
from gradio.components import Component
from PIL import Image

from demo.canvas.protocol import LIMITS
from demo.downloads import Downloads, safe_name
from demo.engine import Engine
from demo.events import PRIVATE
from demo.limits import visitor_of
from demo.messages import EXPECTED_ERRORS, describe, show_errors, visitor_error
from demo.tabs.style import WHITE, StyleControls
from demo.texts import ENGLISH, Texts, label
from mam import MamError, Matte, Matting, NothingFound, OutputOptions, Scene, Style
from mam.images import Photo
from mam.images.decode import SUFFIXES
from mam.images.encode import write_image
from mam.images.resize import downsample
from mam.serve.decoding import read_photo

MAX_IMAGES = 100
_UNSURE = 0.7  # score of a box found by a text, below which its photo is listed
_PREVIEW = 320  # pixels
_log = logging.getLogger(__name__)

Rule = Callable[[Scene, str], tuple[Matte | NothingFound, float]]
"""Cuts something out of a scene; the text is used by one of the rules. The number is the confidence in what it is."""


def cut_out_main_object(scene: Scene, text: str) -> tuple[Matte | NothingFound, float]:
    """Cut out what is found without a prompt."""
    return scene.matte(), 1.0


def cut_out_middle(scene: Scene, text: str) -> tuple[Matte | NothingFound, float]:
    """Cut out what is at the centre."""
    h, w = scene.photo.size
    return scene.matte(points=[(w / 2, h / 2)]), 1.0


def cut_out_text(scene: Scene, text: str) -> tuple[Matte | NothingFound, float]:
    """Cut out what a text describes; the embedded words give a probability, which is low for a bear called a cat."""
    found = scene.find(text)
    if not found:
        return NothingFound(found.best_score, found.text), 0.0
    return scene.matte(box=found[0].box), 1.0 if found[0].point is None else found[0].score


MAIN_OBJECT, MIDDLE, TEXT = "rule_main", "rule_middle", "rule_text"
_NOTHING = {MAIN_OBJECT: "batch_nothing_main", MIDDLE: "batch_nothing_middle", TEXT: "batch_nothing_text"}
RULES: dict[str, Rule] = {MAIN_OBJECT: cut_out_main_object, MIDDLE: cut_out_middle, TEXT: cut_out_text}

CUTOUT, FINISHED, ALPHA = "form_cutout", "form_finished", "form_alpha"
FORMS = {CUTOUT: "cutout", FINISHED: "result", ALPHA: "alpha"}  # and how file names end
# The photo goes the same way as one that is chosen on the canvas, so that the page keeps it.
_OPEN_IN_FIRST_TAB = """async (number, files) => {
  if (number == null) return;
  const file = files[number], content = await (await fetch(file.url)).blob();
  document.querySelector('[role=tab]').click();
  const photo = new File([content], file.orig_name, { type: content.type });
  document.querySelector('#canvas .stage').dispatchEvent(new CustomEvent('photo', { detail: photo }));
}"""


@dataclass
class Batch:
    """Progress so far: pairs (preview, name) of what is done, and (name, reason) of what failed.

    Attributes:
        unsure: Names of finished photos that need checking.
        attention: Pairs (name, number) of the unsure and the failed files.
    """

    total: int
    done: list[tuple[Image.Image, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)
    attention: list[tuple[str, int]] = field(default_factory=list)

    @property
    def finished(self) -> int:
        """How many files are done or failed."""
        return len(self.done) + len(self.failed)

    def report(self, texts: Texts = ENGLISH) -> str:
        """Return Markdown: how many are done, what to check, and what failed and why."""
        lines = [f"**{texts('batch_done', done=len(self.done), total=self.total)}**"]
        if self.unsure:
            names = ", ".join(map(_quote, self.unsure))
            lines.append(f"{texts('batch_check')} {names}")
        if self.failed:
            lines.append(texts("batch_failed", failed=len(self.failed)))
        failures = [f"- {_quote(name)}: {_quote(reason)}" for name, reason in self.failed]
        return "\n\n".join([*lines, "\n".join(failures)]).strip()


def run_batch(
    matting: Matting,
    files: Sequence[str],
    rule: str,
    form: str,
    archive: Path,
    text: str = "",
    texts: Texts = ENGLISH,
    style: Style = Style("white"),  # noqa: B008 - it is frozen
    hold: Callable[[Photo], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext,
) -> Generator[Batch]:
    """Cut one object out of each file into a ZIP archive; a file that fails is listed and the others continue.

    Args:
        matting: The model.
        files: Paths, at most `MAX_IMAGES`.
        rule: A key of `RULES`.
        form: A key of `FORMS`.
        archive: The file to write.
        text: For the rule `TEXT`.
        texts: In the visitor's language.
        style: For the form `FINISHED`.
        hold: Returns what to hold while a photo is cut out.

    Yields:
        The same batch, after each file.

    Raises:
        MamError: Too many files, or an unknown rule or form.
    """
    if len(files) > MAX_IMAGES:
        raise MamError(f"{len(files)} images; at most {MAX_IMAGES} at once.")
    if rule not in RULES:
        raise MamError(f"no rule {rule!r}; expected one of {', '.join(RULES)}.")
    if form not in FORMS:
        raise MamError(f"no form {form!r}; expected one of {', '.join(FORMS)}.")
    batch, used = Batch(len(files)), set[str]()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as bundle:  # images are compressed already
        for number, file in enumerate(files):
            name = Path(file).name
            try:
                photo = read_photo(file, matting.max_pixels)
                with hold(photo):
                    scene = matting.open(photo)
                    matte, confidence = RULES[rule](scene, text)
                if isinstance(matte, NothingFound):
                    raise MamError(texts(_NOTHING[rule], text=text.strip()))
                content, suffix, shown = _encode(matte, form, style)
                bundle.writestr(_unused_name(scene.photo.name, FORMS[form], suffix, used), content)
                label = f"{name} ({scene.photo.note.removesuffix('.')})" if scene.photo.note else name
                if matte.segment.is_doubtful or confidence < _UNSURE:
                    batch.unsure.append(name)
                    batch.attention.append((name, number))
                batch.done.append((Image.fromarray(downsample(shown, _PREVIEW)), label))
            except EXPECTED_ERRORS as error:
                batch.failed.append((name, describe(error, texts)))
                batch.attention.append((name, number))
            except Exception:  # a defect with one file must not cost the others
                _log.exception("batch: %s", name)
                batch.failed.append((name, texts("batch_unexpected")))
            yield batch


def add_batch_tab(engine: Engine, downloads: Downloads) -> BatchControls:
    """Lay out the tab inside an open `gr.Blocks` and connect its events."""
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            files = gr.File(
                file_count="multiple",
                file_types=sorted(SUFFIXES),
                label=label("photos"),
                elem_id="batch_files",
                height=200,
            )
            rules = ENGLISH.choices(available_rules(engine))
            rule = gr.Radio(rules, value=MAIN_OBJECT, label=label("rule"), elem_id="batch_rule")
            text = gr.Textbox(
                label=label("description"),
                placeholder=label("describe_hint"),
                visible=False,
                max_lines=1,
                max_length=LIMITS.text_length,
                elem_id="batch_text",
            )
            form = gr.Radio(ENGLISH.choices(FORMS), value=CUTOUT, label=label("save_as"), elem_id="batch_form")
            with gr.Tabs(visible=False) as styles:
                style = StyleControls("batch_", WHITE)
            with gr.Row():
                start = gr.Button(label("begin"), variant="primary", elem_id="batch_start")
                stop = gr.Button(label("stop"), elem_id="batch_stop")
        with gr.Column(scale=3, min_width=320):
            report = gr.Markdown(label("batch_introduction"), elem_id="batch_report")
            again = gr.Dropdown(label=label("open_in_first_tab"), elem_id="batch_again", visible=False)
            archive = gr.File(label=label("all_results"), elem_id="batch_zip", visible=False)
            gallery = gr.Gallery(
                label=label("results"),
                format="png",
                columns=4,
                height="auto",
                elem_id="batch_gallery",
                visible=False,
            )

    events = BatchEvents(engine, downloads, BatchControls(engine, files, rule, text, form, style))
    rule.input(lambda chosen: gr.update(visible=chosen == TEXT), rule, text, queue=False, **PRIVATE)
    form.input(lambda chosen: gr.update(visible=chosen == FINISHED), form, styles, queue=False, **PRIVATE)
    again.input(None, [again, files], None, js=_OPEN_IN_FIRST_TAB, api_visibility="private")
    outputs = [report, gallery, archive, again]
    begun = start.click(events.begin, events.controls.all, outputs, api_visibility="private", concurrency_limit=None)
    begun.success(
        events.run,
        events.controls.all,
        outputs,
        api_visibility="private",
        concurrency_id="batch",
        concurrency_limit=1,
    )
    stop.click(events.stop, queue=False, api_visibility="private")
    return events.controls


def available_rules(engine: Engine) -> list[str]:
    """Return the keys of the rules that the engine can follow."""
    return [MAIN_OBJECT, MIDDLE, *([TEXT] if engine.can_find else [])]


@dataclass(frozen=True)
class BatchControls:
    """The controls of the tab; handlers get a dict of their values."""

    engine: Engine
    files: gr.File
    rule: gr.Radio
    text: gr.Textbox
    form: gr.Radio
    style: StyleControls

    @property
    def all(self) -> set[Block]:
        """The inputs of a handler."""
        return {self.files, self.rule, self.text, self.form, *self.style.all}

    def choices(self, texts: Texts) -> dict[Component, Any]:
        """Return updates with the choices in a visitor's language, which Gradio does not translate."""
        keys = {self.rule: available_rules(self.engine), self.form: FORMS}
        return {
            **{control: gr.update(choices=texts.choices(keys[control])) for control in keys},
            **self.style.choices(texts),
        }


class BatchEvents:
    """Handlers of the tab's events."""

    def __init__(self, engine: Engine, downloads: Downloads, controls: BatchControls) -> None:
        self.engine, self.downloads, self.controls = engine, downloads, controls
        self._begun: set[str] = set()  # visitors with photos that wait or are worked on
        self._stopping: set[str] = set()  # those of them who pressed Stop

    @show_errors
    def begin(self, values: dict, request: gr.Request) -> tuple[Any, ...]:
        """Show that the photos wait: those of other visitors may come first."""
        texts, files, text = Texts.of(request), values[self.controls.files], values[self.controls.text]
        if values[self.controls.rule] == TEXT:
            if not self.engine.can_find:
                raise visitor_error(texts("no_text_model"), texts)
            if not text.strip():
                raise visitor_error(texts("describe_first"), texts)
            self.engine.matting.grounding().read(text)  # an unknown word is reported once, not for each photo
        if not files:
            raise visitor_error(texts("choose_photos"), texts)
        if visitor_of(request) in self._begun:  # Gradio would drop the second run
            raise visitor_error(texts("batch_begun"), texts)
        self._begun.add(visitor_of(request))
        hidden = gr.update(visible=False)
        return texts("batch_done", done=0, total=len(files)), hidden, hidden, gr.update(visible=False, value=None)

    @show_errors
    def run(
        self,
        values: dict,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - Gradio recognises this default
    ) -> Iterator[tuple[Any, ...]]:
        """Yield a report, the previews and, at the end, the archive and the photos to look at again."""
        archive, visitor, texts = self.downloads.path("mattes", ".zip"), visitor_of(request), Texts.of(request)
        files, rule, text, form = (
            values[control]
            for control in (self.controls.files, self.controls.rule, self.controls.text, self.controls.form)
        )
        shown: list[tuple[str, str]] = []
        batch = Batch(len(files))
        self._begun.add(visitor)  # an earlier batch of the same visitor may have removed it
        try:
            style = self.controls.style.style(values, self.engine.matting.max_pixels)
            steps = run_batch(
                self.engine.matting_of(visitor), files, rule, form, archive, text, texts, style, self.engine.cutting
            )
            with contextlib.closing(steps):
                while visitor not in self._stopping and (finished := next(steps, None)) is not None:
                    batch = finished
                    progress((batch.finished, batch.total), unit="")
                    # As files: images would be written again, while the browser reads them, with every report.
                    for image, name in batch.done[len(shown) :]:
                        # In the archive's folder, which every photo renews: a long batch keeps its previews.
                        path = archive.parent / f"preview_{len(shown)}.png"
                        shown.append((str(write_image(np.asarray(image), path)), name))
                    yield (
                        batch.report(texts),
                        gr.update(value=shown, visible=bool(shown)),
                        gr.skip(),
                        gr.update(choices=batch.attention, visible=bool(batch.attention)),
                    )
        finally:
            self._begun.discard(visitor)
            self._stopping.discard(visitor)
        made = gr.update(value=str(archive), visible=True) if batch.done else gr.update(visible=False)
        yield batch.report(texts), gr.skip(), made, gr.skip()

    def stop(self, request: gr.Request) -> None:
        """End a visitor's batch after the current file, or before it has started."""
        if visitor_of(request) in self._begun:
            self._stopping.add(visitor_of(request))


def _quote(text: str) -> str:
    """Return a text as Markdown's code, so that nothing in it is formatted."""
    return "`{}`".format(text.replace("`", "'"))


def _encode(matte: Matte, form: str, style: Style) -> tuple[bytes, str, np.ndarray]:
    """Return the content and the suffix of the file of one form, and pixels for a preview."""
    composition = matte.composition(style if form == FINISHED else None)
    has_background = composition.style.background is not None
    file_format, suffix = ("JPEG", ".jpg") if has_background else ("PNG", ".png")
    content = composition.encode(file_format, OutputOptions(alpha=form not in (FINISHED, CUTOUT)))
    return content, suffix, composition.pixels() if has_background else composition.over_checkerboard()


def _unused_name(name: str, part: str, suffix: str, used: set[str]) -> str:
    """Return a file name that no other one equals, also where case or the form of Unicode do not count."""
    number, free = 1, safe_name(name, f"_{part}{suffix}")
    while unicodedata.normalize("NFC", free).casefold() in used:
        number += 1
        free = safe_name(name, f"_{part}_{number}{suffix}")
    used.add(unicodedata.normalize("NFC", free).casefold())
    return free
