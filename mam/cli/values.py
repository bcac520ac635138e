"""Values of the command line's options as text: boxes, points, strokes, numbers; and the text of files."""

from __future__ import annotations

import argparse
import codecs
import contextlib
import json
import re
from collections.abc import Sequence
from typing import Any

from mam.errors import GraphError
from mam.model.providers import check_device

_NEGATIVE = re.compile(r"-[\d.]")
_COORDINATES = ("--box", "--point", "--scribble")

Numbers = tuple[float, ...]


def join_negative_values(argv: Sequence[str]) -> list[str]:
    """Join `--box -10,20,30,40` into `--box=-10,20,30,40`, because argparse takes the first for two options."""
    joined: list[str] = []
    for argument in argv:
        if joined and joined[-1] in _COORDINATES and _NEGATIVE.match(argument):
            joined[-1] = f"{joined[-1]}={argument}"
        else:
            joined.append(argument)
    return joined


def parse_box(text: str) -> Numbers:
    """Parse X0,Y0,X1,Y1 into four numbers."""
    values = _parse_numbers(text.split(","))
    if values is None or len(values) != 4:
        raise argparse.ArgumentTypeError(f"{text!r} is not a box; expected four numbers, X0,Y0,X1,Y1")
    return values


def parse_point(text: str) -> tuple[Numbers, int]:
    """Parse X,Y[,+|-|1|0] into (x, y) and a label, 1 for foreground and 0 for background."""
    numbers, label = _parse_labelled(text)
    if numbers is None or len(numbers) != 2:
        raise argparse.ArgumentTypeError(f"{text!r} is not a point; expected X,Y or, on the background, X,Y,-")
    return numbers, label


def parse_scribble(text: str) -> tuple[list[Numbers], int]:
    """Parse X,Y,X,Y,...[,+|-] into a stroke, [(x, y), ...], and a label."""
    parts = text.split(",")
    numbers, label = _parse_labelled(text) if parts[-1] in ("+", "-") else (_parse_numbers(parts), 1)
    if not numbers or len(numbers) % 2:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a stroke; expected X,Y,X,Y,... or, on the background, X,Y,X,Y,...,-"
        )
    return list(zip(numbers[::2], numbers[1::2], strict=True)), label


def parse_text(text: str) -> str:
    """Accept a description that has a letter."""
    if not any(character.isalpha() for character in text):
        raise argparse.ArgumentTypeError(f"{text!r} describes nothing; expected words")
    return text


def parse_device(text: str) -> str:
    """Accept the name of a device; whether it is there is known when graphs are loaded."""
    try:
        check_device(text)
    except GraphError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def parse_positive(text: str) -> int:
    """Parse an integer of at least 1."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 1")
    return int(text)


def parse_port(text: str) -> int:
    """Parse the number of a port."""
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; expected a number from 1 to 65535")
    return int(text)


def decode_text(content: bytes) -> str:
    """Decode a text file as spreadsheets and editors of all systems write it.

    Raises:
        ValueError: it is no text.
    """
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if is_utf16 else ("utf-8-sig", "cp1252"):  # the last is Windows' in Western Europe
        with contextlib.suppress(UnicodeDecodeError):
            return content.decode(encoding)
    raise ValueError("it is no text")


def parse_json(text: str, **options: Any) -> Any:
    """Parse JSON; `options` are those of `json.loads`.

    Raises:
        ValueError: it is no JSON, or nested too deeply.
    """
    try:
        return json.loads(text, **options)
    except RecursionError:
        raise ValueError("its JSON is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"it is no JSON ({error})") from None


def _parse_labelled(text: str) -> tuple[Numbers | None, int]:
    parts = text.split(",")
    if parts[-1] in ("+", "-"):
        return _parse_numbers(parts[:-1]), int(parts[-1] == "+")
    if len(parts) == 3 and parts[-1] in ("0", "1"):
        return _parse_numbers(parts[:-1]), int(parts[-1])
    return _parse_numbers(parts), 1


def _parse_numbers(parts: Sequence[str]) -> Numbers | None:
    """Parse numbers; None if a part is not one."""
    try:
        return tuple(float(part) for part in parts)
    except ValueError:
        return None
