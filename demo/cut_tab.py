"""The main tab: the canvas, its answers, the result on a new background, and the downloads."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from demo import answers, results, views
from demo.prompter import Prompter
from demo.session import Session, parse_ops
from demo.studio import Studio
from demo.views import Look
from demo.words import NO_TEXT_MODEL, in_words
from mam import MamError

EXAMPLES = Path(__file__).parent / "examples"
GUIDANCE = {"One object": "alpha", "One of several": "mask"}
PRIVATE = {"api_visibility": "private", "show_progress": "hidden"}
# One answer uses all cores; a second one keeps them busy while the first is packed and sent.
MODEL = {**PRIVATE, "concurrency_id": "model", "concurrency_limit": 2}
RESULT = {**PRIVATE, "concurrency_id": "result", "concurrency_limit": 2}
_SAVE = "(file) => { if (file) { const a = document.createElement('a'); a.href = file.url; a.download = file.orig_name; a.click(); } }"


def add_cut_tab(studio: Studio) -> None:
    """Lay out the tab inside an open `gr.Blocks` and connect it."""

    def hover(message: dict[str, Any]) -> str | None:
        return answers.hover(studio, message)

    session = gr.State(None, time_to_live=3600)
    with gr.Row():
        with gr.Column(scale=3, min_width=340):
            canvas = Prompter(hover, elem_id="canvas", value=answers.nothing(studio))
            upload = gr.UploadButton("Open photo", file_types=["image"], visible="hidden", elem_id="upload")
            samples = sorted(path for path in EXAMPLES.iterdir() if path.suffix != ".json" and path.suffix != ".md")
            with gr.Row(elem_id="examples"):
                examples = gr.Dataset(
                    components=[gr.Image(type="filepath", visible=False)],
                    samples=[[str(path)] for path in samples],
                    type="index",
                    label="Or try one of these",
                )
            with gr.Row():
                guidance = gr.Radio(
                    list(GUIDANCE),
                    value="One object",
                    label="The object is",
                    elem_id="guidance",
                    info="'One of several' keeps to the mask where objects touch.",
                )
                words = gr.Textbox(
                    label="Words",
                    placeholder="the girl in the red sweater",
                    elem_id="words",
                    interactive=studio.reads_words,
                    info="Say what to cut out, then press Enter." if studio.reads_words else NO_TEXT_MODEL,
                    max_length=answers.MAX_WORDS,
                )
        with gr.Column(scale=2, min_width=320):
            with gr.Tab("Before / after"):
                compare = gr.ImageSlider(
                    label="Result", elem_id="compare", type="filepath", height=380, interactive=False
                )
            with gr.Tab("Cut-out"):
                cutout = gr.Image(
                    label="Cut-out",
                    elem_id="cutout",
                    type="filepath",
                    height=380,
                    interactive=False,
                    buttons=["fullscreen"],
                )
            with gr.Tab("Alpha"):
                alpha = gr.Image(
                    label="Alpha matte",
                    elem_id="alpha",
                    type="filepath",
                    height=380,
                    interactive=False,
                    buttons=["fullscreen"],
                )
            look = _look_controls()
            shown = gr.Radio(
                [results.ALL, results.SELECTED], value=results.ALL, label="What is shown and saved", elem_id="which"
            )
            with gr.Row():
                save = {
                    kind: gr.Button(label, interactive=False, elem_id=f"save_{kind}", size="sm", min_width=90)
                    for kind, label in results.DOWNLOADS.items()
                }
            problem = gr.Markdown(elem_id="problem")
            file = gr.File(visible="hidden", elem_id="file")

    drawn = [compare, cutout, alpha, problem, *save.values()]
    wanted = [session, guidance, shown, *look]

    def result(request: gr.Request, now: Session | None, grouping: str, which: str, *chosen: Any) -> list:
        latest = studio.turn(request.session_hash)
        made = results.pictures(studio, now, GUIDANCE[grouping], which, Look(*chosen))
        return made if latest() else [gr.skip()] * len(drawn)

    def opened(path: str | None, request: gr.Request):
        yield from answers.opened(studio, path, None, request.session_hash)

    def opened_example(index: int, request: gr.Request):
        prompts = json.loads((EXAMPLES / "prompts.json").read_text("utf-8"))
        yield from answers.opened(
            studio, str(samples[index]), parse_ops(prompts[samples[index].name]), request.session_hash
        )

    def prompted(request: gr.Request, now: Session | None, grouping: str, event: gr.EventData) -> tuple:
        return answers.prompted(studio, request.session_hash, now, GUIDANCE[grouping], event._data)

    def said(request: gr.Request, now: Session | None, text: str):
        yield from answers.found(studio, request.session_hash, now, text)

    def again() -> dict:  # the canvas asks once more, so that all answers come in one order
        return {"again": time.time()}

    def failed() -> dict:
        return {
            "failed": time.time(),
            "text": "That did not work, for a reason that the server's log tells. Try again, or another photo.",
        }

    last = {"trigger_mode": "always_last"}
    uploaded = upload.upload(opened, upload, [session, canvas], **last, **MODEL)
    uploaded.then(result, wanted, drawn, **last, **RESULT)
    tried = examples.click(opened_example, examples, [session, canvas], **last, **MODEL)
    answered = canvas.prompt(prompted, [session, guidance], [session, canvas], trigger_mode="multiple", **MODEL)
    answered.then(result, wanted, drawn, **last, **RESULT)
    sought = words.submit(said, [session, words], canvas, **last, **MODEL)
    for event in (uploaded, tried, answered, sought):
        event.failure(failed, None, canvas, **last, **PRIVATE)
    guidance.input(again, None, canvas, **last, **PRIVATE)
    for control in (shown, *look):
        moved = getattr(control, {gr.Slider: "release", gr.UploadButton: "upload"}.get(type(control), "input"))
        moved(result, wanted, drawn, trigger_mode="always_last", **RESULT)

    for kind, button in save.items():

        @_in_words
        def make(now: Session | None, grouping: str, which: str, *chosen: Any, kind: str = kind) -> str:
            return results.download(studio, kind, now, GUIDANCE[grouping], which, Look(*chosen))

        button.click(make, wanted, file, **RESULT).success(None, file, None, js=_SAVE, api_visibility="private")


def _look_controls() -> list[gr.components.Component]:
    """The controls of a `Look`, in the order of its fields; those that a background does not need are hidden."""
    kinds = [views.TRANSPARENT, views.COLOUR, views.GRADIENT, views.BLUR, views.PICTURE, views.OWN]
    kind = gr.Radio(kinds, value=views.TRANSPARENT, label="Background", elem_id="kind")
    with gr.Row():
        colour = gr.ColorPicker("#20a0ff", label="Colour", visible=False)
        second = gr.ColorPicker("#f5f5f5", label="Lower colour", visible=False)
    strength = gr.Slider(2, 60, 20, step=1, label="Blur", visible=False)
    names = views.shipped_backgrounds()
    shipped = gr.Radio(names, value=names[0], label="Picture", visible=False)
    own = gr.UploadButton("Choose your picture", file_types=["image"], visible=False, elem_id="own", size="sm")
    whole = gr.Checkbox(False, label="Show all of it (fit) instead of filling the frame", visible=False)
    with gr.Row():
        x = gr.Slider(0, 100, 50, step=1, label="Left - right", visible=False, min_width=120)
        y = gr.Slider(0, 100, 50, step=1, label="Up - down", visible=False, min_width=120)
    with gr.Accordion("Edges and shadow", open=False):
        softness = gr.Slider(-100, 100, 0, step=5, label="Harder - softer", elem_id="softness")
        grow = gr.Slider(-5, 5, 0, step=0.5, label="Shrink - grow", elem_id="grow")
        clean = gr.Checkbox(True, label="Clean colours: remove the old background from soft edges", elem_id="clean")
        shadow = gr.Slider(0, 100, 0, step=5, label="Shadow", elem_id="shadow")

    def needed(chosen: str) -> list:
        pictured = chosen in (views.PICTURE, views.OWN)
        shown = [
            chosen in (views.COLOUR, views.GRADIENT),
            chosen == views.GRADIENT,
            chosen == views.BLUR,
            chosen == views.PICTURE,
            chosen == views.OWN,
            pictured,
            pictured,
            pictured,
        ]
        return [gr.update(visible=visible) for visible in shown]

    kind.input(needed, kind, [colour, second, strength, shipped, own, whole, x, y], queue=False, **PRIVATE)
    return [kind, colour, second, strength, shipped, own, whole, x, y, shadow, softness, grow, clean]


def _in_words(handler: Callable) -> Callable:
    """Show our own errors to the visitor instead of a generic failure."""

    @functools.wraps(handler)
    def wrapped(*args, **kwargs):
        try:
            return handler(*args, **kwargs)
        except (MamError, FileNotFoundError) as error:
            raise gr.Error(in_words(error), title="That did not work") from error

    return wrapped
