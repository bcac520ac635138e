"""Annotations of data sets: prompts from labelme, COCO and YOLO, results as COCO and labelme."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mam.cli.files import Input, fit_name
from mam.errors import MamError
from mam.images.boxes import mask_bounds
from mam.images.encode import write_content
from mam.masks.outlines import decode_rle, draw_polygons, encode_rle, find_polygons

if TYPE_CHECKING:
    from mam.masks.prompts import Prompt
    from mam.matte import Matte

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
    rle: tuple[Sequence[int], Any] | None = None
    relative: bool = False

    def prompt(self, size: tuple[int, int]) -> Prompt:
        """Return the prompt for an image of this (H, W); polygons and run lengths become masks.

        Raises:
            MamError: the mask does not fit.
        """
        from mam.masks.prompts import Prompt

        if self.rle is not None:
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
        ValueError: there is none, or one of them cannot be read.
    """
    found = [(path.stem, _read_yolo(path)) for path in sorted(folder.glob("*.txt")) if path.stem != "classes"]
    for path in sorted(folder.glob("*.json")):
        content = json.loads(path.read_text("utf-8"))
        found += read_annotations(content) or []
    if not found:
        raise ValueError("the folder holds neither YOLO's .txt nor labelme's .json")
    return found


def read_annotations(content: Any) -> Found | None:
    """Read the content of a JSON file of COCO or labelme -> the objects by image; None if it is neither.

    Raises:
        ValueError: it lacks something.
    """
    if not isinstance(content, dict):
        return None
    try:
        if isinstance(content.get("shapes"), list) and "imagePath" in content:
            return [(content["imagePath"], _read_labelme(content["shapes"]))]
        if isinstance(content.get("images"), list) and isinstance(content.get("annotations"), list):
            return _read_coco(content)
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError(f"an annotation cannot be read ({type(error).__name__}: {error})") from None
    return None


def _read_labelme(shapes: list[dict[str, Any]]) -> list[Annotation]:
    """Read shapes; those of a group are one object, and so are a label's points without a group."""
    groups: dict[Any, list[dict[str, Any]]] = {}
    for number, shape in enumerate(shapes):
        kind, group = shape.get("shape_type") or "polygon", shape.get("group_id")
        key = ("group", group) if group is not None else ("label", shape["label"]) if kind == "point" else number
        groups.setdefault(key, []).append({**shape, "shape_type": kind})
    objects = []
    for group in groups.values():
        of = {kind: [one["points"] for one in group if one["shape_type"] == kind] for kind in
              ("point", "rectangle", "polygon")}  # fmt: skip
        unread = {one["shape_type"] for one in group} - of.keys()
        if unread:
            raise ValueError(f"labelme's shape {min(unread)!r} is not read; expected polygon, rectangle or point")
        corners = np.array([point for points in of["rectangle"] for point in points])
        box = [*corners.min(0), *corners.max(0)] if len(corners) else None
        points = [point for points in of["point"] for point in points]
        objects.append(Annotation(str(group[0]["label"]), box, of["polygon"], points))
    return objects


def _read_coco(content: dict[str, Any]) -> Found:
    names = {one["id"]: str(one["name"]) for one in content.get("categories", ())}
    objects: dict[Any, list[Annotation]] = {image["id"]: [] for image in content["images"]}
    for one in content["annotations"]:
        label, shape = names.get(one.get("category_id"), "object"), one.get("segmentation") or ()
        x, y, w, h = one.get("bbox") or (0, 0, 0, 0)
        box = (x, y, x + w, y + h) if w and h else None
        if isinstance(shape, dict):
            objects[one["image_id"]].append(Annotation(label, box, rle=(shape["size"], shape["counts"])))
            continue
        polygons = [np.reshape(polygon, (-1, 2)).tolist() for polygon in shape]
        marks = np.reshape(one.get("keypoints") or (), (-1, 3))
        points = marks[marks[:, 2] == 2, :2].tolist()  # visible ones
        objects[one["image_id"]].append(Annotation(label, box, polygons, points))
    return [(image["file_name"], objects[image["id"]]) for image in content["images"] if objects[image["id"]]]


