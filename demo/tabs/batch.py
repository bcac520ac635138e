"""The tab for many images: one rule for all, progress and failures as they occur, the results in one archive."""

from __future__ import annotations

import contextlib
import logging
import unicodedata
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.components import Component
from PIL import Image

from demo.canvas.protocol import LIMITS
from demo.downloads import Downloads, safe_name
from demo.engine import Engine, read_photo
from demo.messages import EXPECTED_ERRORS, UNSURE, describe, show_errors, visitor_error
from demo.texts import ENGLISH, Texts, label
from mam import MamError, Matte, Matting, NothingFound, Scene
from mam.images.decode import SUFFIXES
from mam.images.encode import write_image
from mam.images.resize import downsample

MAX_IMAGES = 100
_PREVIEW = 320  # pixels
_log = logging.getLogger(__name__)

Rule = Callable[[Scene, str], Matte | NothingFound]
"""What to cut out of a scene; the text is used by one of the rules."""


def cut_out_main_object(scene: Scene, text: str) -> Matte | NothingFound:
    """Cut out what is found without a prompt."""
    return scene.matte()


def cut_out_middle(scene: Scene, text: str) -> Matte | NothingFound:
    """Cut out what is at the centre."""
    h, w = scene.photo.size
    return scene.matte(points=[(w / 2, h / 2)])


def cut_out_text(scene: Scene, text: str) -> Matte | NothingFound:
    """Cut out what a text describes."""
    return scene.matte(text=text)


MAIN_OBJECT, MIDDLE, TEXT = "rule_main", "rule_middle", "rule_text"
_NOTHING = {MAIN_OBJECT: "batch_nothing_main", MIDDLE: "batch_nothing_middle", TEXT: "text_not_found"}
RULES: dict[str, Rule] = {MAIN_OBJECT: cut_out_main_object, MIDDLE: cut_out_middle, TEXT: cut_out_text}

CUTOUT, WHITE, ALPHA = "form_cutout", "form_white", "form_alpha"
FORMS = {CUTOUT: "cutout", WHITE: "on", ALPHA: "alpha"}  # and how file names end


@dataclass
class Batch:
    """Progress so far: pairs (preview, name) of what is done, and (name, reason) of what failed.

    Attributes:
        unsure: Names of those of the done ones that should be looked at.
    """

    total: int
    done: list[tuple[Image.Image, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)

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
) -> Iterator[Batch]:
    """Cut one object out of each file into a ZIP archive; a file that fails is listed and the others continue.

    Args:
        matting: The model.
        files: Paths, at most `MAX_IMAGES`.
        rule: A key of `RULES`.
        form: A key of `FORMS`.
        archive: The file to write.
        text: For the rule `TEXT`.
        texts: In the visitor's language.

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
    batch, used = Batch(len(files)), set()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as bundle:  # images are compressed already
        for file in files:
            name = Path(file).name
            try:
                scene = matting.open(read_photo(file, matting.max_pixels))
                matte = RULES[rule](scene, text)
                if not matte:
                    raise MamError(texts(_NOTHING[rule], text=text.strip()))
                written = _write(matte, form, archive.parent / "one")
                bundle.write(written, _unused_name(scene.photo.name, FORMS[form], written.suffix, used))
                written.unlink()
                label = f"{name} ({scene.photo.note.removesuffix('.')})" if scene.photo.note else name
                if matte.score < UNSURE:
                    batch.unsure.append(name)
                batch.done.append((Image.fromarray(downsample(matte.over_checkerboard(), _PREVIEW)), label))
            except EXPECTED_ERRORS as error:
                batch.failed.append((name, describe(error, texts)))
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
            with gr.Row():
                start = gr.Button(label("begin"), variant="primary", elem_id="batch_start")
                stop = gr.Button(label("stop"), elem_id="batch_stop")
        with gr.Column(scale=3, min_width=320):
            report = gr.Markdown(label("batch_introduction"), elem_id="batch_report")
            archive = gr.File(label=label("all_results"), elem_id="batch_zip", visible=False)
            gallery = gr.Gallery(
                label=label("results"),
                format="png",
                columns=4,
                height="auto",
                elem_id="batch_gallery",
                visible=False,
            )

    events = BatchEvents(engine, downloads)
    rule.input(lambda chosen: gr.update(visible=chosen == TEXT), rule, text, queue=False, api_visibility="private")
    outputs = [report, gallery, archive]
    begun = start.click(events.begin, [files, rule, text], outputs, api_visibility="private", concurrency_limit=None)
    begun.success(
        events.run,
        [files, rule, text, form],
        outputs,
        api_visibility="private",
        concurrency_id="batch",
        concurrency_limit=1,
    )
    stop.click(events.stop, queue=False, api_visibility="private")
    return BatchControls(engine, rule, form)


def available_rules(engine: Engine) -> list[str]:
    """Return the keys of the rules that the engine can follow."""
    return [MAIN_OBJECT, MIDDLE, *([TEXT] if engine.can_find else [])]


@dataclass(frozen=True)
class BatchControls:
    """The controls with choices, which Gradio does not translate."""

    engine: Engine
    rule: gr.Radio
    form: gr.Radio

    def choices(self, texts: Texts) -> dict[Component, Any]:
        """Return updates with the choices in a visitor's language."""
        keys = {self.rule: available_rules(self.engine), self.form: [key for _, key in self.form.choices]}
        return {control: gr.update(choices=texts.choices(keys[control])) for control in keys}


