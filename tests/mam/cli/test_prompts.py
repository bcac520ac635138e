"""Files with one prompt per image."""

import json
from pathlib import Path

import pytest

from mam.cli import main, matte
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
    "name", [r"photos\a.jpg", "PHOTOS/A.JPG", r"C:\photos\a.jpg", "./photos/a.jpg", "A.JPG", r".\photos\a.jpg"]
)
def test_names_of_other_systems_are_found(tmp_path, name) -> None:
    image = Input(tmp_path / "photos" / "a.jpg", "a")
    prompts = read(tmp_path, "p.csv", f"image,text\n{name},dog\n")
    assert prompts.prompt_for(image) == {"text": "dog"}
    assert prompts.prompt_for(Input(tmp_path / "other" / "b.jpg", "b")) is None


def test_a_name_in_another_folder_is_another_image(tmp_path) -> None:
    prompts = read(tmp_path, "p.json", r'{"one\\a.jpg": {"text": "dog"}, "two\\A.jpg": {"text": "cat"}, "x/a.jpg": {}}')
    texts = [prompts.prompt_for(Input(tmp_path / folder / "a.jpg", "a")) for folder in ("one", "two", "three")]
    assert texts == [{"text": "dog"}, {"text": "cat"}, None]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_files_of_spreadsheets(tmp_path, encoding, separator) -> None:
    decimal = "." if separator == "," else ","
    lines = [
        ["Image", "X0", "y0", "x1", "y1", "points"],
        ["caf\u00e9.jpg", f"1{decimal}5", "2", "3", "4", '"5,6;7,8,-"'],
    ]
    text = "sep=;\r\n" * (separator == ";") + "\r\n".join(separator.join(line) for line in lines)
    (tmp_path / "p.csv").write_bytes(text.encode(encoding))
    expected = {"box": [1.5, 2, 3, 4], "points": [(5, 6), (7, 8)], "labels": [1, 0]}
    assert PromptFile(tmp_path / "p.csv").prompt_for(Input(Path("caf\u00e9.jpg"), "")) == expected


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.json", "{", "p.json: it is no JSON"),
        ("p.json", '{"a":' * 100_000, "p.json: its JSON is nested too deeply"),
        ("p.json", "[1]", "expected an object"),
        ("p.json", '{"a": {"boxes": []}}', "a has boxes; expected some of text, box"),
        ("p.json", '{"a": {}, "a": {}}', "a appears twice"),
        ("p.csv", "file,x0\n", "the columns are file, x0; expected image"),
        ("p.csv", "image,x0,y0,x1,y1\na,1,2,3,\n", "line 2: .* is not a box"),
        ("p.csv", "image,points\na,5\n", "'5' is not a point"),
    ],
)
def test_mistakes_are_said(tmp_path, name, text, message) -> None:
    with pytest.raises(PromptError, match=message):
        read(tmp_path, name, text)


def test_what_is_no_text_is_said(tmp_path) -> None:
    (tmp_path / "p.csv").write_bytes(bytes(range(256)))
    with pytest.raises(PromptError, match=r"p\.csv: it is no text"):
        PromptFile(tmp_path / "p.csv")


@pytest.mark.parametrize("mask", ["none.png", ".", "a\0b"])
def test_a_mask_that_is_no_file_costs_its_image(tmp_path, capsys, monkeypatch, mask) -> None:
    monkeypatch.setattr(matte, "load_for", lambda arguments: None)
    (tmp_path / "p.json").write_text(json.dumps({"a.jpg": {"mask": mask}}))
    (tmp_path / "a.jpg").write_bytes(b"")
    arguments = [str(tmp_path / "a.jpg"), "--prompts", str(tmp_path / "p.json"), "-o", str(tmp_path / "out.png")]
    assert main(["matte", *arguments]) == 1 and "is no file" in capsys.readouterr().err