def _read_yolo(path: Path) -> list[Annotation]:
    """Read a file of lines CLASS CX CY W H, or CLASS X Y X Y X Y ..., all in parts of the width and height."""
    names_file = path.parent / "classes.txt"
    names = names_file.read_text("utf-8").split("\n") if names_file.exists() else []
    objects = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        parts = line.split()
        try:
            kind, values = int(parts[0]) if parts else 0, [float(part) for part in parts[1:]]
        except ValueError:
            raise ValueError(f"{path.name}, line {number}: {line[:60]!r} is not of YOLO's format") from None
        label = names[kind].strip() if kind < len(names) else str(kind)
        if len(values) == 4:
            x, y, w, h = values
            objects.append(Annotation(label, (x - w / 2, y - h / 2, x + w / 2, y + h / 2), relative=True))
        elif len(values) >= 6 and len(values) % 2 == 0:
            objects.append(Annotation(label, polygons=[np.reshape(values, (-1, 2)).tolist()], relative=True))
        elif parts:
            raise ValueError(f"{path.name}, line {number}: {line[:60]!r} is neither a box nor a polygon")
    return objects


class Annotations:
    """The results of `mam matte --annotations`.

    Args:
        out: a .json file for COCO's format with run lengths, or a folder for labelme's files with polygons.
    """

    def __init__(self, out: Path) -> None:
        self.out, self._categories = out, dict[str, int]()
        self._images, self._annotations = list[dict[str, Any]](), list[dict[str, Any]]()
        if out.suffix.lower() != ".json" and out.suffix:
            raise MamError(f"--annotations {out} is neither a .json file, for COCO, nor a folder, for labelme.")

    def add(self, image: Input, found: Sequence[tuple[str, Matte]]) -> None:
        """Add the objects of an image; their masks are where alpha is at least 0.5."""
        h, w = found[0][1].photo.size
        masks = [(label, matte.alpha >= 0.5, matte.score) for label, matte in found]
        if not self.out.suffix:
            self._write_labelme(image, (h, w), [(label, mask) for label, mask, _ in masks])
            return
        number = len(self._images) + 1
        self._images.append({"id": number, "file_name": _relative(image, self.out.parent), "width": w, "height": h})
        for label, mask, score in masks:
            x0, y0, x1, y1 = mask_bounds(mask) or (0, 0, 0, 0)
            self._annotations.append(
                {
                    "id": len(self._annotations) + 1,
                    "image_id": number,
                    "category_id": self._categories.setdefault(label, len(self._categories) + 1),
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "area": int(mask.sum()),
                    "segmentation": {"size": [h, w], "counts": encode_rle(mask)},
                    "iscrowd": 0,
                    "score": round(score, 4),
                }
            )

    def finish(self) -> None:
        """Write the file of COCO's format."""
        if self.out.suffix:
            categories = [{"id": number, "name": name} for name, number in self._categories.items()]
            content = {"images": self._images, "annotations": self._annotations, "categories": categories}
            write_content(json.dumps(content).encode(), self.out)

    def _write_labelme(self, image: Input, size: tuple[int, int], masks: Sequence[tuple[str, np.ndarray]]) -> None:
        shapes = [
            {"label": label, "points": polygon.tolist(), "group_id": number, "shape_type": "polygon", "flags": {}}
            for number, (label, mask) in enumerate(masks)
            for polygon in find_polygons(mask)
        ]
        content = {
            **{"version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": _relative(image, self.out)},
            **{"imageData": None, "imageHeight": size[0], "imageWidth": size[1]},
        }
        self.out.mkdir(parents=True, exist_ok=True)
        write_content(json.dumps(content).encode(), self.out / fit_name(image.name, ".json"))


def _relative(image: Input, folder: Path) -> str:
    if image.path is None:
        return image.name
    return os.path.relpath(image.path, folder).replace(os.sep, "/")
