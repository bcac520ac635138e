"""The results of `mam matte --annotations`: the objects' masks as COCO or labelme."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mam.cli.files import Input, fit_name, require_writable
from mam.errors import MamError
from mam.images.boxes import mask_bounds
from mam.images.encode import write_content
from mam.masks.outlines import encode_rle, find_polygons
from mam.matte import Matte


class AnnotationWriter:
    """Writes the masks of objects.

    Args:
        out: a .json file for COCO's format with run lengths, or a folder for labelme's files with polygons.
        read: the file or folder of annotations that the run reads, which is not overwritten; None if there is none.

    Raises:
        MamError: it is neither, it is `read`, or it cannot be written.
    """

    def __init__(self, out: Path, read: Path | None = None) -> None:
        self.out, self._categories, self._names = out, dict[str, int](), set[str]()
        self._images, self._annotations = list[dict[str, Any]](), list[dict[str, Any]]()
        self._is_coco = out.suffix.lower() == ".json" and not out.is_dir()
        if not self._is_coco and ((out.suffix and not out.is_dir()) or out.is_file()):
            raise MamError(f"--annotations {out} is neither a .json file, for COCO, nor a folder, for labelme.")
        if read is not None:
            own = {os.path.realpath(read), *(() if self._is_coco else [os.path.realpath(read.parent)])}
            if os.path.realpath(out) in own:
                raise MamError(f"--annotations {out} would overwrite what --prompts reads; --force allows it.")
        require_writable(out.parent if self._is_coco else out)

    def add(self, image: Input, found: Sequence[tuple[str, Matte]]) -> None:
        """Add the labelled objects of an image; their masks are where alpha is at least 0.5."""
        h, w = found[0][1].photo.size
        masks = [(label, matte.alpha >= 0.5, matte.score) for label, matte in found]
        if not self._is_coco:
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
        if self._is_coco:
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
        endings = itertools.chain([""], (f"_{number}" for number in itertools.count(2)))  # images may share a name
        names = (fit_name(image.name, f"{ending}.json") for ending in endings)
        name = next(name for name in names if name.casefold() not in self._names)
        self._names.add(name.casefold())
        write_content(json.dumps(content).encode(), self.out / name)


def _relative(image: Input, folder: Path) -> str:
    """Return the path of an image from a folder, with slashes; an address is returned itself."""
    place = str(image.source)
    if image.path is not None:
        with contextlib.suppress(ValueError):  # on different drives
            place = os.path.relpath(image.path, folder).replace(os.sep, "/")
    return place
