"""`python -m training pack`: pack a folder of training images into a few archives."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser of `python -m training`."""
    parser = commands.add_parser("pack", help="pack training images into a few archives that load into memory")
    parser.set_defaults(run=run)
    parser.add_argument("data", type=Path, help="a folder; its layout is described in training/library.py")
    parser.add_argument(
        "out", type=Path, help="a folder for data-000.zip, ..., 60 MB each, which `python -m training train` reads"
    )
    parser.add_argument(
        "--longest", type=int, metavar="PIXELS", help="shrink larger images and backgrounds to this side"
    )


def run(arguments: argparse.Namespace) -> int:
    """Pack a folder, and print one line per archive."""
    from training.files import pack

    pack(arguments.data, arguments.out, arguments.longest)
    return 0
