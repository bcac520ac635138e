"""A file with one prompt per image, for `mam matte --prompts`: JSON or CSV."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mam.cli.files import Input
from mam.cli.values import parse_point, parse_scribble
from mam.errors import PromptError

_FIELDS = ("box", "points", "labels", "scribbles", "scribble_labels", "mask", "text", "guidance")
_COLUMNS = ("image", "x0", "y0", "x1", "y1", "points", "scribbles", "mask", "text", "guidance")


class PromptFile:
    """The prompts of a file, by image.

    JSON is an object that maps each image to the arguments of `mam.Scene.matte`:

        {"a.jpg": {"box": [10, 20, 300, 400]}, "b.jpg": {"points": [[50, 60]], "labels": [1]}}

    CSV has a header with the column image and any of x0, y0, x1, y1, points ("50,60;10,10,-"), scribbles, mask, text
    and guidance. Images are named by path or by file name alone; the path of a mask starts at the file's own folder.

    Args:
        path: ends in .json or .csv.

    Raises:
        PromptError: the file cannot be read as described.
        FileNotFoundError: there is no such file.
    """

    def __init__(self, path: Path) -> None:
        self._prompts: dict[str, dict[str, Any]] = {}
        try:
            text = path.read_text("utf-8-sig")
            rows = _read_csv(text) if path.suffix.lower() == ".csv" else _read_json(text)
        except (UnicodeDecodeError, ValueError, argparse.ArgumentTypeError) as error:
            raise PromptError(f"{path}: {error}") from None
        for image, prompt in rows:
            if image in self._prompts:
                raise PromptError(f"{path}: {image} appears twice; expected one prompt per image.")
            if isinstance(prompt.get("mask"), str):
                prompt["mask"] = path.parent / prompt["mask"]
            self._prompts[image] = prompt

    def prompt_for(self, image: Input) -> dict[str, Any] | None:
        """Return the arguments of `mam.Scene.matte` for an image; None if the file does not name it."""
        names = (str(image.source), image.path.name if image.path is not None else image.name)
        return next((self._prompts[name] for name in names if name in self._prompts), None)


def _read_json(text: str) -> list[tuple[str, dict[str, Any]]]:
    def refuse_repetition(pairs: list[tuple[str, Any]]) -> list[tuple[str, Any]] | dict[str, Any]:
        return pairs if len(dict(pairs)) < len(pairs) else dict(pairs)

    content = json.loads(text, object_pairs_hook=refuse_repetition)
    if isinstance(content, dict):
        content = list(content.items())
    if not isinstance(content, list) or not all(isinstance(row, tuple) and isinstance(row[1], dict) for row in content):
        raise ValueError('expected an object {"IMAGE": {"box": [x0, y0, x1, y1]}, ...}')
    for image, prompt in content:
        unknown = prompt.keys() - set(_FIELDS)
        if unknown:
            raise ValueError(f"{image} has {', '.join(sorted(unknown))}; expected some of {', '.join(_FIELDS)}")
    return content


def _read_csv(text: str) -> list[tuple[str, dict[str, Any]]]:
    reader = csv.DictReader(text.splitlines())
    columns = reader.fieldnames or ()
    unknown = set(columns) - set(_COLUMNS)
    if "image" not in columns or unknown:
        raise ValueError(f"the columns are {', '.join(columns)}; expected image and some of {', '.join(_COLUMNS[1:])}")
    rows = []
    for row in reader:
        prompt: dict[str, Any] = {name: row[name] for name in ("mask", "text", "guidance") if row.get(name)}
        corners = [row.get(name) for name in ("x0", "y0", "x1", "y1")]
        if any(corners):
            try:
                prompt["box"] = [float(corner or "") for corner in corners]
            except ValueError:
                raise ValueError(f"line {reader.line_num}: {corners} is not a box") from None
        parsers: tuple[tuple[str, str, Callable[[str], tuple[Any, int]]], ...] = (
            ("points", "labels", parse_point),
            ("scribbles", "scribble_labels", parse_scribble),
        )
        for name, labels, parse in parsers:
            if row.get(name):
                parsed = [parse(part) for part in row[name].split(";")]
                prompt[name], prompt[labels] = [place for place, _ in parsed], [label for _, label in parsed]
        rows.append((row["image"], prompt))
    return rows
