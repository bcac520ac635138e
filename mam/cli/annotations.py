"""Annotations of data sets: prompts from the files of labelme, COCO and YOLO."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as shorten
from typing import Any

import numpy as np

from mam.cli.values import decode_text, parse_json
from mam.errors import PromptError
from mam.masks.outlines import decode_rle, draw_polygons
from mam.masks.prompts import Prompt

Points = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Annotation:
    """One object of an image.

    Attributes:
        label: the name of its class.
        box: (x0, y0, x1, y1).
        polygons: around its parts; they count instead of the box.
        points: on it.
        rle: size and counts of a mask; it counts instead of the others.
        relative: coordinates are parts of the image's width and height.
    """

    label: str
    box: Sequence[float] | None = None
    polygons: Sequence[Points] = ()
    points: Points = ()
    rle: tuple[tuple[int, int], Any] | None = None
    relative: bool = False

    def prompt(self, size: tuple[int, int]) -> Prompt:
        """Return the prompt for an image of this (H, W); polygons and run lengths become masks.

        Raises:
            PromptError: the mask is of another size.
            InputError: its run lengths cannot be read.
        """
        if self.rle is not None:
            if self.rle[0] != size:
                raise PromptError(f"the mask of {self.label!r} has (H, W) {self.rle[0]}; the image has {size}.")
            return Prompt(mask=decode_rle(*self.rle))
        scale = np.array((size[1], size[0]) if self.relative else (1, 1))
        if self.polygons:
            return Prompt(mask=draw_polygons([(np.array(one) * scale).tolist() for one in self.polygons], size))
        box = None if self.box is None else (np.reshape(self.box, (2, 2)) * scale).ravel().tolist()
        return Prompt(box, [(np.array(point) * scale).tolist() for point in self.points])


Found = list[tuple[str, list[Annotation]]]


def read_folder(folder: Path) -> Found:
    """Read a folder with a file per image, named as the image: YOLO's .txt, or labelme's .json.

    Raises:
        ValueError: there is none, or one of them cannot be read; the message names it.
    """
    found: Found = []
    names_file = folder / "classes.txt"
    names = decode_text(names_file.read_bytes()).splitlines() if names_file.exists() else []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path == names_file or path.suffix.lower() not in (".txt", ".json"):
            continue
        with _naming(path.name):
            text = decode_text(path.read_bytes())
            if path.suffix.lower() == ".txt":
                found.append((path.stem, _read_yolo(text, names)))
            else:
                found += read_annotations(parse_json(text)) or []
    if not found:
        raise ValueError("the folder holds neither YOLO's .txt nor labelme's .json")
    return found


def read_annotations(content: Any) -> Found | None:
    """Read the content of a JSON file of COCO or labelme -> the objects by image; None if it is neither.

    Raises:
        ValueError: it lacks something, or has something else in its place.
    """
    if not isinstance(content, dict):
        return None
    if isinstance(content.get("shapes"), list) and "imagePath" in content:
        return [(_name_of_image(content, "imagePath"), _read_labelme(content["shapes"]))]
    if isinstance(content.get("images"), list) and isinstance(content.get("annotations"), list):
        return _read_coco(content)
    return None


def _read_labelme(shapes: list[Any]) -> list[Annotation]:
    """Read shapes; those of a group are one object, and so are a label's points without a group."""
    groups: dict[Any, list[tuple[str, str, Points]]] = {}
    for number, shape in enumerate(shapes):
        with _naming(f"shape {number + 1}"):
            kind, label, group = shape.get("shape_type") or "polygon", str(shape["label"]), shape.get("group_id")
            if kind not in ("polygon", "rectangle", "point"):
                raise ValueError(f"{kind!r} is not read; expected polygon, rectangle or point")
            key = ("group", group) if group is not None else ("label", label) if kind == "point" else number
            groups.setdefault(key, []).append((kind, label, _rows(shape["points"], 2)))
    objects = []
    for parts in groups.values():
        corners, points = ([row for kind, _, rows in parts if kind == wanted for row in rows]
                           for wanted in ("rectangle", "point"))  # fmt: skip
        box = [*map(min, zip(*corners, strict=True)), *map(max, zip(*corners, strict=True))] if corners else None
        polygons = [rows for kind, _, rows in parts if kind == "polygon" and len(rows) > 2]
        objects.append(Annotation(parts[0][1], box, polygons, points))
    return objects


