"""The prompts of `mam matte`, from the command line, and from a JSON or CSV file with one per image."""

from __future__ import annotations

import argparse
import csv
import io
import os
import posixpath
import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mam.cli.annotations import read_annotations, read_folder
from mam.cli.files import Input
from mam.cli.values import decode_text, parse_json, parse_point, parse_scribble
from mam.errors import PromptError
from mam.images import MAX_PIXELS, open_mask
from mam.images.fetch import is_address
from mam.scene import PROMPTS

_COLUMNS = ("image", "x0", "y0", "x1", "y1", "points", "scribbles", "mask", "text", "guidance")


class PromptFile:
    """The prompts of a file, by image.

    JSON is an object that maps each image to the arguments of `mam.Scene.matte`:

        {"a.jpg": {"box": [10, 20, 300, 400]}, "b.jpg": {"points": [[50, 60]], "labels": [1]}}

    CSV has a header with the column image and any of x0, y0, x1, y1, points ("50,60;10,10,-"), scribbles, mask, text
    and guidance; semicolons or tabs may stand between the columns. Images are named by path, by the end of a path or by
    file name alone, with either slash; case counts only where two names differ in nothing else. The path of a mask
    starts at the file's own folder.

    Args:
        path: ends in .json or .csv, which may also be annotations of COCO or labelme; or a folder of labelme's or
            YOLO's files. Their prompts have "objects", a list of `mam.cli.annotations.Annotation`.

    Raises:
        PromptError: the file cannot be read as described.
        FileNotFoundError: there is no such file.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._prompts = path, dict[str, dict[str, Any]]()
        try:
            rows: list[tuple[str, dict[str, Any]]]
            if path.is_dir():
                rows = [(image, {"objects": objects}) for image, objects in read_folder(path)]
            else:
                text = decode_text(path.read_bytes())
                rows = _read_csv(text) if path.suffix.lower() == ".csv" else _read_json(text)
        except FileNotFoundError:
            raise
        except (OSError, ValueError, csv.Error, argparse.ArgumentTypeError) as error:
            raise PromptError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
        for image, prompt in rows:
            key = self._key(image)
            if key in self._prompts:
                raise PromptError(f"{path}: {image} appears twice; expected one prompt per image.")
            if isinstance(prompt.get("mask"), str) and not is_address(prompt["mask"]):
                mask = path.parent / prompt["mask"]
                prompt["mask"] = mask if mask.exists() else path.parent / prompt["mask"].replace("\\", "/")
            self._prompts[key] = {name: value for name, value in prompt.items() if value is not None}
        self._folded: dict[str, str | None] = {}  # the keys without case; None where two differ in nothing else
        for key in self._prompts:
            self._folded[key.casefold()] = None if key.casefold() in self._folded else key

    def prompt_for(self, image: Input) -> dict[str, Any] | None:
        """Return the arguments of `mam.Scene.matte` for an image; None if the file does not name it."""
        key = self._key_of(image)
        return None if key is None else self._prompts[key]

    def unused(self, images: Sequence[Input]) -> list[str]:
        """Return the names in the file that none of the images has."""
        used = {self._key_of(image) for image in images}
        return [name for name in self._prompts if name not in used]

    @property
    def is_annotated(self) -> bool:
        """Whether there are annotations, which may be several objects of an image."""
        return any("objects" in prompt for prompt in self._prompts.values())

    def masks(self) -> list[Path]:
        """Return the files of masks that the prompts name and that exist."""
        masks = (prompt.get("mask") for prompt in self._prompts.values())
        return [mask for mask in masks if isinstance(mask, Path) and mask.is_file()]

    def _key(self, name: str) -> str:
        """Return a name of the file with slashes, without a drive; from the root if it leaves the folder."""
        name = _normalise(name)
        if not is_address(name) and "://" not in name:
            name = posixpath.normpath(re.sub(r"^[A-Za-z]:/", "", name))
        folder = self.path if self.path.is_dir() else self.path.parent
        return _normalise(os.path.abspath(folder / name)) if name.startswith("../") else name

    def _key_of(self, image: Input) -> str | None:
        """Return the key that means an image, the longest one."""
        if image.path is None:
            ends = [_normalise(str(image.source)), *_ends(_normalise(str(image.source))), _normalise(image.name)]
        else:
            ends = [*_ends(_normalise(os.path.abspath(image.path))), *_ends(_normalise(os.path.realpath(image.path)))]
            ends.sort(key=lambda end: -end.count("/"))
        if self.path.is_dir():
            ends.append(image.name)  # YOLO's files do not name the image's format
        exact = next((end for end in ends if end in self._prompts), None)
        folded = (self._folded.get(end.casefold()) for end in ends)
        return exact or next((key for key in folded if key is not None), None)


class Prompts:
    """The prompt of each image: its own in the file of prompts, else the one of the command line."""

    def __init__(self, arguments: argparse.Namespace) -> None:
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
        self._has_common = given or bool(labels)
        if labels and not any(labels) and not given:
            raise PromptError("all points are on the background; give one on the object, a box or a mask.")

    def files(self) -> list[Path]:
        """Return the files that are read for prompts."""
        return [] if self.file is None else [self.file.path, *self.file.masks()]

    def notes(self, inputs: list[Input]) -> list[str]:
        """Return notes about prompts of the file that belong to no image, and images that get another prompt."""
        if self.file is None:
            return []
        unused = self.file.unused(inputs)
        lacking = [image for image in inputs if self.file.prompt_for(image) is None]
        notes = []
        if unused:
            notes.append(
                f"{_count(unused, 'prompt belongs', 'prompts belong')} to no image, such as the one for {unused[0]}."
            )
        if lacking and self._has_common:  # else `of` refuses each of them
            names = f"{_count(lacking, 'image has', 'images have')} no prompt in {self.file.path}, such as {lacking[0]}"
            notes.append(f"{names}; the one of the command line is taken.")
        return notes

    def of(self, image: Input) -> dict[str, Any]:
        """Return the arguments of `mam.Scene.matte` for an image.

        Raises:
            PromptError: the file of prompts does not name the image, and no other prompt was given; or its mask is no
                file.
        """
        own = None if self.file is None else self.file.prompt_for(image)
        if own is not None:
            mask = own.get("mask")
            if isinstance(mask, Path) and not mask.is_file():
                raise PromptError(f"the mask {str(mask)!r} is no file.")
            return {"guidance": self.common["guidance"], **own}
        if self.file is not None and not self._has_common:
            raise PromptError(f"{self.file.path} has no prompt for {image}; add one, or leave the image out.")
        return self.common


def _count(items: Sequence[object], one: str, several: str) -> str:
    return f"{len(items)} {one if len(items) == 1 else several}"


def _normalise(name: str) -> str:
    """Return a name in one Unicode form, with slashes."""
    name = unicodedata.normalize("NFC", name.strip())
    return name if is_address(name) else name.replace("\\", "/")


def _ends(path: str) -> list[str]:
    """Return a path and all its ends, down to the file's name."""
    parts = path.split("/")
    return [path, *("/".join(parts[start:]) for start in range(1, len(parts)))]


