"""`python demo/app.py`: cut anything out of a photograph in the browser, on the embedded model."""

from __future__ import annotations

import argparse
import functools
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# A Space installs requirements.txt only, so the page finds `mam` beside itself.
sys.path.insert(0, str(ROOT))

import gradio as gr
import numpy as np

from demo import zero_gpu
from demo.api import add_api
from demo.batch_tab import add_batch_tab
from demo.cut_tab import add_cut_tab
from demo.first_use import FirstUse, add_first_use
from demo.studio import Studio
from mam import GraphError, Grounding, MamError, Matting, weights
from mam.composite import foreground_colours
from mam.matting import BUNDLE
from mam.variants import VARIANTS

TITLE = "Matting Anything"
INTRODUCTION = """# Matting Anything
**Drop a photo, point at something, get it cut out - softly.** Drag a box around it or click on it; correct with more clicks or a
scribble; then give it a new background."""
# Fonts of the visitor's own system: a page that fetches none asks nobody else for anything.
THEME = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]).set(
    # The default's greys are too pale to read for many.
    body_text_color_subdued="*neutral_600",
    block_info_text_color="*neutral_600",
    block_label_text_color="*neutral_700",
    block_title_text_color="*neutral_700",
    body_text_color_subdued_dark="*neutral_300",
    block_info_text_color_dark="*neutral_300",
)

# What does not depend on the command line.
# Gradio keeps the last values of every page that was ever open, up to a number of pages: a hundred hold about 150 MB.
LAUNCH = {"theme": THEME, "max_file_size": "50mb", "footer_links": ["api"], "state_session_capacity": 100}


def build_demo(matting: Matting, first_use: FirstUse | None = None) -> gr.Blocks:
    """The page around a loaded model; launch it, or mount it anywhere.

    Args:
        matting: what answers the prompts.
        first_use: of another model, which takes over once it is ready.
    """
    studio = Studio(matting)
    with gr.Blocks(title=TITLE, delete_cache=(1800, 1800), analytics_enabled=False) as demo:
        gr.Markdown(INTRODUCTION)
        if first_use is not None:
            add_first_use(first_use)
            first_use.start(studio)
        with gr.Tab("Cut out"):
            add_cut_tab(studio)
        with gr.Tab("Many pictures"):
            add_batch_tab(studio)
        add_api(studio)

        def gone(request: gr.Request) -> None:
            studio.forget(request.session_hash)

        demo.unload(gone)
    return demo


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line of the page; each option's default may also come from the environment, MAM_HOST and so on."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Every option can be set by an environment variable too: MAM_HOST, MAM_PORT, MAM_MAX_PIXELS ...",
    )

    def option(name: str, default: object = None, **settings: object) -> None:
        value = os.environ.get("MAM_" + name.upper().replace("-", "_")) or default
        parser.add_argument(f"--{name}", default=value, **settings)

    def switch(name: str, text: str) -> None:
        on = os.environ.get("MAM_" + name.upper(), "").lower() in ("1", "true", "yes")
        parser.add_argument(f"--{name}", action="store_true", default=on, help=text)

    option("host", help="0.0.0.0 to be reached from other machines; default: this machine only")
    option("port", type=int, help="default: the first free one from 7860")
    option(
        "variant", "tiny", choices=list(VARIANTS), help="which model; all but tiny are downloaded and exported at first"
    )
    option("graphs", type=Path, help="a folder of exported graphs; default: the embedded model")
    option(
        "grounding",
        type=Path,
        help="a folder that `python -m export grounding` wrote, for words; default: where it writes",
    )
    option("device", "auto", choices=("auto", "cpu", "cuda"))
    option("max-pixels", 24_000_000, type=int, help="larger uploads are refused")
    switch("share", "a public address through Gradio's servers")
    switch("mcp", "offer the API to language models too, by the Model Context Protocol")
    arguments = parser.parse_args(argv)
    if (
        arguments.device not in ("auto", "cpu", "cuda") or arguments.variant not in VARIANTS
    ):  # argparse trusts its defaults
        parser.error(f"MAM_DEVICE={arguments.device} or MAM_VARIANT={arguments.variant} is not a choice")
    return arguments


def load(arguments: argparse.Namespace) -> tuple[Matting, FirstUse | None]:
    """The model to begin with, and the first use of the one that was asked for if that is not ready yet.

    Raises:
        GraphError: it cannot be run, its graphs are of another variant, or the text model that was named cannot be run.
        WeightsError: it needs a file that only a person can fetch.
    """
    variant, graphs, first_use = arguments.variant, arguments.graphs, None

    def matting(folder: Path | None) -> Matting:
        if zero_gpu.is_here() and arguments.device == "cuda":
            words = functools.cache(lambda: Grounding.load(arguments.grounding, "cpu"))
            return Matting(zero_gpu.LentGraphs(folder or BUNDLE), arguments.max_pixels, words)
        return Matting.load(
            folder, device=arguments.device, max_pixels=arguments.max_pixels, grounding=arguments.grounding
        )

    if graphs is None and variant != "tiny":
        if weights.graphs_folder(variant).exists():
            graphs = weights.graphs_folder(variant)
        else:
            weights.require_manual_files(VARIANTS[variant].checkpoints)
            first_use = FirstUse(variant, matting)
    loaded = matting(graphs)
    if graphs is not None and "tiny" != variant != loaded.graphs.variant:
        raise GraphError(f"{graphs} holds {loaded.graphs.variant}; asked for {variant}.")
    if arguments.grounding is not None:
        loaded.grounding()  # what was asked for is there, or the page does not open
    return loaded, first_use


def main(argv: Sequence[str] | None = None) -> int:
    """Load the model, open the page, serve until interrupted."""
    arguments = parse(argv)
    try:
        matting, first_use = load(arguments)
    except MamError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    # A container stops its programs with SIGTERM: leave as after Ctrl-C, so that temporary files go too.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    print(f"{matting.graphs.variant} on {matting.graphs.provider}. {matting.graphs.note}", flush=True)
    try:
        words = matting.grounding()
        print(f"Words by {words.name} on {words.provider}. {words.note}", flush=True)
    except MamError as error:
        print(f"No words: {error}", flush=True)
    # Cleaning colours is compiled on a machine's first use: now, before anybody waits for it.
    threading.Thread(
        target=foreground_colours, args=[np.zeros((9, 9, 3), np.uint8), np.full((9, 9), 0.5, np.float32)], daemon=True
    ).start()
    build_demo(matting, first_use).launch(
        server_name=arguments.host,
        server_port=arguments.port,
        share=arguments.share,
        mcp_server=arguments.mcp,
        **LAUNCH,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
