"""`mam matte`, in this process and once in a process of its own."""

import io
import os
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from mam.cli import main, parse
from tests.conftest import EXAMPLES, ROOT

FLOWER = str(EXAMPLES / "flower.jpg")
BOX = ["--box", "178,82,450,360"]


@pytest.mark.slow
def test_one_image_in_a_process(python, tmp_path, flower) -> None:
    out = tmp_path / "out.png"
    command = [python, "-m", "mam", "matte", FLOWER, *BOX, "--point", "310,215", "--point", "20,20,-", "-o", str(out)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == str(out)
    cutout = np.asarray(Image.open(out))
    expected = flower.matte(box=(178, 82, 450, 360), points=[(310, 215), (20, 20)], labels=[1, 0])
    assert np.array_equal(cutout, expected.cutout())
    assert cutout.shape == (427, 640, 4) and cutout[215, 310, 3] > 240 and cutout[5, 5, 3] < 10


@pytest.mark.slow
def test_alpha_and_backgrounds(tmp_path) -> None:
    assert main(["matte", FLOWER, *BOX, "--alpha", "-o", str(tmp_path / "a.png")]) == 0
    assert Image.open(tmp_path / "a.png").mode == "L"
    for name, background in {"c": "navy", "b": "blur", "p": str(EXAMPLES / "coffee.png")}.items():
        assert main(["matte", FLOWER, *BOX, "--background", background, "-o", str(tmp_path / f"{name}.png")]) == 0
        assert Image.open(tmp_path / f"{name}.png").mode == "RGB"
    assert Image.open(tmp_path / "c.png").getpixel((2, 2)) == (0, 0, 128)


@pytest.mark.slow
def test_one_failure_does_not_stop_a_folder(tmp_path, capsys) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(FLOWER, folder / "a.jpg")
    (folder / "b.jpg").write_bytes(b"not an image")
    shutil.copy(FLOWER, folder / "c.jpg")
    assert main(["matte", str(folder), *BOX, "-o", str(tmp_path / "out")]) == 1
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a_matte.png", "c_matte.png"]
    printed = capsys.readouterr().err
    assert f"{folder}: b.jpg is not an image" in printed and "2 of 3 images done" in printed


def test_the_main_object_is_cut_out_without_a_prompt(tmp_path) -> None:
    out = tmp_path / "out.png"
    assert main(["matte", FLOWER, "-o", str(out)]) == 0
    assert np.asarray(Image.open(out))[215, 310, 3] > 200


def test_errors_are_one_line(tmp_path, capsys) -> None:
    assert main(["matte", "nowhere/*.jpg", *BOX]) == 1
    assert capsys.readouterr().err == "mam: nowhere/*.jpg matches no image; expected a file, a folder or a glob.\n"
    assert main(["matte", FLOWER, str(EXAMPLES / "cat.png"), *BOX, "-o", "one.png"]) == 1
    assert "is one file, but there are 2 images" in capsys.readouterr().err
    assert main(["matte", FLOWER, *BOX, "-o", "out.bmp"]) == 1
    assert "ends in none of .png, .webp, .jpg, .jpeg" in capsys.readouterr().err
    assert main(["matte", FLOWER, *BOX, "--background", "whiite", "--graphs", "nowhere"]) == 1
    assert "--background whiite is neither an image file nor a colour" in capsys.readouterr().err
    assert main(["matte", FLOWER, "--point", "1,2,-", "--graphs", "nowhere"]) == 1
    assert "all points are on the background" in capsys.readouterr().err
    assert main(["matte", FLOWER, *BOX, "--graphs", str(tmp_path)]) == 1
    assert "lacks image_encoder.onnx" in capsys.readouterr().err


def test_a_text_prompt(tmp_path, capsys, grounding_folder) -> None:
    out = tmp_path / "out.png"
    command = ["matte", FLOWER, "--device", "cpu", "--grounding", str(grounding_folder), "-o", str(out)]
    status = main([*command, "--text", "the flower", "--point", "310,215"])
    assert status == 0 and Image.open(out).size == (640, 427)
    with pytest.raises(SystemExit):
        parse([*command, "--text", "..."])
    with pytest.raises(SystemExit):
        parse([*command, "--text", "the flower", "--box", "1,2,3,4"])
    capsys.readouterr()
    assert main([*command[:4], "--grounding", str(tmp_path), "--text", "a cat"]) == 1
    assert "mam weights get grounding-dino-tiny" in capsys.readouterr().err


def test_an_output_folder_that_cannot_be_created_is_refused_before_the_work(tmp_path, capsys) -> None:
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "flower.png"
    assert main(["matte", str(EXAMPLES / "flower.jpg"), "--box", "178,82,450,360", "-o", str(out)]) == 1
    printed = capsys.readouterr().err
    assert f"the folder {out.parent} cannot be created" in printed and "flower.jpg:" not in printed


@pytest.mark.parametrize(("option", "value"), [("--box", "a,b,c,d"), ("--box", "1,2,3"), ("--point", "1,x")])
def test_what_is_no_box_or_point_is_refused(option, value, capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["matte", "photo.jpg", option, value])
    assert f"{value!r} is not a {option[2:]}; expected" in capsys.readouterr().err


def test_ctrl_c_is_quiet(monkeypatch, capsys) -> None:
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("mam.Matting.load", interrupt)
    assert main(["matte", str(EXAMPLES / "flower.jpg"), "--box", "178,82,450,360"]) == 130
    assert capsys.readouterr().err == "mam: interrupted\n"


def run_in_process(python: str, *arguments: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run([python, "-m", "mam", "matte", *arguments], cwd=ROOT, capture_output=True, **options)


@pytest.mark.slow
def test_standard_input_and_output(python) -> None:
    content = (EXAMPLES / "flower.jpg").read_bytes()
    done = run_in_process(python, "-", *BOX, "--trim", "5", "--format", "webp", input=content)
    assert done.returncode == 0, done.stderr
    image = Image.open(io.BytesIO(done.stdout))
    assert image.format == "WEBP" and image.mode == "RGBA" and image.width < 640


@pytest.mark.slow
def test_a_name_that_the_terminal_cannot_encode_does_not_end_a_batch(python, tmp_path) -> None:
    for name in ("\u6c34\u6c34.jpg", "b.jpg"):
        shutil.copy(FLOWER, tmp_path / name)
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = run_in_process(python, str(tmp_path), *BOX, "-o", str(tmp_path / "out"), env=ascii_only)
    assert done.returncode == 0 and b"2 of 2 images done" in done.stderr
    assert len(list((tmp_path / "out").iterdir())) == 2


@pytest.mark.slow
def test_formats_by_name_and_a_negative_box(tmp_path) -> None:
    out = tmp_path / "out.v2"
    assert main(["matte", FLOWER, "--box", "-20,-10,450,360", "--format", "jpg", "-o", f"{out}/"]) == 0
    assert Image.open(out / "flower_matte.jpg").getpixel((2, 2)) > (245, 245, 245)
    assert main(["matte", FLOWER, *BOX, "--alpha", "--bits", "16", "-o", str(tmp_path / "a.png")]) == 0
    assert Image.open(tmp_path / "a.png").mode.startswith("I")


@pytest.mark.slow
def test_mask_scribble_and_metadata(tmp_path) -> None:
    mask = np.zeros((427, 640), np.uint8)
    mask[100:340, 200:430] = 1
    Image.fromarray(mask).save(tmp_path / "mask.png")
    out = tmp_path / "out.png"
    assert main(["matte", FLOWER, "--mask", str(tmp_path / "mask.png"), "-o", str(out)]) == 0
    assert np.asarray(Image.open(out))[215, 310, 3] > 200
    assert main(["matte", FLOWER, "--scribble", "280,200,340,230", "--keep-metadata", "-o", str(out)]) == 0
    assert np.asarray(Image.open(out))[215, 310, 3] > 200


def test_a_second_run_leaves_results_and_originals_alone(tmp_path, capsys) -> None:
    shutil.copy(FLOWER, tmp_path / "a.jpg")
    command = ["matte", str(tmp_path), *BOX, "-o", str(tmp_path)]
    assert main(command) == 0 and main([*command, "--skip-existing"]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.jpg", "a_matte.png"]
    printed = capsys.readouterr().err
    assert "1 file left out (earlier results)" in printed and "a.jpg skipped: " in printed
    assert main(["matte", str(tmp_path / "a.jpg"), *BOX, "-o", str(tmp_path / "a.jpg")]) == 1
    assert "is read, as the image itself or for it; --force overwrites it" in capsys.readouterr().err


@pytest.mark.slow
def test_a_prompt_for_each_image(tmp_path) -> None:
    for name in ("a.jpg", "b.jpg"):
        shutil.copy(FLOWER, tmp_path / name)
    (tmp_path / "prompts.csv").write_text("image,x0,y0,x1,y1\na.jpg,178,82,450,360\n")
    command = ["matte", str(tmp_path), "--prompts", str(tmp_path / "prompts.csv"), "--alpha", "--box", "0,0,60,60"]
    assert main([*command, "-o", str(tmp_path / "out")]) in (0, 1)  # nothing may be found in the corner
    assert np.asarray(Image.open(tmp_path / "out" / "a_matte.png"))[215, 310] > 200
    other = tmp_path / "out" / "b_matte.png"
    assert not other.exists() or np.asarray(Image.open(other))[215, 310] < 50


def test_an_image_without_its_prompt_is_not_guessed(tmp_path, capsys) -> None:
    for name in ("a.jpg", "b.jpg"):
        shutil.copy(FLOWER, tmp_path / name)
    (tmp_path / "prompts.csv").write_text("image,x0,y0,x1,y1\na.jpg,178,82,450,360\nc.jpg,1,2,3,4\n")
    command = ["matte", str(tmp_path), "--prompts", str(tmp_path / "prompts.csv"), "-o", str(tmp_path / "out")]
    assert main(command) == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a_matte.png"]
    printed = capsys.readouterr().err
    assert "has no prompt for" in printed and "1 prompt belongs to no image, such as the one for c.jpg." in printed


def test_a_result_is_written_through_a_link(tmp_path) -> None:
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "target.png", tmp_path / "link.png"
    target.write_bytes(b"old")
    link.symlink_to(target)
    assert main(["matte", FLOWER, *BOX, "--trim", "0", "-o", str(link)]) == 0
    assert link.is_symlink() and Image.open(target).mode == "RGBA"
    assert os.listdir(tmp_path / "folder") == ["target.png"]


@pytest.mark.slow
def test_an_image_that_joins_is_cut_out_and_the_others_are_skipped(tmp_path, capsys) -> None:
    command = ["matte", str(tmp_path), *BOX, "-o", str(tmp_path / "out"), "--skip-existing"]
    Image.open(FLOWER).save(tmp_path / "x.png")
    assert main(command) == 0
    before = (tmp_path / "out" / "x_matte.png").read_bytes()
    shutil.copy(FLOWER, tmp_path / "x.jpg")
    assert main(command) == 0
    assert sorted(os.listdir(tmp_path / "out")) == ["x_jpg_matte.png", "x_matte.png"]
    assert (tmp_path / "out" / "x_matte.png").read_bytes() == before
    assert "x.png skipped: " in capsys.readouterr().err


def test_presets(tmp_path, capsys) -> None:
    out = str(tmp_path / "out.png")
    assert main(["matte", FLOWER, *BOX, "--preset", "square", "--background", "navy", "-o", out]) == 0
    assert Image.open(out).size == (2000, 2000) and Image.open(out).getpixel((2, 2)) == (0, 0, 128)
    assert main(["matte", FLOWER, *BOX, "--preset", "square", "--alpha", "--bits", "16", "-o", out]) == 1
    assert "--bits 16 and --preset" in capsys.readouterr().err


def test_the_command_names_all_presets() -> None:
    from mam.compose.presets import PRESETS

    for name in PRESETS:
        assert parse(["matte", FLOWER, "--preset", name]).preset == name