def _read_json(text: str) -> list[tuple[str, dict[str, Any]]]:
    def refuse_repetition(pairs: list[tuple[str, Any]]) -> list[tuple[str, Any]] | dict[str, Any]:
        return pairs if len(dict(pairs)) < len(pairs) else dict(pairs)

    if '"shapes"' in text or '"annotations"' in text:
        annotations = read_annotations(parse_json(text))
        if annotations is not None:
            return [(image, {"objects": objects}) for image, objects in annotations]
    content = parse_json(text, object_pairs_hook=refuse_repetition)
    if isinstance(content, dict):
        content = list(content.items())
    if not isinstance(content, list) or not all(isinstance(row, tuple) and isinstance(row[1], dict) for row in content):
        raise ValueError('expected an object {"IMAGE": {"box": [x0, y0, x1, y1]}, ...}')
    for image, prompt in content:
        unknown = prompt.keys() - set(PROMPTS)
        if unknown:
            raise ValueError(f"{image} has {', '.join(sorted(unknown))}; expected some of {', '.join(PROMPTS)}")
    return content


def _read_csv(text: str) -> list[tuple[str, dict[str, Any]]]:
    text = re.sub(r"\Asep=.\r?\n", "", text)  # Excel's hint to itself
    header = text.partition("\n")[0]
    separator = max(",;\t", key=header.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
    columns = reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
    unknown = set(columns) - set(_COLUMNS)
    if "image" not in columns or unknown:
        raise ValueError(f"the columns are {', '.join(columns)}; expected image and some of {', '.join(_COLUMNS[1:])}")
    rows = []
    for row in reader:
        prompt: dict[str, Any] = {name: row[name] for name in ("mask", "text", "guidance") if row.get(name)}
        corners = [row.get(name) for name in ("x0", "y0", "x1", "y1")]
        if any(corners):
            try:
                # Where semicolons separate, commas are decimal.
                prompt["box"] = [float((corner or "").replace(",", ".")) for corner in corners]
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
