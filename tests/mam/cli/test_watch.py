"""`mam matte --watch`: what is complete, and a whole run with photos that arrive."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from PIL import Image

from mam.cli import main
from mam.cli.watch import Arrivals
from tests.conftest import EXAMPLES, ROOT


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
        ([], "no image was named"),
    ],
)
def test_what_excludes_each_other(arguments, reason, tmp_path, capsys) -> None:
    pytest.importorskip("watchfiles", reason="needs watchfiles: pip install watchfiles") if arguments else None
    assert main(["matte", *(argument.format(folder=tmp_path) for argument in arguments)]) == 1
    assert reason in capsys.readouterr().err


@pytest.mark.slow
def test_photos_that_arrive(python, tmp_path) -> None:
    import watchfiles  # noqa: F401

    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    shutil.copy(EXAMPLES / "flower.jpg", folder / "a.jpg")
    command = [python, "-m", "mam", "matte", "--watch", folder, "-o", out, "--threads", "1"]
    running = subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def wait_for(name: str, newer_than: float = 0) -> Path:
        for _ in range(600):
            if (out / name).exists() and (out / name).stat().st_mtime > newer_than:
                return out / name
            assert running.poll() is None, running.stdout.read()
            time.sleep(0.2)
        raise AssertionError(f"no {name}")

    first = wait_for("a_matte.png").stat().st_mtime
    content = (EXAMPLES / "kitten.jpg").read_bytes()
    with open(folder / "b.jpg", "wb") as photo:  # slowly, in three parts
        for part in (content[:1000], content[1000:2000], content[2000:]):
            photo.write(part)
            photo.flush()
            time.sleep(0.4)
    (folder / "broken.jpg").write_bytes(b"no image")
    assert Image.open(wait_for("b_matte.png")).size == Image.open(EXAMPLES / "kitten.jpg").size
    shutil.copy(EXAMPLES / "cat.png", tmp_path / "new.jpg")
    os.replace(tmp_path / "new.jpg", folder / "a.jpg")
    assert Image.open(wait_for("a_matte.png", first)).size == (451, 300)
    running.send_signal(signal.SIGINT)
    printed, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    assert printed.count("broken.jpg is not an image") == 1 and printed.count("b.jpg -> ") == 1
    assert "3 photos done" in printed and "Traceback" not in printed