def _read_coco(content: dict[str, Any]) -> Found:
    names, objects, files = dict[Any, str](), dict[Any, list[Annotation]](), dict[Any, str]()
    categories = content.get("categories")
    for number, one in enumerate(categories if isinstance(categories, list) else (), 1):
        with _naming(f"category {number}"):
            names[one["id"]] = str(one["name"])
    for number, one in enumerate(content["images"], 1):
        with _naming(f"image {number}"):
            files[one["id"]], objects[one["id"]] = _name_of_image(one, "file_name"), []
    for number, one in enumerate(content["annotations"], 1):
        with _naming(f"annotation {number}"):
            if one["image_id"] not in objects:
                raise ValueError(f"image_id {one['image_id']!r} is of none of the images")
            objects[one["image_id"]].append(_read_coco_object(one, names))
    return [(files[image], found) for image, found in objects.items() if found]


def _read_coco_object(one: dict[str, Any], names: dict[Any, str]) -> Annotation:
    label, shape = names.get(one.get("category_id"), "object"), one.get("segmentation") or ()
    if isinstance(shape, dict):
        h, w = _row(shape["size"], 2)
        return Annotation(label, rle=((int(h), int(w)), shape["counts"]))
    x, y, w, h = _row(one.get("bbox") or (0, 0, 0, 0), 4)
    box = (x, y, x + w, y + h) if w and h else None
    polygons = [rows for rows in (_rows(polygon, 2) for polygon in shape) if len(rows) > 2]
    points = [mark[:2] for mark in _rows(one.get("keypoints") or (), 3) if mark[2] == 2]  # visible ones
    return Annotation(label, box, polygons, points)


def _read_yolo(text: str, names: Sequence[str]) -> list[Annotation]:
    """Read lines CLASS CX CY W H, or CLASS X Y X Y X Y ..., all in parts of the width and height."""
    objects = []
    for number, line in enumerate(text.splitlines(), 1):
        parts = line.split()
        if not parts:
            continue
        with _naming(f"line {number}, {line[:60]!r},"):
            kind, count = int(parts[0]), len(parts) - 1
            if kind < 0 or (count != 4 and (count < 6 or count % 2)):
                raise ValueError("expected a class and CX CY W H, or X Y of at least three corners")
            label = names[kind].strip() if kind < len(names) else str(kind)
            if count == 4:
                x, y, w, h = _row(parts[1:], 4)
                objects.append(Annotation(label, (x - w / 2, y - h / 2, x + w / 2, y + h / 2), relative=True))
            else:
                objects.append(Annotation(label, polygons=[_rows(parts[1:], 2)], relative=True))
    return objects


@contextlib.contextmanager
def _naming(what: str) -> Iterator[None]:
    """Name what cannot be read, in a ValueError."""
    try:
        yield
    except KeyError as error:
        raise ValueError(f"{what} lacks {error}") from None
    except (TypeError, AttributeError):
        raise ValueError(f"{what} is not as its format describes it") from None
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError(f"{what} cannot be read: {error}") from None


def _name_of_image(content: dict[str, Any], field: str) -> str:
    if not isinstance(content[field], str) or not content[field]:
        raise ValueError(f"{field} is {content[field]!r}; expected the name of an image")
    return content[field]


def _rows(values: Any, columns: int) -> list[list[float]]:
    """Return numbers, nested or not, in rows of so many.

    Raises:
        ValueError: something is not a finite number, or the last row is incomplete.
    """
    try:
        rows = np.reshape(np.asarray(values, np.float64), (-1, columns))
    except (ValueError, TypeError, OverflowError):
        rows = np.full((1, columns), np.nan)
    if not np.isfinite(rows).all():
        raise ValueError(f"expected rows of {columns} finite numbers, not {shorten(values)}")
    return rows.tolist()


def _row(values: Any, columns: int) -> list[float]:
    rows = _rows(values, columns)
    if len(rows) != 1:
        raise ValueError(f"expected {columns} numbers, not {shorten(values)}")
    return rows[0]
