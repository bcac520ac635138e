"""The command line `mam`: each command is a module with `add_parser` and `run`, and imports what it needs in `run`."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence

from mam.cli import doctor, evaluate, matte, pack, train, weights
from mam.cli.values import join_negative_values
from mam.errors import MamError


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run the command.

    Args:
        argv: arguments without the program's name; None for the arguments of this process.

    Returns:
        The exit status: 0 for success, 1 if something failed, 130 after Ctrl-C. Invalid arguments exit with status 2.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # file names may hold what the terminal's encoding lacks
            stream.reconfigure(errors="backslashreplace")
    arguments = parse(sys.argv[1:] if argv is None else argv)
    try:
        return arguments.run(arguments)
    except (MamError, OSError) as error:
        print(f"mam: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("mam: interrupted", file=sys.stderr)
        return 130


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse a command line; `run` in the namespace is the function of the chosen command."""
    parser = argparse.ArgumentParser(prog="mam", description="Cut objects out of images, with soft edges.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (matte, doctor, weights, evaluate, train, pack):
        command.add_parser(commands)
    return parser.parse_args(join_negative_values(argv))
