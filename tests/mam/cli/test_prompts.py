"""Files with one prompt per image."""

from pathlib import Path

import pytest

from mam.cli.files import Input
from mam.cli.prompts import PromptFile
from mam.errors import PromptError

A, B = Input(Path("photos/a.jpg"), "a"), Input(Path("photos/b.jpg"), "b")


def read(tmp_path: Path, name: str, text: str) -> PromptFile:
    (tmp_path / name).write_text(text)
    return PromptFile(tmp_path / name)


def test_json(tmp_path) -> None:
    prompts = read(tmp_path, "p.json", '{"a.jpg": {"box": [1, 2, 3, 4]}, "photos/b.jpg": {"mask": "m.png"}}')
    assert prompts.prompt_for(A) == {"box": [1, 2, 3, 4]}
    assert prompts.prompt_for(B) == {"mask": tmp_path / "m.png"}
    assert prompts.prompt_for(Input(Path("c.jpg"), "c")) is None


def test_csv(tmp_path) -> None:
    lines = "image,x0,y0,x1,y1,points,text\na.jpg,1,2,3,4,,\n" + 'b.jpg,,,,,"5,6;7,8,-",\n'
    prompts = read(tmp_path, "p.csv", lines)
    assert prompts.prompt_for(A) == {"box": [1, 2, 3, 4]}
    assert prompts.prompt_for(B) == {"points": [(5, 6), (7, 8)], "labels": [1, 0]}


def test_names_are_found_and_unused_ones_are_said(tmp_path) -> None:
    others = '"caf\\u00e9.jpg": {"mask": "https://example.org/m.png"}, "z": {}'
    prompts = read(tmp_path, "p.json", '{" a.jpg ": {"text": null}, "photos/b.jpg": {}, ' + others + "}")
    b, cafe = Input(tmp_path / "photos" / "b.jpg", "b"), Input(Path("cafe\u0301.jpg"), "cafe\u0301")
    assert prompts.prompt_for(A) == {} and prompts.prompt_for(b) == {}
    assert prompts.prompt_for(cafe) == {"mask": "https://example.org/m.png"}
    assert prompts.unused([A, b, cafe]) == ["z"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.json", "{", "p.json: "),
        ("p.json", "[1]", "expected an object"),
        ("p.json", '{"a": {"boxes": []}}', "a has boxes; expected some of box"),
        ("p.json", '{"a": {}, "a": {}}', "a appears twice"),
        ("p.csv", "file,x0\n", "the columns are file, x0; expected image"),
        ("p.csv", "image,x0,y0,x1,y1\na,1,2,3,\n", "line 2: .* is not a box"),
        ("p.csv", "image,points\na,5\n", "'5' is not a point"),
    ],
)
def test_mistakes_are_said(tmp_path, name, text, message) -> None:
    with pytest.raises(PromptError, match=message):
        read(tmp_path, name, text)
