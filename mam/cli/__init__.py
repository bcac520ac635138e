"""The command line `mam`: each command is a module with `add_parser` and `run`."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Sequence
from types import ModuleType

from mam.cli import doctor, matte, models, serve, weights
from mam.cli.values import join_negative_values
from mam.errors import MamError

_MOVED = ("train", "evaluate")  # to `python -m training`, since 0.11.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run `mam`; see `run_program`."""
    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0] in _MOVED:
        print(f"mam: `mam {argv[0]}` is now `python -m training {argv[0]}`, in a clone of the project", file=sys.stderr)
        return 2
    return run_program(parse, "mam", argv)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse a command line; `run` in the namespace is the function of the chosen command."""
    return parse_commands(
        "mam", "Cut objects out of images, with soft edges.", (matte, serve, doctor, models, weights), argv
    )


def parse_commands(
    program: str, description: str, commands: Sequence[ModuleType], argv: Sequence[str]
) -> argparse.Namespace:
    """Parse the command line of a program whose commands are modules like `mam.cli.matte`."""
    parser = argparse.ArgumentParser(prog=program, description=description)
    added = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in commands:
        command.add_parser(added)
    return parser.parse_args(join_negative_values(argv))


def run_program(parse: Callable[[Sequence[str]], argparse.Namespace], program: str, argv: Sequence[str]) -> int:
    """Parse a command line and run its command.

    Args:
        parse: returns the arguments, with the function of the command as `run`.
        program: the name that precedes error messages.
        argv: the arguments without the program's name.

    Returns:
        The exit status: 0 for success, 1 if something failed, 130 after Ctrl-C. Invalid arguments exit with status 2.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # File names may have characters that the encoding lacks; a pipe receives each line at once.
            stream.reconfigure(errors="backslashreplace", line_buffering=True)
    arguments = parse(argv)
    try:
        return arguments.run(arguments)
    except (MamError, OSError) as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        return 130
