"""The prompts of `mam matte`: those of the command line, and those of a file with one per image, JSON or CSV."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mam.cli.files import Input
from mam.cli.values import parse_point, parse_scribble
from mam.errors import PromptError
from mam.images.fetch import is_address

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
        self.path, self._prompts = path, dict[str, dict[str, Any]]()
        try:
            text = path.read_text("utf-8-sig")
            rows = _read_csv(text) if path.suffix.lower() == ".csv" else _read_json(text)
        except FileNotFoundError:
            raise
        except (OSError, ValueError, RecursionError, csv.Error, argparse.ArgumentTypeError) as error:
            raise PromptError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
        for image, prompt in rows:
            key = _key(image)
            if key in self._prompts:
                raise PromptError(f"{path}: {image} appears twice; expected one prompt per image.")
            if isinstance(prompt.get("mask"), str) and not is_address(prompt["mask"]):
                prompt["mask"] = path.parent / prompt["mask"]
            self._prompts[key] = {name: value for name, value in prompt.items() if value is not None}

    def prompt_for(self, image: Input) -> dict[str, Any] | None:
        """Return the arguments of `mam.Scene.matte` for an image; None if the file does not name it."""
        return next((self._prompts[name] for name in self._names(image) if name in self._prompts), None)

    def unused(self, images: Sequence[Input]) -> list[str]:
        """Return the names in the file that none of the images has."""
        used = {next((name for name in self._names(image) if name in self._prompts), None) for image in images}
        return [name for name in self._prompts if name not in used]

    def masks(self) -> list[Path]:
        """Return the files of masks that the prompts name."""
        return [prompt["mask"] for prompt in self._prompts.values() if isinstance(prompt.get("mask"), Path)]

    def _names(self, image: Input) -> list[str]:
        """Return the names by which the file may mean an image, the most exact one first."""
        if image.path is None:
            return [_key(str(image.source)), _key(image.name)]
        relative = os.path.relpath(image.path, self.path.parent)
        return [_key(str(name)) for name in (image.path, os.path.realpath(image.path), relative, image.path.name)]


class Prompts:
    """The prompt of each image: its own in the file of prompts, else that of the command line."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        from mam.images import MAX_PIXELS, open_mask

        self.file = None if arguments.prompts is None else PromptFile(arguments.prompts)
        self.common: dict[str, Any] = {
            "text": arguments.text,
            "box": arguments.box,
            "points": [place for place, _ in arguments.point],
            "labels": [label for _, label in arguments.point],
            "scribbles": [stroke for stroke, _ in arguments.scribble],
            "scribble_labels": [label for _, label in arguments.scribble],
            "mask": None,
            "guidance": arguments.guidance,
        }
        if arguments.mask is not None:
            self.common["mask"] = open_mask(arguments.mask, arguments.max_pixels or MAX_PIXELS)
        labels = [*self.common["labels"], *self.common["scribble_labels"]]
        given = arguments.text is not None or arguments.box is not None or arguments.mask is not None
        if labels and not any(labels) and not given:
            raise PromptError("all points are on the background; give one on the object, a box or a mask.")

    def files(self) -> list[Path]:
        """Return the files that are read for prompts."""
        return [] if self.file is None else [self.file.path, *self.file.masks()]

    def notes(self, inputs: list[Input]) -> list[str]:
        """Return a note if prompts of the file belong to none of the images."""
        unused = [] if self.file is None else self.file.unused(inputs)
        return [f"{len(unused)} prompts belong to no image, such as that of {unused[0]}."] if unused else []

    def of(self, image: Input) -> dict[str, Any]:
        """Return the arguments of `mam.Scene.matte` for an image."""
        own = None if self.file is None else self.file.prompt_for(image)
        return self.common if own is None else {"guidance": self.common["guidance"], **own}


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip())


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
    reader = csv.DictReader(io.StringIO(text, newline=""))
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
