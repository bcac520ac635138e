"""`python demo/app.py`: cut anything out of a photograph in the browser, on the embedded model."""

from __future__ import annotations

import argparse
import functools
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# A Space installs requirements.txt only, so the page finds `mam` beside itself.
sys.path.insert(0, str(ROOT))

import gradio as gr
import numpy as np
from PIL import Image

from demo import views
from demo.api import add_api
from demo.photo_input import PhotoInput
from demo.session import ADD, BOX, GUIDANCE, REMOVE, Session, Studio
from mam import Matte, Matting, MamError

EXAMPLES = Path(__file__).parent / "examples"
TITLE = "Matting Anything"
INTRODUCTION = """# Matting Anything
**Drop a photo, point at something, get it cut out - softly.** Choose *box* and click two opposite corners, or click on the
object; correct with more clicks. Then give it a new background. Everything runs on this machine."""
MODEL = {"concurrency_id": "model", "concurrency_limit": 1, "api_visibility": "private"}


def build_demo(matting: Matting) -> gr.Blocks:
    """The page around a loaded model; launch it, or mount it anywhere.

    Args:
        matting: what answers the prompts.
    """
    studio = Studio(matting)
    with gr.Blocks(title=TITLE, delete_cache=(3600, 3600), analytics_enabled=False) as demo:
        session = gr.State(None, time_to_live=3600)
        gr.Markdown(INTRODUCTION)
        with gr.Row():
            with gr.Column():
                canvas = PhotoInput(
                    format="png",
                    sources=["upload", "clipboard"],
                    label="1. Your photo: click on it",
                    elem_id="canvas",
                    height=520,
                )
                mode = gr.Radio([BOX, ADD, REMOVE], value=ADD, label="2. What a click means", elem_id="mode")
                with gr.Row():
                    undo = gr.Button("Undo", elem_id="undo")
                    clear = gr.Button("Clear prompts", elem_id="clear")
                guidance = gr.Radio(list(GUIDANCE), value="One object", label="The object is", elem_id="guidance")
                message = gr.Markdown("Choose a photo.", elem_id="message")
                # Choosing an example changes this hidden box, not the canvas, whose own changes are results.
                example = PhotoInput(visible=False, label="Example")
                gr.Examples([str(p) for p in sorted(EXAMPLES.glob("*.*g"))], example, label="Or try one of these", elem_id="examples")
            with gr.Column():
                with gr.Tab("New background"):
                    result = gr.Image(format="png", label="3. Result", elem_id="result", height=440, buttons=["fullscreen"])
                    kind = gr.Radio(
                        [views.TRANSPARENT, views.COLOUR, views.BLUR, views.PICTURE, views.OWN],
                        value=views.TRANSPARENT,
                        label="Background",
                        elem_id="kind",
                    )
                    colour = gr.ColorPicker("#20a0ff", label="Colour", visible=False)
                    strength = gr.Slider(2, 60, 20, step=1, label="Blur", visible=False)
                    names = views.shipped_backgrounds()
                    shipped = gr.Radio(names, value=names[0], label="Picture", visible=False)
                    own = PhotoInput(label="Your background", visible=False, height=160)
                with gr.Tab("Alpha"):
                    alpha = gr.Image(format="png", label="Alpha matte", elem_id="alpha", height=440, buttons=["fullscreen"])
                with gr.Row():
                    save_result = gr.DownloadButton("Download result (PNG)", interactive=False, elem_id="save_result")
                    save_cutout = gr.DownloadButton("Download cut-out (PNG)", interactive=False, elem_id="save_cutout")
                    save_alpha = gr.DownloadButton("Download alpha (PNG)", interactive=False, elem_id="save_alpha")
                status = gr.Markdown(studio.status(), elem_id="status")

        outputs = [session, canvas, result, alpha, save_result, save_cutout, save_alpha, message, status]
        look = [kind, colour, strength, shipped, own]

        def answer(now: Session | None, *chosen: object) -> list:
            return _answer(studio, now, *chosen)

        def opened(path: str | None, *chosen: object) -> list:
            try:
                return answer(None if path is None else Session.open(path), *chosen)
            except (MamError, FileNotFoundError) as error:
                # Not an error to Gradio, so that the page lets go of the picture before.
                gr.Warning(str(error), title="This file cannot be used", duration=20)
                return answer(None, *chosen)

        @_in_words
        def clicked(now: Session | None, meaning: str, grouping: str, *chosen: object, event: gr.SelectData) -> list:
            if now is None:
                raise gr.Error("Choose a photo first.")
            scale = views.scale_of(studio.scene(now).photo.size)
            x, y = ((float(v) + 0.5) * scale for v in event.index)
            return answer(replace(now.clicked(meaning, x, y), guidance=GUIDANCE[grouping]), *chosen)

        def select(now, meaning, grouping, k, c, s, p, o, event: gr.SelectData):
            return clicked(now, meaning, grouping, k, c, s, p, o, event=event)

        @_in_words
        def undone(now: Session | None, *chosen: object) -> list:
            return answer(now and now.undone(), *chosen)

        @_in_words
        def cleared(now: Session | None, *chosen: object) -> list:
            return answer(now and now.cleared(), *chosen)

        @_in_words
        def regrouped(now: Session | None, grouping: str, *chosen: object) -> list:
            return answer(now and replace(now, guidance=GUIDANCE[grouping]), *chosen)

        @_in_words
        def recomposed(now: Session | None, *chosen: object) -> tuple:
            visible = [gr.update(visible=chosen[0] == kind) for kind in (views.COLOUR, views.BLUR, views.PICTURE, views.OWN)]
            matte = studio.matte(now) if now is not None and now.ready else None
            if not matte:
                return (*visible, None, gr.update(interactive=False))
            pixels = views.composed(matte, *chosen, max_pixels=matting.max_pixels)
            return (*visible, _preview(matte, pixels, chosen[0]), _download(studio, now, matte, pixels, "result"))

        canvas.upload(opened, [canvas, *look], outputs, **MODEL)
        canvas.clear(opened, [canvas, *look], outputs, **MODEL)
        example.change(opened, [example, *look], outputs, **MODEL)
        canvas.select(select, [session, mode, guidance, *look], outputs, **MODEL)
        undo.click(undone, [session, *look], outputs, **MODEL)
        clear.click(cleared, [session, *look], outputs, **MODEL)
        guidance.input(regrouped, [session, guidance, *look], outputs, **MODEL)
        for control in look:
            changed = control.release if control is strength else control.input
            changed(recomposed, [session, *look], [colour, strength, shipped, own, result, save_result], **MODEL)
        add_api(studio)
    return demo


