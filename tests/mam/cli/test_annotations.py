"""Annotations of data sets in and out: labelme, COCO, YOLO."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mam.cli import main
from mam.cli.files import Input
from mam.cli.prompts import PromptFile
from mam.errors import PromptError
from mam.masks.outlines import decode_rle, draw_polygons
from tests.conftest import EXAMPLES

FLOWER = EXAMPLES / "flower.jpg"
BOX, SQUARE = [178, 82, 450, 360], [[100, 50], [300, 50], [300, 250], [100, 250]]
SHAPES = [
    {"label": "flower", "shape_type": "rectangle", "points": [[450, 360], [178, 82]], "group_id": 1},
    {"label": "flower", "shape_type": "point", "points": [[310, 215]], "group_id": 1},
    {"label": "leaf", "shape_type": "polygon", "points": SQUARE, "group_id": None},
    {"label": "eye", "shape_type": "point", "points": [[5, 6]]},
    {"label": "eye", "shape_type": "point", "points": [[7, 8]]},
]
LABELME = {"shapes": SHAPES, "imagePath": "..\\flower.jpg", "imageHeight": 427, "imageWidth": 640}
COCO = {
    "images": [{"id": 7, "file_name": "flower.jpg", "width": 640, "height": 427}, {"id": 8, "file_name": "x.jpg"}],
    "categories": [{"id": 3, "name": "flower"}],
    "annotations": [
        {"image_id": 7, "category_id": 3, "bbox": [178, 82, 272, 278], "segmentation": []},
        {"image_id": 7, "category_id": 3, "bbox": [100, 50, 200, 200], "segmentation": [[100, 50, 300, 50, 300, 250]]},
        {"image_id": 7, "category_id": 9, "segmentation": {"size": [427, 640], "counts": [5, 640 * 427 - 5]}},
        {"image_id": 7, "category_id": 3, "keypoints": [9, 8, 2, 1, 1, 0], "bbox": [1, 2, 30, 40]},
    ],
}


def prompts_of(path: Path) -> list:
    objects = PromptFile(path).prompt_for(Input(FLOWER, "flower"))["objects"]
    return [(one.label, one.prompt((427, 640))) for one in objects]


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_labelme(tmp_path) -> None:
    path = write(tmp_path / "flower.json", LABELME | {"imagePath": "flower.jpg"})
    for source in (path, tmp_path):
        (flower, box), (leaf, polygon), (eye, points) = prompts_of(source)
        assert (flower, leaf, eye) == ("flower", "leaf", "eye")
        assert list(box.box) == BOX and box.points == [[310, 215]] and polygon.box is None
        assert polygon.mask.sum() == 200 * 200 and polygon.mask[50, 100] and not polygon.mask[250, 300]
        assert points.box is None and points.points == [[5, 6], [7, 8]]


def test_coco(tmp_path) -> None:
    file = PromptFile(write(tmp_path / "a.json", COCO))
    assert file.is_annotated and file.unused([Input(FLOWER, "flower")]) == []
    (name, box), (_, polygon), (unknown, mask), (_, points) = prompts_of(tmp_path / "a.json")
    assert name == "flower" and list(box.box) == BOX and unknown == "object"
    assert polygon.mask.sum() == pytest.approx(20_000, rel=0.02) and mask.mask.sum() == 640 * 427 - 5
    assert list(points.box) == [1, 2, 31, 42] and points.points == [[9, 8]]


def test_yolo(tmp_path) -> None:
    write(tmp_path / "flower.txt", f"1 {314 / 640} {221 / 427} {272 / 640} {278 / 427}\n\n0 0 0 0.5 0 0.5 1 0 1\n")
    write(tmp_path / "classes.txt", "leaf\nflower\n")
    (flower, box), (leaf, polygon) = prompts_of(tmp_path)
    assert (flower, leaf) == ("flower", "leaf") and np.allclose(box.box, BOX)
    assert polygon.mask[:, :320].all() and not polygon.mask[:, 320:].any()


@pytest.mark.parametrize(
    "name, content, reason",
    [
        ("a.json", LABELME | {"shapes": [{"label": "a", "shape_type": "circle", "points": []}]}, "'circle'"),
        ("a.json", COCO | {"annotations": [{"bbox": [1, 2, 3, 4]}]}, "image_id"),
        ("d/a.txt", "0 0.5 0.5", "line 1"),
        ("d/a.txt", "cat 0.5 0.5 1 1", "line 1"),
        ("d/readme", "no annotations", "neither YOLO"),
    ],
)
def test_what_cannot_be_read(tmp_path, name, content, reason) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(PromptError, match=reason):
        PromptFile(path.parent if path.parent != tmp_path else path)


def test_a_data_set_is_refined(tmp_path, capsys, flower) -> None:
    annotations = COCO | {"annotations": [COCO["annotations"][0], {"image_id": 7, "bbox": [0, 0, 60, 60]}]}
    source, out = write(tmp_path / "a.json", annotations), tmp_path / "refined.json"
    arguments = ["matte", str(FLOWER), "--prompts", str(source), "-o", str(tmp_path / "out.png"), "--threads", "1"]
    assert main([*arguments, "--annotations", str(out)]) == 0
    refined = json.loads(out.read_text())
    first = refined["annotations"][0]
    mask = decode_rle(first["segmentation"]["size"], first["segmentation"]["counts"])
    assert np.array_equal(mask, flower.matte(box=BOX, guidance="mask").alpha >= 0.5)
    assert first["area"] == mask.sum() and refined["categories"][0]["name"] == "flower"
    assert np.asarray(Image.open(tmp_path / "out.png"))[215, 310, 3] > 240
    assert (tmp_path / refined["images"][0]["file_name"]).samefile(FLOWER)

    # What was written is read again, and labelme's polygons are close to the same mask.
    again = [*arguments[:3], str(out), *arguments[4:]]
    assert main([*again, "--annotations", str(tmp_path / "labels")]) == 0
    labelme = json.loads((tmp_path / "labels" / "flower.json").read_text())
    drawn = draw_polygons([one["points"] for one in labelme["shapes"] if one["group_id"] == 0], (427, 640))
    assert (drawn & mask).sum() / (drawn | mask).sum() > 0.97
    assert (tmp_path / "labels" / labelme["imagePath"]).samefile(FLOWER)
    assert main([*arguments, "--annotations", str(tmp_path / "a.csv")]) == 1 and "labelme" in capsys.readouterr().err
