"""Which images are meant, and what their results are called."""

from pathlib import Path

import numpy as np
import pytest

from mam.cli.files import Input, choose_outputs, find_inputs, fit_name, is_result
from mam.errors import MamError
from mam.images.encode import describe_source, encode_image, format_of, write_content


def inputs(*paths: str | Path) -> list[Input]:
    return [Input(Path(path), Path(path).stem) for path in paths]


def outputs(*names: str, out: str = "out/", suffix: str = ".png") -> list[str]:
    return [path.name for path in choose_outputs(inputs(*names), out, suffix, force=False) if path is not None]


def found(*patterns: str) -> list[str]:
    return [image.path.name for image in find_inputs(patterns)[0]]


def test_globs_folders_and_files_are_found(tmp_path) -> None:
    for name in ("x.jpg", "y.PNG", "z.JFIF", "notes.txt", ".hidden.jpg"):
        (tmp_path / name).touch()
    assert found(str(tmp_path)) == ["x.jpg", "y.PNG", "z.JFIF"]
    assert find_inputs([str(tmp_path)])[1] == [f"{tmp_path}: 1 file left out (not images)."]
    assert found(str(tmp_path / "*.jpg"), str(tmp_path / "y.PNG")) == ["x.jpg", "y.PNG"]
    assert found(str(tmp_path / "x.jpg"), str(tmp_path)) == ["x.jpg", "y.PNG", "z.JFIF"]  # one file once
    with pytest.raises(FileNotFoundError, match="matches no image"):
        find_inputs([str(tmp_path / "*.gif")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="empty holds no images"):
        find_inputs([str(tmp_path / "empty")])


def test_results_are_not_taken_for_images(tmp_path) -> None:
    for name in ("1.jpg", "1_matte.png", "1_matte_2.webp", "my_matte.jpg"):
        (tmp_path / name).touch()
    assert found(str(tmp_path)) == ["1.jpg", "my_matte.jpg"]
    assert found(str(tmp_path / "1_matte.png")) == ["1_matte.png"]  # named on purpose
    assert found(*(str(tmp_path / name) for name in ("1.jpg", "1_matte.png"))) == ["1.jpg"]  # the shell's *
    long = "\u6c34" * 83
    (tmp_path / f"{long}.jpg").touch()
    (tmp_path / fit_name(long, "_matte.png")).touch()
    assert found(str(tmp_path)) == ["1.jpg", "my_matte.jpg", f"{long}.jpg"]


def test_a_mask_is_not_overwritten(tmp_path) -> None:
    (tmp_path / "a.jpg").touch()
    mask = tmp_path / "a_matte.png"
    mask.touch()
    (out,) = choose_outputs(inputs(tmp_path / "a.jpg"), str(tmp_path), ".png", False, [mask])
    assert out.name == "a_jpg_matte.png"


def test_no_two_results_have_one_name() -> None:
    assert outputs("a/x.jpg", "a/x.png", "b/x.jpg") == ["x_matte.png", "x_png_matte.png", "x_jpg_matte.png"]
    assert outputs("a/x.jpg", "b/X.jpg") == ["x_matte.png", "X_jpg_matte.png"]  # for file systems that ignore case
    composed, decomposed = "\u00e9.jpg", "e\u0301.jpg"
    assert outputs(composed, decomposed)[1].endswith("_jpg_matte.png")


def test_long_names_keep_their_ending() -> None:
    names = outputs("\u6c34" * 83 + "1.jpg", "\u6c34" * 83 + "2.jpg")
    assert len(set(names)) == 2
    assert all(len(name.encode()) <= 255 and name.endswith(".png") and "_matte" in name for name in names)
    assert fit_name("a" * 300, "_b.png") == "a" * 249 + "_b.png"


def test_an_image_is_not_overwritten(tmp_path) -> None:
    image = tmp_path / "a_matte.png"
    image.touch()
    (tmp_path / "a.jpg").touch()
    both = inputs(image, tmp_path / "a.jpg")
    assert [p.name for p in choose_outputs(both, str(tmp_path), ".png", False)] == [
        "a_matte_matte.png",
        "a_jpg_matte.png",
    ]
    with pytest.raises(MamError, match="--force"):
        choose_outputs(inputs(image), str(image), ".png", False)
    assert choose_outputs(inputs(image), str(image), ".png", True) == [image]


def make_result(file: Path, image: Path | str) -> None:
    file.parent.mkdir(exist_ok=True)
    write_content(
        encode_image(np.zeros((2, 2, 3), np.uint8), format_of(file), source=describe_source(image, file)), file
    )


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg"])
def test_a_result_keeps_its_name_when_other_images_join(tmp_path, suffix, monkeypatch) -> None:
    png, jpg, other = (tmp_path / name for name in ("a/x.png", "a/x.jpg", "b/x.png"))
    out = tmp_path / "out"

    def names(*images: Path) -> list[str]:
        return [path.name for path in choose_outputs(inputs(*images), str(out), suffix, False)]

    make_result(out / f"x_matte{suffix}", png)
    first = [f"x_matte{suffix}"]
    assert names(png) == first and names(jpg) == [f"x_jpg_matte{suffix}"] and names(other) == [f"x_png_matte{suffix}"]
    assert names(jpg, png) == [f"x_jpg_matte{suffix}", *first]
    make_result(out / f"x_jpg_matte{suffix}", jpg)
    (out / f"x_matte{suffix}").unlink()
    assert names(jpg) == [f"x_jpg_matte{suffix}"]
    monkeypatch.chdir(tmp_path)
    assert names(Path("a/x.jpg")) == [f"x_jpg_matte{suffix}"]
    assert is_result(out / f"x_jpg_matte{suffix}", inputs(jpg)[0])
    assert not is_result(out / f"x_jpg_matte{suffix}", inputs(png)[0])


def test_results_without_a_record_belong_to_the_only_image_of_their_name(tmp_path) -> None:
    (tmp_path / "x_matte.png").write_bytes(encode_image(np.zeros((2, 2), np.uint8), "PNG"))
    assert outputs("a/x.jpg", out=str(tmp_path)) == ["x_matte.png"]
    assert outputs("a/x.jpg", "a/x.png", out=str(tmp_path)) == ["x_jpg_matte.png", "x_png_matte.png"]


def test_results_in_other_folders_are_not_taken_for_images(tmp_path) -> None:
    (tmp_path / "a.jpg").touch()
    make_result(tmp_path / "cut" / "a_matte.png", tmp_path / "a.jpg")
    assert found(str(tmp_path / "**" / "*.*")) == ["a.jpg"]


@pytest.mark.parametrize("out", ["out.v2/", "out.v2", "out", "a/b.c/d"])
def test_folders(out) -> None:
    (path,) = choose_outputs(inputs("x.jpg"), out, ".webp", False)
    assert path == Path(out) / "x_matte.webp"


@pytest.mark.parametrize("out", ["out.png", "OUT.JPG", "out.webp"])
def test_one_file(out) -> None:
    assert choose_outputs(inputs("x.jpg"), out, ".png", False) == [Path(out)]
    with pytest.raises(MamError, match="is one file, but there are 2 images"):
        choose_outputs(inputs("x.jpg", "y.jpg"), out, ".png", False)


def test_standard_input_and_output(monkeypatch) -> None:
    (image,), _ = find_inputs(["-"])
    assert str(image) == "standard input"
    assert choose_outputs([image], None, ".png", False) == [None]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    with pytest.raises(MamError, match="not written to a terminal"):
        choose_outputs([image], "-", ".png", False)


def test_addresses_are_named_after_their_file() -> None:
    (image,), _ = find_inputs(["https://example.org/a%20b.jpg?x=1"])
    assert image.name == "a b" and image.path is None


@pytest.mark.parametrize("pattern", ["a[1].jpg", "Trip [2024]/*.jpg", "**/b[[]1].jpg", "**/b[1].jpg", "T*/b[1]*"])
def test_brackets_of_names_need_no_escape(tmp_path, pattern) -> None:
    (tmp_path / "Trip [2024]").mkdir()
    for name in ("a[1].jpg", "Trip [2024]/b[1].jpg"):
        (tmp_path / name).touch()
    assert found(str(tmp_path / pattern)) == ["a[1].jpg" if pattern[0] == "a" else "b[1].jpg"]
