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
from PIL import Image

from demo.downloads import Downloads, safe_name
from demo.engine import Engine
from demo.messages import EXPECTED_ERRORS, NO_TEXT_MODEL, UNEXPECTED, UNSURE, show_errors, visitor_error
from mam import MamError, Matte, Matting, NothingFound, PromptError, Scene
from mam.composite import downsample
from mam.image_files import SUFFIXES
from mam.writing import write_image

MAX_IMAGES = 100
_PREVIEW = 320  # pixels
_log = logging.getLogger(__name__)

Rule = Callable[[Scene, str], Matte | NothingFound]
"""What to cut out of a scene; the text is used by one of the rules."""


def cut_out_main_object(scene: Scene, text: str) -> Matte | NothingFound:
    """Cut out what is found without a prompt."""
    matte = scene.matte()
    if not matte:
        raise PromptError("no main object was found; choose another rule, or cut it out in the first tab.")
    return matte


def cut_out_middle(scene: Scene, text: str) -> Matte | NothingFound:
    """Cut out what is at the centre."""
    h, w = scene.photo.size
    return scene.matte(points=[(w / 2, h / 2)])


def cut_out_text(scene: Scene, text: str) -> Matte | NothingFound:
    """Cut out what a text describes."""
    return scene.matte(text=text)


MAIN_OBJECT, MIDDLE, TEXT = "The main object", "What is in the middle", "What I describe"
RULES: dict[str, Rule] = {MAIN_OBJECT: cut_out_main_object, MIDDLE: cut_out_middle, TEXT: cut_out_text}

CUTOUT, WHITE, ALPHA = "Cut-outs (PNG)", "On white (JPEG)", "Alphas (PNG)"
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

    def report(self) -> str:
        """Return Markdown: how many are done, what to check, and what failed and why."""
        lines = [f"**{self.finished} of {self.total}** done, {len(self.failed)} failed."]
        if self.unsure:
            lines.append(
                "Please check: " + ", ".join("`{}`".format(name.replace("`", "'")) for name in self.unsure) + "\n"
            )
        for name, reason in self.failed:
            lines.append("- `{}`: `{}`".format(name.replace("`", "'"), reason.replace("`", "'")))
        return "\n".join(lines)


def run_batch(
    matting: Matting, files: Sequence[str], rule: str, form: str, archive: Path, text: str = ""
) -> Iterator[Batch]:
    """Cut one object out of each file into a ZIP archive; a file that fails is listed and the others continue.

    Args:
        matting: The model.
        files: Paths, at most `MAX_IMAGES`.
        rule: A key of `RULES`.
        form: A key of `FORMS`.
        archive: The file to write.
        text: For the rule `TEXT`.

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
                scene = matting.open(Path(file))
                matte = RULES[rule](scene, text)
                if not matte:
                    raise MamError(str(matte))
                written = _write(matte, form, archive.parent / "one")
                bundle.write(written, _unused_name(scene.photo.name, FORMS[form], written.suffix, used))
                written.unlink()
                label = f"{name} ({scene.photo.note.removesuffix('.')})" if scene.photo.note else name
                if matte.score < UNSURE:
                    batch.unsure.append(name)
                batch.done.append((Image.fromarray(downsample(matte.over_checkerboard(), _PREVIEW)), label))
            except EXPECTED_ERRORS as error:
                batch.failed.append((name, str(error)))
            except Exception:  # a defect with one file must not cost the others
                _log.exception("batch: %s", name)
                batch.failed.append((name, f"could not be cut out, {UNEXPECTED}"))
            yield batch


def add_batch_tab(engine: Engine, downloads: Downloads) -> None:
    """Lay out the tab inside an open `gr.Blocks` and connect its events."""
    gr.Markdown(f"One rule for up to {MAX_IMAGES} images; files that fail are listed and the others continue.")
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            files = gr.File(
                file_count="multiple", file_types=sorted(SUFFIXES), label="Pictures", elem_id="batch_files", height=220
            )
            rule = gr.Radio(list(RULES), value=MAIN_OBJECT, label="Cut out", elem_id="batch_rule")
            text = gr.Textbox(label="Description", placeholder="the dog", visible=False, elem_id="batch_text")
            form = gr.Radio(list(FORMS), value=CUTOUT, label="As")
            with gr.Row():
                start = gr.Button("Start", variant="primary", elem_id="batch_start")
                stop = gr.Button("Stop", elem_id="batch_stop")
        with gr.Column(scale=3, min_width=320):
            report = gr.Markdown("", elem_id="batch_report")
            gallery = gr.Gallery(label="Results", format="png", columns=4, height=420, elem_id="batch_gallery")
            archive = gr.File(label="All results", elem_id="batch_zip")

    events = BatchEvents(engine, downloads)
    rule.input(lambda chosen: gr.update(visible=chosen == TEXT), rule, text, queue=False, api_visibility="private")
    start.click(
        events.run,
        [files, rule, text, form],
        [report, gallery, archive],
        api_visibility="private",
        concurrency_id="batch",
        concurrency_limit=1,
    )
    stop.click(events.stop, queue=False, api_visibility="private")


class BatchEvents:
    """Handlers of the tab's events."""

    def __init__(self, engine: Engine, downloads: Downloads) -> None:
        self.engine, self.downloads = engine, downloads
        self._running: set[str] = set()  # visitors
        self._stopping: set[str] = set()  # those of them who pressed Stop

    @show_errors
    def run(
        self,
        files: list[str] | None,
        rule: str,
        text: str,
        form: str,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - Gradio recognises this default
    ) -> Iterator[tuple[Any, Any, Any]]:
        """Yield a report, the previews and, at the end, the archive."""
        if rule == TEXT and not self.engine.has_text_model:
            raise visitor_error(NO_TEXT_MODEL, "No text model")
        if not files:
            raise visitor_error("Choose some images first.", "Nothing to do")
        archive, visitor = self.downloads.path("mattes", ".zip"), request.session_hash
        shown: list[tuple[str, str]] = []
        self._running.add(visitor)
        try:
            with contextlib.closing(run_batch(self.engine.matting, files, rule, form, archive, text)) as steps:
                for batch in steps:
                    progress((batch.finished, batch.total), unit="images")
                    # As files: images would be written again, while the browser reads them, with every report.
                    for image, label in batch.done[len(shown) :]:
                        shown.append((self.downloads.png(np.asarray(image), label, "preview"), label))
                    yield batch.report(), shown, None
                    if visitor in self._stopping:
                        break
        finally:
            self._running.discard(visitor)
            self._stopping.discard(visitor)
        yield batch.report(), gr.skip(), str(archive) if batch.done else None

    def stop(self, request: gr.Request) -> None:
        """End a visitor's batch after the current file."""
        if request.session_hash in self._running:
            self._stopping.add(request.session_hash)


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
