"""Web page that cuts anything out of a photo: `python demo/app.py`."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

# A Space installs requirements.txt only, so the page finds `mam` and `demo` beside itself.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from demo.proxies import bypass_proxies, exclude_own_address

if "GRADIO_TEMP_DIR" not in os.environ:  # Gradio's own is for all users of a machine; it reads the name on import
    _uploads = tempfile.TemporaryDirectory(prefix="mam_uploads_", ignore_cleanup_errors=True)
    os.environ["GRADIO_TEMP_DIR"] = _uploads.name

with bypass_proxies():  # it opens a client when it is imported
    import gradio as gr
from gradio.components import Component

from demo import zero_gpu
from demo.addresses import guard_addresses
from demo.api import add_api
from demo.canvas.protocol import LIMITS
from demo.downloads import Downloads
from demo.engine import Engine, find_best_edges
from demo.events import PRIVATE
from demo.guard import guard_requests
from demo.interfaces import add_interfaces
from demo.limits import limit_queue, visitor_of
from demo.models import FOLLOWING, Models, add_menu
from demo.options import AUTO, parse
from demo.tabs.batch import add_batch_tab
from demo.tabs.cut_out import add_cut_out_tab
from demo.tabs.style import backgrounds_css
from demo.text_model import TextModelDownload
from demo.texts import ENGLISH, Texts, i18n, label, tables_as_json
from demo.uploads import limit_uploads
from mam import GraphError, MamError, Matting
from mam.isolation import return_large_blocks
from mam.model.folders import BUNDLE, find_model, is_ready
from mam.text import GroundingLoader

if TYPE_CHECKING:
    from fastapi import FastAPI

TITLE = "Matting Anything"
# Fonts of the visitor's own system: none are fetched from another server.
THEME = gr.themes.Default(
    primary_hue="blue", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
).set(
    # White on the default's primary colour, and that colour on white, have too little contrast.
    color_accent="*primary_600",
    button_primary_background_fill="*primary_600",
    button_primary_background_fill_hover="*primary_700",
    # The default's greys have too little contrast.
    body_text_color_subdued="*neutral_600",
    block_info_text_color="*neutral_600",
    block_label_text_color="*neutral_700",
    block_title_text_color="*neutral_700",
    body_text_color_subdued_dark="*neutral_300",
    block_info_text_color_dark="*neutral_300",
)

# Arguments of `launch` that do not depend on the command line. Gradio keeps the last values of the pages that were
# opened last, up to `state_session_capacity`: a hundred hold about 150 MB. Photos are kept elsewhere (`Visitors`).
LAUNCH: dict[str, Any] = {
    "theme": THEME,
    "css": (Path(__file__).parent / "style.css").read_text("utf-8") + backgrounds_css(),
    "i18n": i18n(),
    "max_file_size": f"{LIMITS.upload_megabytes}mb",
    "footer_links": ["api"],
    "state_session_capacity": 100,
}
_SCRIPT = (Path(__file__).parent / "page.js").read_text("utf-8")


def build_demo(matting: Matting, models: Models | None = None, text_model: str = "none") -> gr.Blocks:
    """Return the page around a loaded model; launch it with `LAUNCH`, or see `mount`.

    Args:
        matting: The model that answers the prompts.
        models: Other models, which are checked and may be chosen.
        text_model: Where there is no text model for any phrase, "offer" lets visitors have it downloaded, "get"
            downloads it at once, and "none" does neither.
    """
    guard_addresses()
    guard_requests()
    limit_uploads()
    engine, downloads = Engine(matting, best_edges=find_best_edges(matting)), Downloads()
    download = TextModelDownload(engine, text_model != "none")
    if text_model == "get":
        download.start()
    with gr.Blocks(title=TITLE, delete_cache=(1800, 1800), analytics_enabled=False) as demo:
        with gr.Row(elem_id="header"):
            gr.Markdown(f"# {TITLE}")
            introduction = gr.Markdown(label("introduction"))
            if models is not None:
                models.start_for(engine)
            menu = None if models is None else add_menu(demo, models)
        with gr.Tab(label("tab_cut_out")):
            result = add_cut_out_tab(demo, engine, downloads, download, menu)
        with gr.Tab(label("tab_batch")):
            batch = add_batch_tab(engine, downloads)
        add_api(engine, downloads)

        def translate(request: gr.Request) -> dict[Component, Any]:
            texts = Texts.of(request)
            return {introduction: texts("introduction"), **result.controls.choices(texts), **batch.choices(texts)}

        translated = [introduction, *result.controls.choices(ENGLISH), *batch.choices(ENGLISH)]
        demo.load(None, js=_SCRIPT.replace("TEXTS", tables_as_json("cutout", "alpha")), api_visibility="private")
        demo.load(translate, None, translated, **PRIVATE)

        def forget(request: gr.Request) -> None:
            engine.forget(visitor_of(request))

        demo.unload(forget)
    limit_queue(demo)
    add_interfaces(demo, engine)
    return demo


def mount(app: FastAPI, matting: Matting, path: str, models: Models | None = None, text_model: str = "none") -> FastAPI:
    """Add the page to an application of FastAPI, with its style, texts and limits; the Host is for it to check.

    Args:
        app: The application.
        matting: As for `build_demo`.
        path: Where the page is, such as "/tool".
        models: As for `build_demo`.
        text_model: As for `build_demo`.

    Returns:
        The application.

    Raises:
        ValueError: The path does not begin with a slash, or is the application's root.
    """
    if not path.startswith("/") or not path.strip("/"):
        raise ValueError(f"path is {path!r}; expected one such as '/tool'.")
    exclude_own_address(None)
    demo = build_demo(matting, models, text_model)
    guard_requests(["*"])
    options = {name: value for name, value in LAUNCH.items() if name != "state_session_capacity"}
    demo.state_session_capacity = LAUNCH["state_session_capacity"]
    return gr.mount_gradio_app(app, demo, path.rstrip("/"), show_error=False, **options)


def load(arguments: argparse.Namespace) -> tuple[Matting, Models]:
    """Load the model to begin with, and prepare the chosen one if that is not ready yet.

    Raises:
        GraphError: The model or the given text model cannot be run, or the graphs are of another variant.
        WeightsError: A file of the model is damaged.
    """
    variant, graphs, following = arguments.variant, arguments.graphs, None

    def load_model(folder: Path | None) -> Matting:
        if zero_gpu.is_zero_gpu() and arguments.device == "cuda":
            grounding = GroundingLoader(arguments.grounding, "cpu")
            return Matting(zero_gpu.ZeroGpuGraphs(folder or BUNDLE), arguments.max_pixels, grounding)
        return Matting.load(
            folder,
            device=arguments.device,
            threads=arguments.threads,
            max_pixels=arguments.max_pixels,
            grounding=arguments.grounding,
        )

    if graphs is None and variant == AUTO:
        following = FOLLOWING
    elif graphs is None and is_ready(variant):
        graphs = find_model(variant)
    elif graphs is None:
        following = variant
    matting = load_model(graphs)
    if graphs is not None and variant not in (AUTO, matting.graphs.variant):
        raise GraphError(f"{graphs} holds {matting.graphs.variant}; {variant} was requested.")
    if arguments.grounding is not None:
        matting.grounding()  # fails now rather than at a visitor's first text
    is_free = graphs is None and variant == AUTO
    return matting, Models(load_model, following, unconditional=not is_free, may_download=is_free)


def main(argv: Sequence[str] | None = None) -> int:
    """Load the model, open the page, serve until interrupted."""
    arguments = parse(argv)
    return_large_blocks()
    try:
        matting, models = load(arguments)
    except MamError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    # A container stops its programs with SIGTERM: exit as after Ctrl-C, so that temporary files are removed.
    signal.signal(signal.SIGTERM, _stop)
    print(f"{matting.graphs.variant} on {matting.graphs.provider}. {matting.graphs.note}".strip(), flush=True)
    try:
        grounding = matting.grounding()
        known = f"{len(grounding.known_words)} " if grounding.known_words else ""
        print(f"Text prompts by {known}{grounding.name} on {grounding.provider}. {grounding.note}".strip(), flush=True)
    except MamError as error:
        print(f"No text prompts: {error}", flush=True)
    try:
        page = build_demo(matting, models, "none" if arguments.grounding else arguments.text_model)
        exclude_own_address(arguments.host)
        hosts = [name.strip() for name in (arguments.allowed_host or "").split(",")]
        guard_requests([*hosts, *(["*.gradio.live"] if arguments.share else [])], arguments.frame_ancestors or "")
        # Gradio's own servers, which a public address needs, may be behind a proxy.
        with contextlib.nullcontext() if arguments.share else bypass_proxies():
            page.launch(
                server_name=arguments.host,
                server_port=arguments.port,
                share=arguments.share,
                mcp_server=arguments.mcp,
                root_path=arguments.root_path,
                prevent_thread_lock=True,
                **LAUNCH,
            )
        page.block_thread()
    except OSError as error:
        if arguments.port is None or "empty port" not in str(error):
            raise
        print(f"demo: port {arguments.port} is in use; choose another with --port or MAM_PORT.", file=sys.stderr)
        return 1
    return 0


def _stop(number: int, frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second signal would interrupt the removal of temporary files
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