class BatchEvents:
    """Handlers of the tab's events."""

    def __init__(self, engine: Engine, downloads: Downloads) -> None:
        self.engine, self.downloads = engine, downloads
        self._begun: set[str] = set()  # visitors with photos that wait or are worked on
        self._stopping: set[str] = set()  # those of them who pressed Stop

    @show_errors
    def begin(self, files: list[str] | None, rule: str, text: str, request: gr.Request) -> tuple[Any, Any, Any]:
        """Show that the photos wait: those of other visitors may come first."""
        texts = Texts.of(request)
        if rule == TEXT and not self.engine.can_find:
            raise visitor_error(texts("no_text_model"), texts)
        if rule == TEXT and not text.strip():
            raise visitor_error(texts("describe_first"), texts)
        if not files:
            raise visitor_error(texts("choose_photos"), texts)
        if rule == TEXT:
            self.engine.matting.grounding().read(text)  # an unknown word is reported once, not for each photo
        if request.session_hash in self._begun:  # Gradio would drop the second run
            raise visitor_error(texts("batch_begun"), texts)
        self._begun.add(request.session_hash)
        return texts("batch_done", done=0, total=len(files)), gr.update(visible=False), gr.update(visible=False)

    @show_errors
    def run(
        self,
        files: list[str],
        rule: str,
        text: str,
        form: str,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - Gradio recognises this default
    ) -> Iterator[tuple[Any, Any, Any]]:
        """Yield a report, the previews and, at the end, the archive."""
        archive, visitor, texts = self.downloads.path("mattes", ".zip"), request.session_hash, Texts.of(request)
        shown: list[tuple[str, str]] = []
        batch = Batch(len(files))
        self._begun.add(visitor)  # an earlier batch of the same visitor may have removed it
        try:
            steps = run_batch(self.engine.matting, files, rule, form, archive, text, texts)
            with contextlib.closing(steps):
                while visitor not in self._stopping and (finished := next(steps, None)) is not None:
                    batch = finished
                    progress((batch.finished, batch.total), unit="")
                    # As files: images would be written again, while the browser reads them, with every report.
                    for image, name in batch.done[len(shown) :]:
                        # In the archive's folder, which every photo renews: a long batch keeps its previews.
                        path = archive.parent / f"preview_{len(shown)}.png"
                        shown.append((str(write_image(np.asarray(image), path)), name))
                    yield batch.report(texts), gr.update(value=shown, visible=bool(shown)), gr.skip()
        finally:
            self._begun.discard(visitor)
            self._stopping.discard(visitor)
        made = gr.update(value=str(archive), visible=True) if batch.done else gr.update(visible=False)
        yield batch.report(texts), gr.skip(), made

    def stop(self, request: gr.Request) -> None:
        """End a visitor's batch after the current file, or before it has started."""
        if request.session_hash in self._begun:
            self._stopping.add(request.session_hash)


def _quote(text: str) -> str:
    """Return a text as Markdown's code, so that nothing in it is formatted."""
    return "`{}`".format(text.replace("`", "'"))


def _write(matte: Matte, form: str, path: Path) -> Path:
    profile = matte.photo.icc_profile
    if form == CUTOUT:
        return write_image(matte.cutout(), path.with_suffix(".png"), profile)
    if form == WHITE:
        return write_image(matte.over("white"), path.with_suffix(".jpg"), profile)
    return write_image(matte.alpha_uint8(), path.with_suffix(".png"))


def _unused_name(name: str, part: str, suffix: str, used: set[str]) -> str:
    """Return a file name that no other one equals, also where case or the form of Unicode do not count."""
    number, free = 1, safe_name(name, f"_{part}{suffix}")
    while unicodedata.normalize("NFC", free).casefold() in used:
        number += 1
        free = safe_name(name, f"_{part}_{number}{suffix}")
    used.add(unicodedata.normalize("NFC", free).casefold())
    return free
