"""The main tab: the canvas, its answers, the result on a new background, and the downloads."""

from __future__ import annotations

import functools
import json
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from demo import replies, views
from demo.prompter import Prompter
from demo.session import Item, Op, Session, parse, parse_ops, ready
from demo.studio import Studio
from demo.views import Layers, Look
from demo.words import NO_TEXT_MODEL
from mam import Matte, MamError, PromptError

EXAMPLES = Path(__file__).parent / "examples"
GUIDANCE = {"One object": "alpha", "One of several": "mask"}
ALL, SELECTED = "All visible objects", "The selected object"
PRIVATE = {"api_visibility": "private", "show_progress": "hidden"}
# One answer uses all cores; a second one keeps them busy while the first is packed and sent.
MODEL = {**PRIVATE, "concurrency_id": "model", "concurrency_limit": 2}
RESULT = {**PRIVATE, "concurrency_id": "result", "concurrency_limit": 2}
_SAVE = "(file) => { if (file) { const a = document.createElement('a'); a.href = file.url; a.download = file.orig_name; a.click(); } }"


def add_cut_tab(studio: Studio) -> None:
    """Lay out the tab inside an open `gr.Blocks` and connect it."""
    def hover(message: dict[str, Any]) -> str | None:
        return _hover(studio, message)

    session = gr.State(None, time_to_live=3600)
    with gr.Row():
        with gr.Column(scale=3, min_width=340):
            canvas = Prompter(hover, elem_id="canvas", value=_nothing(studio))
            upload = gr.UploadButton("Open photo", file_types=["image"], visible="hidden", elem_id="upload")
            samples = sorted(path for path in EXAMPLES.iterdir() if path.suffix != ".json" and path.suffix != ".md")
            with gr.Row(elem_id="examples"):
                examples = gr.Dataset(
                    components=[gr.Image(type="filepath", visible=False)], samples=[[str(path)] for path in samples],
                    type="index", label="Or try one of these",
                )
            with gr.Row():
                guidance = gr.Radio(
                    list(GUIDANCE), value="One object", label="The object is", elem_id="guidance",
                    info="'One of several' keeps to the mask where objects touch.",
                )
                gr.Textbox(label="Words", placeholder="the girl in the red sweater", interactive=False, info=NO_TEXT_MODEL)
        with gr.Column(scale=2, min_width=320):
            with gr.Tab("Before / after"):
                compare = gr.ImageSlider(label="Result", elem_id="compare", type="filepath", height=380, interactive=False)
            with gr.Tab("Cut-out"):
                cutout = gr.Image(label="Cut-out", elem_id="cutout", type="filepath", height=380, interactive=False, buttons=["fullscreen"])
            with gr.Tab("Alpha"):
                alpha = gr.Image(label="Alpha matte", elem_id="alpha", type="filepath", height=380, interactive=False, buttons=["fullscreen"])
            look = _look_controls()
            shown = gr.Radio([ALL, SELECTED], value=ALL, label="What is shown and saved", elem_id="which")
            with gr.Row():
                save = {
                    kind: gr.Button(label, interactive=False, elem_id=f"save_{kind}", size="sm", min_width=90)
                    for kind, label in _DOWNLOADS.items()
                }
            problem = gr.Markdown(elem_id="problem")
            file = gr.File(visible="hidden", elem_id="file")

    results = [compare, cutout, alpha, problem, *save.values()]
    wanted = [session, guidance, shown, *look]

    def result(request: gr.Request, now: Session | None, grouping: str, which: str, *chosen: Any) -> list:
        latest = studio.turn(request.session_hash)
        made = _result(studio, now, GUIDANCE[grouping], which, Look(*chosen))
        return made if latest() else [gr.skip()] * len(results)

    def opened(path: str | None, request: gr.Request):
        yield from _opened(studio, path, None, request.session_hash)

    def opened_example(index: int, request: gr.Request):
        prompts = json.loads((EXAMPLES / "prompts.json").read_text("utf-8"))
        yield from _opened(studio, str(samples[index]), parse_ops(prompts[samples[index].name]), request.session_hash)

    def prompted(request: gr.Request, now: Session | None, grouping: str, event: gr.EventData) -> tuple:
        return _prompted(studio, request.session_hash, now, GUIDANCE[grouping], event._data)

    def again() -> dict:  # the canvas asks once more, so that all answers come in one order
        return {"again": time.time()}

    def failed() -> dict:
        return {"failed": time.time(), "text": "That did not work, for a reason that the server's log tells. Try again, or another photo."}

    last = {"trigger_mode": "always_last"}
    uploaded = upload.upload(opened, upload, [session, canvas], **last, **MODEL)
    uploaded.then(result, wanted, results, **last, **RESULT)
    tried = examples.click(opened_example, examples, [session, canvas], **last, **MODEL)
    answered = canvas.prompt(prompted, [session, guidance], [session, canvas], trigger_mode="multiple", **MODEL)
    answered.then(result, wanted, results, **last, **RESULT)
    for event in (uploaded, tried, answered):
        event.failure(failed, None, canvas, **last, **PRIVATE)
    guidance.input(again, None, canvas, **last, **PRIVATE)
    for control in (shown, *look):
        moved = getattr(control, {gr.Slider: "release", gr.UploadButton: "upload"}.get(type(control), "input"))
        moved(result, wanted, results, trigger_mode="always_last", **RESULT)

    for kind, button in save.items():

        @_in_words
        def make(now: Session | None, grouping: str, which: str, *chosen: Any, kind: str = kind) -> str:
            return _file(studio, kind, now, GUIDANCE[grouping], which, Look(*chosen))

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
            chosen in (views.COLOUR, views.GRADIENT), chosen == views.GRADIENT, chosen == views.BLUR,
            chosen == views.PICTURE, chosen == views.OWN, pictured, pictured, pictured,
        ]
        return [gr.update(visible=visible) for visible in shown]

    kind.input(needed, kind, [colour, second, strength, shipped, own, whole, x, y], queue=False, **PRIVATE)
    return [kind, colour, second, strength, shipped, own, whole, x, y, shadow, softness, grow, clean]


