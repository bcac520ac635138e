"""`python demo/app.py --variant vit_b` on a machine that has nothing: download, export, take over; the page works meanwhile."""

import functools
import http.server
import os
import sys
import threading
import time

import pytest
from playwright.sync_api import expect

from demo import app, first_use
from demo.first_use import FirstUse
from demo.studio import Studio
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

    def log_message(self, *words) -> None:
        pass


@pytest.fixture()
def nothing_there(tmp_path, monkeypatch):
    """A machine without models, whose mirror has a small one; the folder of the mirror."""
    files, home = tmp_path / "mirror", tmp_path / "home"
    files.mkdir()
    small_vit.write_mirror(files)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Mirror, directory=files))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("MAM_HOME", str(home))
    monkeypatch.setenv("MAM_MIRROR", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(
        first_use, "COMMAND", [sys.executable, "-m", "tests.small_vit", str(files), "prepare", "--variant"]
    )
    yield files
    server.shutdown()


def test_a_visitor_works_on_tiny_until_the_model_takes_over(browser, nothing_there) -> None:
    matting, first = app.load(app.parse(["--variant", "vit_b", "--device", "cpu"]))
    demo = app.build_demo(matting, first)
    _, address, _ = demo.launch(server_port=free_port(), prevent_thread_lock=True, quiet=True, **app.LAUNCH)
    tab = browser.new_page(viewport={"width": 1280, "height": 1200})
    visitor, told = Visitor(tab, address), tab.locator("#first_use")
    expect(told).to_contain_text("this page runs on tiny")
    tab.locator("#examples img").nth(3).click()
    visitor.settled("Flower found")
    assert not first.done, "the test's model was ready before anybody could work without it"
    if folder := os.environ.get("SCREENSHOTS"):
        tab.screenshot(path=f"{folder}/first_use.png")
    expect(told).to_contain_text("vit_b is ready, on CPUExecutionProvider", timeout=120_000)
    visitor.opened()
    visitor.click(310, 215)
    expect(tab.locator("#canvas .status")).to_contain_text("Model vit_b", timeout=60_000)
    assert visitor.problems == []
    tab.close()
    demo.close()
    # The next start finds it, and so does the library.
    again, nothing = app.load(app.parse(["--variant", "vit_b"]))
    assert again.graphs.variant == "vit_b" and nothing is None
    assert Matting.load("vit_b").open(EXAMPLES / "flower.jpg").image_embeddings.shape == (1, 256, 64, 64)


def ended(matting: Matting, load=Matting.load) -> str:
    """What a first use says in the end; the page stays as it is."""
    studio, first = Studio(matting), FirstUse("vit_b", load)
    first.start(studio)
    while not first.done:
        time.sleep(0.1)
    assert studio.matting is matting and first.in_words().endswith("This page stays on `tiny`.")
    return first.in_words()


def test_what_goes_wrong_is_told_and_the_page_stays_on_tiny(matting, nothing_there) -> None:
    (nothing_there / "mam.pth").write_bytes(b"<html>please sign in</html>")
    assert "vit_b could not be made ready (export: mam.pth" in ended(matting) or "web page" in ended(matting)


def test_what_nobody_foresaw_is_told_too(matting, monkeypatch) -> None:
    monkeypatch.setattr(first_use, "COMMAND", [sys.executable, "-c", "print('all is well')"])
    assert "for a reason that the server's log tells" in ended(matting, lambda folder: 1 / 0)
    monkeypatch.setattr(first_use, "COMMAND", [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"])
    assert "a signal, 9, ended it" in ended(matting)
    monkeypatch.setattr(first_use, "COMMAND", ["/no/such/python"])
    assert "for a reason that the server's log tells" in ended(matting)