def _answer(studio: Studio, session: Session | None, *look: object) -> list:
    """New values for all outputs of the page, from the session alone."""
    nothing = [None, None, *[gr.update(value=None, interactive=False)] * 3]
    if session is None:
        return [None, None, *nothing, "Choose a photo.", studio.status()]
    photo = studio.scene(session).photo
    if not session.ready:
        hint = "Now click the opposite corner." if session.corner else "Click on the object, or choose *box* and click two corners."
        return [session, views.annotated(photo.pixels, session, None), *nothing, hint, studio.status()]
    matte = studio.matte(session)
    if not matte:
        return [session, views.annotated(photo.pixels, session, None), *nothing, f"**{str(matte).capitalize()}.**", studio.status()]
    pixels = views.composed(matte, *look, max_pixels=studio.matting.max_pixels)
    return [
        session,
        views.annotated(photo.pixels, session, matte),
        _preview(matte, pixels, look[0]),
        views.shown(matte.alpha_uint8()),
        _download(studio, session, matte, pixels, "result"),
        _download(studio, session, matte, matte.cutout(), "cutout"),
        _download(studio, session, matte, matte.alpha_uint8(), "alpha"),
        f"Found it (predicted IoU {matte.score:.2f}). Correct with more clicks, or choose a background.",
        studio.status(),
    ]


def _preview(matte: Matte, pixels: np.ndarray, kind: object) -> Image.Image:
    return views.shown(matte.over_checkerboard() if kind == views.TRANSPARENT else pixels)


def _download(studio: Studio, session: Session, matte: Matte, pixels: np.ndarray, what: str) -> gr.DownloadButton:
    """A download of full-size pixels, named after this visitor's upload (others may have sent the same picture)."""
    profile = None if pixels.ndim == 2 else matte.photo.icc_profile
    path = studio.downloads.write(pixels, f"{session.name}_{what}", profile)
    return gr.DownloadButton(value=path, interactive=True)


def _in_words(handler: Callable) -> Callable:
    """Show our own errors to the visitor instead of a generic failure."""

    @functools.wraps(handler)
    def wrapped(*args, **kwargs):
        try:
            return handler(*args, **kwargs)
        except MamError as error:
            raise gr.Error(str(error), title="That did not work") from error
        except FileNotFoundError as error:
            raise gr.Error("This photo has expired here; please choose it again.") from error

    return wrapped


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line of the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 to be reached from other machines")
    parser.add_argument("--port", type=int, help="default: the first free one from 7860")
    parser.add_argument("--graphs", type=Path, help="a folder of exported graphs; default: the embedded model")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--max-pixels", type=int, default=24_000_000, help="larger uploads are refused")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Load the model, open the page, serve until interrupted."""
    arguments = parse(argv)
    try:
        matting = Matting.load(arguments.graphs, device=arguments.device, max_pixels=arguments.max_pixels)
    except MamError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    # A container stops its programs with SIGTERM: leave as after Ctrl-C, so that temporary files go too.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    print(f"{matting.graphs.variant} on {matting.graphs.provider}. {matting.graphs.note}", flush=True)
    build_demo(matting).launch(server_name=arguments.host, server_port=arguments.port, max_file_size="50mb")
    return 0


if __name__ == "__main__":
    sys.exit(main())
