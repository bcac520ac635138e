"""Annotations of data sets in and out: labelme, COCO, YOLO."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mam.cli import main, matte
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
        ("a.json", LABELME | {"shapes": ["a"]}, "shape 1 is not as its format"),
        ("a.json", LABELME | {"shapes": [{"label": "a", "points": [[1]]}]}, "shape 1 .* rows of 2"),
        ("a.json", LABELME | {"imagePath": None}, "imagePath is None"),
        ("a.json", COCO | {"images": [{"id": 7, "file_name": 5}]}, "image 1 .* file_name is 5"),
        ("a.json", COCO | {"images": [7]}, "image 1 is not as its format"),
        ("a.json", COCO | {"categories": [{"id": 3}]}, "category 1 lacks 'name'"),
        ("a.json", COCO | {"annotations": [{"bbox": [1, 2, 3, 4]}]}, "annotation 1 lacks 'image_id'"),
        ("a.json", COCO | {"annotations": [{"image_id": [], "bbox": [1, 2, 3, 4]}]}, "annotation 1"),
        ("a.json", COCO | {"annotations": [{"image_id": 99}]}, "annotation 1 .* 99 is of none"),
        ("a.json", COCO | {"annotations": [{"image_id": 7, "bbox": [1, 2, 3]}]}, "annotation 1 .* rows of 4"),
        ("a.json", COCO | {"annotations": [{"image_id": 7, "bbox": [*range(8)]}]}, "annotation 1 .* expected 4"),
        ("a.json", COCO | {"annotations": [{"image_id": 7, "bbox": [1, 2, float("nan"), 4]}]}, "annotation 1 .* nan"),
        ("a.json", COCO | {"annotations": [{"image_id": 7, "bbox": [1, 2, 10**400, 4]}]}, "annotation 1 .* finite"),
        ("a.json", COCO | {"annotations": [{"image_id": 7, "segmentation": [[1, 2, 3]]}]}, "annotation 1 .* rows of 2"),
        ("a.json", COCO | {"annotations": [{"image_id": 7, "segmentation": "mask"}]}, "annotation 1 .* rows of 2"),
        ("a.json", COCO | {"annotations": [{"image_id": 7, "segmentation": {"size": [9]}}]}, "annotation 1"),
        ("a.json", COCO | {"annotations": [{"image_id": 7, "keypoints": ["a", 1, 2]}]}, "annotation 1 .* rows of 3"),
        ("d/a.txt", "0 0.5 0.5", "a.txt .*line 1"),
        ("d/a.txt", "cat 0.5 0.5 1 1", "a.txt .*line 1"),
        ("d/a.txt", "0 nan 0.5 1 1", "a.txt .*line 1"),
        ("d/a.txt", "-9 0.5 0.5 1 1", "a.txt .*line 1"),
        ("d/a.json", "{", "a.json cannot be read"),
        ("d/a.json", "[" * 100_000, "a.json cannot be read"),
        ("d/readme", "no annotations", "neither YOLO"),
    ],
)
def test_what_cannot_be_read(tmp_path, name, content, reason) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(PromptError, match=reason):
        PromptFile(path.parent if path.parent != tmp_path else path)


@pytest.mark.parametrize(
    "size, counts, reason",
    [
        ([10**6, 10**6], [10**12], "has (H, W) (1000000, 1000000); the image has (427, 640)"),
        ([427, 640], [5], "does not fill"),
        ([427, 640], [0.5], "no run-length encoding"),
        ([427, 640], 5, "no run-length encoding"),
        ([427, 640], "o" * 100_000, "no run-length encoding"),
        ([427, 640], "\u20ac", "no run-length encoding"),
    ],
)
def test_a_mask_that_cannot_be_decoded_costs_its_image(size, counts, reason, tmp_path, capsys) -> None:
    annotations = [{"image_id": 7, "segmentation": {"size": size, "counts": counts}}]
    path = write(tmp_path / "a.json", COCO | {"annotations": annotations})
    assert main(["matte", str(FLOWER), "--prompts", str(path), "-o", str(tmp_path / "out.png")]) == 1
    assert reason in capsys.readouterr().err


def test_what_is_not_drawn_leaves_the_box(tmp_path) -> None:
    annotation = {"image_id": 7, "bbox": [1, 2, 30, 40], "segmentation": [[], [5, 5, 9, 9]]}
    ((_, prompt),) = prompts_of(write(tmp_path / "a.json", COCO | {"annotations": [annotation]}))
    assert list(prompt.box) == [1, 2, 31, 42] and prompt.mask is None


def test_a_folder_as_other_systems_leave_it(tmp_path) -> None:
    """Marks of byte order, macOS' files of attributes, and images in a folder beside."""
    labels, images = tmp_path / "labels", tmp_path / "images"
    images.mkdir()
    image = Input(images / "flower.jpg", "flower")
    image.path.write_bytes(FLOWER.read_bytes())
    write(labels / "._flower.json", "\0\5")
    content = json.dumps(LABELME | {"imagePath": "..\\images\\flower.jpg"})
    (labels / "flower.json").write_bytes(content.encode("utf-8-sig"))
    assert len(PromptFile(labels).prompt_for(image)["objects"]) == 3
    (labels / "flower.json").unlink()
    (labels / "flower.txt").write_bytes("0 0.5 0.5 1 1".encode("utf-16"))
    assert len(PromptFile(labels).prompt_for(image)["objects"]) == 1