# What the canvas is told --------------------------------------------------------------------------------------------


def _hover(studio: Studio, message: dict[str, Any]) -> str | None:
    """A picture of what a click would give; None if that cannot be said at once."""
    try:
        ops = parse_ops(message.get("ops"))
        (click,) = parse_ops([{"kind": "point", "xy": [message.get("x"), message.get("y")], "label": message.get("label")}])
        found = studio.glimpse(str(message.get("token")), ops, click)
    except (AttributeError, MamError):
        return None  # nothing that a canvas asks; a preview needs no words
    return replies.mask(found) if found is not None and found.mask.any() else None


def _nothing(studio: Studio, text: str = "Open a photo, or try an example.", error: bool = False) -> dict:
    return {"picture": None, "text": text, "error": error, "status": _status(studio)}


def _opened(studio: Studio, path: str | None, ops: tuple[Op, ...] | None, visitor: str):
    """Yields (session, reply) twice: that a picture is being read, and that it is there, with prompts if it has some."""
    if path is None:
        yield None, _nothing(studio)
        return
    yield gr.skip(), {"busy": f"Encoding {Path(path).name} …"}
    start = time.perf_counter()
    try:
        session = studio.open(path, visitor)
        shown = replies.picture(studio, session)
    except (MamError, FileNotFoundError) as error:
        yield None, _nothing(studio, str(error), error=True)
        return
    reply = {
        "token": session.token,
        "picture": shown,
        "text": "Drag a box around the object, or click on it.",
        "status": _status(studio, encode=time.perf_counter() - start),
    }
    if ops is not None:
        session = replace(session, items=(Item(1, session.name.capitalize(), ops),))
        reply["document"] = {"items": [item.to_message() for item in session.items], "active": 1}
    yield session, reply


def _prompted(
    studio: Studio, visitor: str, session: Session | None, guidance: str, message: dict[str, Any]
) -> tuple[Session | None, dict]:
    """The session with what the visitor has drawn, and the answers; nothing if they have opened another photo meanwhile."""
    current = studio.current(visitor)
    if session is None or not isinstance(message, dict) or not current == session.token == message.get("token"):
        if current is not None:
            return gr.skip(), gr.skip()
        return None, _nothing(studio, "This photo has expired here; please open it again.", error=True)
    try:
        items, active = parse(message)
    except PromptError as error:
        reply = {"token": session.token, "turn": message.get("turn"), "answers": {}, "text": str(error), "error": True}
        return session, reply
    session = replace(session, items=items, active=active)
    reply = _answered(studio, session, guidance, message)
    return (session, reply) if studio.current(visitor) == session.token else (gr.skip(), gr.skip())


def _answered(studio: Studio, session: Session, guidance: str, message: dict[str, Any]) -> dict:
    """The reply to a session: a matte for each object that can be seen; words about the active one."""
    start = time.perf_counter()
    known = message.get("have")
    known = set(map(str, known)) if isinstance(known, list) else set()
    answers, text, failed = {}, "Drag a box around the object, or click on it.", False
    for item in session.items:
        about = item.id == session.active
        if not ready(item.ops):
            if item.ops and about:
                text = "That says what does not belong; now click on something that does."
            continue
        if not (item.visible or about):
            continue
        try:
            matte = studio.matte(session, item.ops, guidance)
        except (MamError, FileNotFoundError) as error:
            words, bad = _words(error), True
        else:
            words, bad = (f"{item.name}: {matte}.", True) if not matte else (_found(item, matte), False)
            if matte:
                key = f"{session.token}:{hash((item.ops, guidance)):x}"
                answers[str(item.id)] = replies.answer(matte, key, key in known, about)
        if about:
            text, failed = words, bad
    return {
        "token": session.token,
        "turn": message.get("turn"),
        "answers": answers,
        "text": text,
        "error": failed,
        "status": _status(studio, answer=time.perf_counter() - start),
    }


