"""`mam weights`: download and verify the checkpoints of the full-size models."""

from __future__ import annotations

import argparse

from mam import weights
from mam.errors import MamError
from mam.model.folders import find_model
from mam.model.variants import VARIANTS
from mam.text import NAME
from mam.text.preparation import prepare
from mam.weights import Progress


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser of `mam`."""
    parser = commands.add_parser("weights", help="download and verify the full-size models' checkpoints")
    parser.set_defaults(run=run)
    parser.add_argument(
        "action", choices=("get", "verify", "path"), help="verify and path need files that are downloaded"
    )
    parser.add_argument(
        "names",
        nargs="*",
        help="names of models or files, as shown by `mam models`; verify without names checks all downloaded files",
    )


def run(arguments: argparse.Namespace) -> int:
    """Download or verify the files, or print their paths."""
    names = arguments.names
    if arguments.action == "verify" and not names:
        names = [name for name in weights.REGISTRY if (weights.cache_folder() / name).exists()]
    if not names:
        nothing = "no file is downloaded yet" if arguments.action == "verify" else "it needs the names of files"
        raise MamError(f"`mam weights {arguments.action}`: {nothing}; `mam models` lists them.")
    for name in names:
        if arguments.action == "get":
            _get(name)
        else:
            file = weights.verified_path(name)
            print(f"{file}: verified" if arguments.action == "verify" else file)
    return 0


def _get(name: str) -> None:
    if name in VARIANTS:
        print(f"{name}: ready, by the graphs in {find_model(name, show_progress)}")
    else:
        print(prepare(show_progress) if name == NAME else weights.fetch(name, show_progress(name)))


def show_progress(name: str) -> Progress:
    """Return a callback for `mam.weights.fetch` that shows a bar on standard error while a file is downloaded."""
    from tqdm import tqdm

    bar = None

    def progress(have: int, expected: int) -> None:
        nonlocal bar
        if bar is None:
            bar = tqdm(unit="B", unit_scale=True, unit_divisor=1000, desc=name, total=expected or None)
        bar.update(have - bar.n)
        if have == expected:
            bar.close()

    return progress
