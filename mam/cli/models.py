"""`mam models`: list the models that can be chosen, and check one against `tiny`."""

from __future__ import annotations

import argparse

from mam import weights
from mam.catalogue import list_models
from mam.cli.values import parse_device, parse_positive
from mam.cli.weights import show_progress
from mam.errors import MamError
from mam.matting import Matting
from mam.model.folders import graphs_folder
from mam.proof import Measured, load_pictures, proof_file, prove
from mam.text.model import DOWNLOAD_MEGABYTES, NAME, is_complete

_COLUMNS = ("iou_box", "iou_click", "iou_corrected", "alpha_error")
_SECONDS = ("seconds_open", "seconds_box", "seconds_click", "seconds_corrected")


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser of `mam`."""
    parser = commands.add_parser("models", help="list the models, and check whether one is better than tiny here")
    parser.set_defaults(run=run)
    parser.add_argument("action", nargs="?", choices=("check",), help="without it, the models are listed")
    parser.add_argument("name", nargs="?", help="a model, downloaded if it is not here, or a folder of exported graphs")
    parser.add_argument("--device", type=parse_device, default="auto", help="as for `mam matte`")
    parser.add_argument("--threads", type=parse_positive, help="CPU threads per graph")


def run(arguments: argparse.Namespace) -> int:
    """List the models, or check one: it is compared on ten photographs that come with the package."""
    if arguments.action is None:
        _print_models()
    elif arguments.name is None:
        raise MamError("`mam models check` needs the name of a model; `mam models` lists them.")
    else:
        _check(arguments)
    return 0


def _print_models() -> None:
    for model in list_models():
        print(f"{model.name:20} {model.state:8} {model.describe()}")
        if model.proof:
            print(f"{'':20} checked  {model.proof.summary}")
    state = "ready" if is_complete(graphs_folder(NAME)) else "to get"
    print(f"{NAME:20} {state:8} {DOWNLOAD_MEGABYTES} MB; text to boxes; Apache-2.0")
    print(f"\nfiles of these models, in {weights.cache_folder()}:")
    for entry in weights.REGISTRY.values():
        cached = (weights.cache_folder() / entry.name).exists()
        state = "ready" if cached else "by hand" if entry.manual_steps else "to get"
        size = f"{entry.size / 1e6:7.0f} MB" if entry.size else "         ?"
        print(f"  {entry.name:34} {state:8} {size}  {entry.description}; {entry.licence}")


def _check(arguments: argparse.Namespace) -> None:
    if arguments.name == "tiny":
        raise MamError("tiny is the model that others are compared with; expected another one or a folder of graphs.")
    tiny, matting = (
        Matting.load(graphs, device=arguments.device, threads=arguments.threads, progress=show_progress)
        for graphs in (None, arguments.name)
    )
    proof = prove(matting, tiny)
    print(f"{len(load_pictures())} photographs on {matting.graphs.provider}:")
    print(f"{'':16}{'IoU by box':>11}{'click':>8}{'2 clicks':>9}{'alpha error':>12}   seconds to open, by box, ...")
    for name, measured in ((proof.model, proof.measured), ("tiny", proof.tiny)):
        if measured:
            print(f"{name:16}{_format(measured)}")
    print(f"{proof.model} is {proof.summary}.")
    if (file := proof_file(matting.graphs.folder)).exists():
        print(f"stored in {file}")


def _format(measured: Measured) -> str:
    numbers = [
        f"{measured[name]:{width}}" for name, width in zip(_COLUMNS, ("11.3f", "8.3f", "9.3f", "12.4f"), strict=True)
    ]
    return "".join(numbers) + "   " + " ".join(f"{measured[name]:.2f}" for name in _SECONDS)