def _found(item: Item, matte: Matte) -> str:
    return f"{item.name} found (predicted quality {matte.score:.2f}). Correct it with more clicks, or choose a background."


def _words(error: Exception) -> str:
    return "This photo has expired here; please open it again." if isinstance(error, FileNotFoundError) else str(error)


def _status(studio: Studio, **seconds: float) -> str:
    """One line: the model, what it runs on, and how long the last step took."""
    graphs = studio.matting.graphs
    steps = " · ".join(f"{name} {1000 * value:.0f} ms" for name, value in seconds.items())
    return " · ".join([f"Model {graphs.variant}", f"runs on {graphs.provider}", *filter(None, [steps or graphs.note])])


# What the visitor looks at and takes home -----------------------------------------------------------------------------

_DOWNLOADS = {"cutout": "Cut-out PNG", "alpha": "Alpha PNG", "png": "Result PNG", "jpeg": "Result JPEG", "zip": "All objects ZIP"}


def _mattes(studio: Studio, session: Session, guidance: str, which: str) -> list[tuple[Item, Matte]]:
    """The objects that are shown, with their mattes; those for which nothing was found are left out."""
    found = []
    for item in session.items:
        if ready(item.ops) and (item.visible if which == ALL else item.id == session.active):
            matte = studio.matte(session, item.ops, guidance)
            if matte:
                found.append((item, matte))
    return found


def _result(studio: Studio, session: Session | None, guidance: str, which: str, look: Look) -> list:
    """New values for the pictures, the line about problems, and whether there is something to save."""
    nothing = [None, None, None, "", *[gr.update(interactive=False)] * len(_DOWNLOADS)]
    if session is None or studio.current(session.visitor) != session.token:
        return nothing
    try:
        mattes = _mattes(studio, session, guidance, which)
        if not mattes:
            return nothing
        photo, limit = studio.scene(session).photo, studio.matting.max_pixels
        layers = Layers.lift(photo, [matte.alpha for _, matte in mattes], look, views.LONGEST)
        squares = layers.over_checkerboard()
        new = squares if look.kind == views.TRANSPARENT else layers.composed(look, limit)
    except (MamError, FileNotFoundError) as error:
        return [gr.skip(), gr.skip(), gr.skip(), f"**{_words(error)}**", *[gr.skip()] * len(_DOWNLOADS)]
    files = studio.downloads
    return [
        (files.jpeg(layers.pixels, "before", layers.profile), files.png(new, "after", layers.profile)),
        files.png(squares, "cutout", layers.profile),
        files.png(layers.alpha_uint8(), "alpha"),
        "",
        *[gr.update(interactive=True)] * len(_DOWNLOADS),
    ]


def _file(studio: Studio, kind: str, session: Session | None, guidance: str, which: str, look: Look) -> str:
    """Path of a full-size download, named after the visitor's upload.

    Raises:
        PromptError: there is nothing to save. InputError: no usable background.
    """
    mattes = [] if session is None else _mattes(studio, session, guidance, which)
    if not mattes:
        raise PromptError("nothing is cut out yet.")
    photo = studio.scene(session).photo
    if kind == "zip":
        path = studio.downloads.path(f"{session.name}_objects.zip")
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as bundle:
            for item, matte in mattes:
                layers = Layers.lift(photo, [matte.alpha], look)
                name = f"{session.name}_{item.id}_{item.name}"
                for part, pixels in (("cutout", layers.cutout()), ("alpha", layers.alpha_uint8())):
                    profile = photo.icc_profile if part == "cutout" else None
                    one = studio.downloads.png(pixels, f"{name}_{part}", profile)
                    bundle.write(one, Path(one).name)
        return str(path)
    layers = Layers.lift(photo, [matte.alpha for _, matte in mattes], look)
    if kind == "alpha":
        return studio.downloads.png(layers.alpha_uint8(), f"{session.name}_alpha")
    if kind == "cutout":
        return studio.downloads.png(layers.cutout(), f"{session.name}_cutout", photo.icc_profile)
    pixels = layers.composed(look, studio.matting.max_pixels)
    if kind == "jpeg":
        if pixels.shape[2] == 4:
            raise PromptError("JPEG knows no transparency; choose a background first, or save a PNG.")
        return studio.downloads.jpeg(pixels, f"{session.name}_result", photo.icc_profile)
    return studio.downloads.png(pixels, f"{session.name}_result", photo.icc_profile)


def _in_words(handler: Callable) -> Callable:
    """Show our own errors to the visitor instead of a generic failure."""

    @functools.wraps(handler)
    def wrapped(*args, **kwargs):
        try:
            return handler(*args, **kwargs)
        except (MamError, FileNotFoundError) as error:
            raise gr.Error(_words(error), title="That did not work") from error

    return wrapped
