"""`python demo/app.py --variant vit_b` on a machine without models: download while the page works."""

import functools
import http.server
import os
import threading
import time
from pathlib import Path

import pytest
from playwright.sync_api import expect

from demo import app
from demo.engine import Engine
from demo.first_use import FirstUse
from demo.messages import UNEXPECTED
from mam import Matting
from tests import small_vit
from tests.conftest import EXAMPLES
from tests.demo.conftest import free_port
from tests.demo.visitor import Visitor


class Mirror(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, slowly, so that somebody can watch."""

    def copyfile(self, source, outputfile) -> None:
        while block := source.read(1 << 16):
            outputfile.write(block)
            time.sleep(0.005)

    def log_message(self, *parts) -> None:
        pass


@pytest.fixture()
def nothing_there(small_skeletons, tmp_path, monkeypatch):
    """A machine without models, and a mirror with a small one; returns the folder of the mirror."""
    files, home = tmp_path / "mirror", tmp_path / "home"
    files.mkdir()
    small_vit.write_mirror(files)
    small_vit.publish(monkeypatch, files, small_skeletons)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Mirror, directory=files))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("MAM_HOME", str(home))
    monkeypatch.setenv("MAM_MIRROR", f"http://127.0.0.1:{server.server_port}")
    yield files
    server.shutdown()


def wait_for(file: Path) -> None:
    while not file.exists():
        time.sleep(0.1)


def test_a_visitor_works_on_tiny_until_the_model_takes_over(browser, nothing_there, tmp_path) -> None:
    matting, chosen = app.load(app.parse(["--variant", "vit_b", "--device", "cpu"]))
    worked = tmp_path / "worked"  # on a busy machine too, the model is not ready before the visitor has an answer
    first = FirstUse("vit_b", lambda folder: wait_for(worked) or chosen.load(folder))
    demo = app.build_demo(matting, first)
    _, address, _ = demo.launch(server_port=free_port(), prevent_thread_lock=True, quiet=True, **app.LAUNCH)
    tab = browser.new_page(viewport={"width": 1280, "height": 1200})
    visitor, progress = Visitor(tab, address), tab.locator("#first_use")
    expect(progress).to_contain_text("this page runs on tiny")
    tab.locator("#canvas [data-example=flower]").click()
    visitor.wait_for_answer("found")
    assert not first.done
    worked.touch()
    if folder := os.environ.get("SCREENSHOTS"):
        tab.screenshot(path=f"{folder}/first_use.png")
    expect(progress).to_contain_text("vit_b is ready: photos", timeout=120_000)
    visitor.open_and_wait()
    visitor.click(310, 215)
    visitor.wait_for_answer("")
    assert visitor.problems == []
    tab.close()
    demo.close()
    # The next start finds it, and so does the library.
    again, nothing = app.load(app.parse(["--variant", "vit_b"]))
    assert again.graphs.variant == "vit_b" and nothing is None
    assert Matting.load("vit_b").open(EXAMPLES / "flower.jpg").whole.features["image_embeddings"].shape == (
        1,
        256,
        64,
        64,
    )


def failed_status(matting: Matting, load=Matting.load) -> str:
    """How a first use that fails ends; the page stays as it is."""
    engine, first = Engine(matting), FirstUse("vit_b", load)
    first.start(engine)
    while not first.done:
        time.sleep(0.1)
    assert engine.matting is matting and first.status().endswith("This page stays on `tiny`.")
    return first.status()


def test_a_file_that_is_not_the_published_one_is_reported(matting, nothing_there, tmp_path) -> None:
    file = nothing_there / "sam_vit_b_01ec64.pth"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    status = failed_status(matting)
    assert "vit_b could not be prepared (" in status and "it is damaged or another file" in status
    assert not (tmp_path / "home" / file.name).exists()


def test_a_server_without_the_file_is_reported(matting, nothing_there) -> None:
    (nothing_there / "sam_vit_b_01ec64.pth").unlink()
    assert "the server answered 404" in failed_status(matting)


def test_without_the_authors_mask_to_matte_the_model_takes_over_all_the_same(matting, nothing_there, capsys) -> None:
    (nothing_there / "mam.pth").unlink()
    engine, first = Engine(matting), FirstUse("vit_b", lambda folder: Matting.load(folder, device="cpu"))
    first.start(engine)
    while not first.done:
        time.sleep(0.1)
    assert engine.matting.graphs.variant == "vit_b" and "vit_b is ready" in first.status()
    printed = capsys.readouterr().out
    assert "Downloading sam_vit_b_01ec64.pth: 100%" in printed and "Mask-to-Matte is the embedded model's" in printed


def test_unexpected_failures_are_reported(matting, nothing_there) -> None:
    assert UNEXPECTED in failed_status(matting, lambda folder: 1 / 0)
