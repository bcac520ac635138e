"""`mam matte --watch`: what is complete, and a whole run with photos that arrive."""

import os
import shutil
import signal
import subprocess
import time

import pytest
from PIL import Image

from mam import Matting
from mam.cli import main, watch
from mam.cli.watch import Arrivals
from tests.conftest import EXAMPLES, ROOT
from tests.mock_graphs import MockGraphs


def test_a_file_is_complete_when_it_has_not_changed_for_a_second(tmp_path) -> None:
    now = [0.0]
    arrivals, photo = Arrivals(tmp_path, lambda: now[0]), tmp_path / "a.jpg"

    def look(after: float) -> list[str]:
        now[0] += after
        return [str(image) for image in arrivals.complete()]

    assert look(1) == []
    photo.write_bytes(b"beginning")
    (tmp_path / "notes.txt").write_text("no image")
    assert look(1) == [] and look(0.6) == []
    photo.write_bytes(b"beginning and end")
    assert look(0.6) == [] and look(0.6) == [] and look(0.6) == [str(photo)]
    assert look(5) == []  # broken or not, once
    replaced = tmp_path / "new"
    replaced.write_bytes(b"another photo")
    os.replace(replaced, photo)
    assert look(1) == [] and look(1) == [str(photo)] and look(1) == []


@pytest.mark.parametrize(
    "arguments, reason",
    [
        (["a.jpg", "--watch", "{folder}", "-o", "{folder}/out"], "leave out other images"),
        (["--watch", "{folder}"], "another folder for the results"),
        (["--watch", "{folder}", "-o", "{folder}"], "another folder for the results"),
        (["--watch", "{folder}/none", "-o", "{folder}/out"], "is no folder"),
        (["--watch", "{folder}", "-o", "-"], "another folder for the results"),
        (["--watch", "{folder}", "-o", "{folder}/one.png"], "another folder for the results"),
        ([], "no image was named"),
    ],
)
def test_what_excludes_each_other(arguments, reason, tmp_path, capsys) -> None:
    assert main(["matte", *(argument.format(folder=tmp_path) for argument in arguments)]) == 1
    assert reason in capsys.readouterr().err


def test_what_vanishes_meanwhile(tmp_path, monkeypatch, capsys) -> None:
    """A photo costs a line, and the folder ends the run."""
    folder, write_one = tmp_path / "in", watch.write_one
    folder.mkdir()
    for name in "ab":
        shutil.copy(EXAMPLES / "flower.jpg", folder / f"{name}.jpg")

    def write(matting, image, *rest) -> bool:
        (folder / "b.jpg").unlink(missing_ok=True)
        succeeded = write_one(matting, image, *rest)
        if image.name == "b":
            shutil.rmtree(folder)
        return succeeded

    for name, value in (("_COMPLETE", 0), ("_LOOK", 0), ("write_one", write)):
        monkeypatch.setattr(watch, name, value)
    monkeypatch.setattr(watch, "load_for", lambda arguments: Matting(MockGraphs()))
    assert main(["matte", "--watch", str(folder), "-o", str(tmp_path / "out"), "--box", "178,82,450,360"]) == 1
    printed = capsys.readouterr()
    assert "a.jpg -> " in printed.out and "b.jpg: " in printed.err and "is not there any more" in printed.err


def test_ctrl_c_finishes_the_current_photo(tmp_path, monkeypatch, capsys) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in "ab":
        shutil.copy(EXAMPLES / "flower.jpg", folder / f"{name}.jpg")

    def write(*_) -> bool:
        signal.raise_signal(signal.SIGINT)
        return True

    for name, value in (("_COMPLETE", 0), ("_LOOK", 0), ("write_one", write)):
        monkeypatch.setattr(watch, name, value)
    monkeypatch.setattr(watch, "load_for", lambda arguments: Matting(MockGraphs()))
    before = signal.getsignal(signal.SIGINT)
    assert main(["matte", "--watch", str(folder), "-o", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().err.endswith("1 photo done\n") and signal.getsignal(signal.SIGINT) is before


@pytest.mark.slow
def test_photos_that_arrive(python, tmp_path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    shutil.copy(EXAMPLES / "flower.jpg", folder / "a.jpg")
    command = [python, "-m", "mam", "matte", "--watch", folder, "-o", out, "--threads", "1"]
    running = subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    printed = ""

    def wait_for(end: str) -> None:
        nonlocal printed
        for line in running.stdout:
            printed += line
            if line.rstrip().endswith(end):
                return
        raise AssertionError(printed)

    wait_for("a_matte.png")
    content = (EXAMPLES / "kitten.jpg").read_bytes()
    with open(folder / "b.jpg", "wb") as photo:  # slowly, in three parts
        for part in (content[:1000], content[1000:2000], content[2000:]):
            photo.write(part)
            photo.flush()
            time.sleep(0.4)
    wait_for("b_matte.png")
    assert Image.open(out / "b_matte.png").size == Image.open(EXAMPLES / "kitten.jpg").size
    shutil.copy(EXAMPLES / "cat.png", tmp_path / "new.jpg")
    os.replace(tmp_path / "new.jpg", folder / "a.jpg")
    wait_for("a_matte.png")
    assert Image.open(out / "a_matte.png").size == (451, 300)
    (folder / "broken.jpg").write_bytes(b"no image")
    wait_for("JPEG 2000.")
    running.send_signal(signal.SIGINT)
    printed += running.communicate(timeout=60)[0]
    assert running.returncode == 0
    assert printed.count("broken.jpg is not an image") == 1 and printed.count("b.jpg -> ") == 1
    assert "3 photos done" in printed and "Traceback" not in printed