def test_an_image_without_objects(tmp_path, capsys) -> None:
    write(tmp_path / "labels" / "flower.txt", "")
    arguments = ["matte", str(FLOWER), "--prompts", str(tmp_path / "labels"), "-o", str(tmp_path / "out.png")]
    assert main(arguments) == 1 and "its annotations name no object" in capsys.readouterr().err


def test_where_annotations_are_written(tmp_path, capsys) -> None:
    """Each is refused before the model is loaded, and what is read is not overwritten."""
    source = write(tmp_path / "a.json", COCO)
    content = source.read_bytes()
    (tmp_path / "file").write_text("")
    arguments = ["matte", str(FLOWER), "--prompts", str(source), "-o", str(tmp_path / "out.png")]
    for out, reason, *more in (
        (source, "would overwrite"),
        (tmp_path, "would overwrite"),
        (tmp_path / "file" / "b.json", "cannot be created"),
        (tmp_path / "file", "neither a .json file"),
        (tmp_path / "a.csv", "neither a .json file"),
        (tmp_path / "b.json", "leave out --skip-existing", "--skip-existing"),
    ):
        assert main([*arguments, "--annotations", str(out), *more]) == 1
        assert reason in capsys.readouterr().err and not (tmp_path / "out.png").exists()
    assert source.read_bytes() == content


@pytest.mark.slow
def test_images_of_one_name_have_annotations_of_their_own(tmp_path) -> None:
    for folder in "ab":
        (tmp_path / folder).mkdir()
        shutil.copy(FLOWER, tmp_path / folder / "flower.jpg")
    images = [str(tmp_path / folder / "flower.jpg") for folder in "ab"]
    folder = tmp_path / "labels.v2"
    folder.mkdir()
    assert main(["matte", *images, "-o", str(tmp_path / "out"), "--annotations", str(folder), "--threads", "1"]) == 0
    found = [json.loads(path.read_text())["imagePath"] for path in sorted(folder.iterdir())]
    assert sorted(found) == ["../a/flower.jpg", "../b/flower.jpg"]


def test_an_interruption_leaves_the_annotations_so_far(tmp_path, monkeypatch) -> None:
    images = [str(shutil.copy(FLOWER, tmp_path / f"{name}.jpg")) for name in "ab"]
    write_one = matte.write_one

    def interrupt(model, image, *rest) -> bool:
        if image.name == "b":
            raise KeyboardInterrupt
        return write_one(model, image, *rest)

    monkeypatch.setattr(matte, "write_one", interrupt)
    out = tmp_path / "a.json"
    assert main(["matte", *images, "-o", str(tmp_path / "out"), "--annotations", str(out), "--threads", "1"]) == 130
    assert [one["file_name"] for one in json.loads(out.read_text())["images"]] == ["a.jpg"]


@pytest.mark.slow
def test_a_data_set_is_refined(tmp_path, flower) -> None:
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
