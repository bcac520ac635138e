"""`python demo/app.py` on a machine without models: the better model is downloaded while the page works on `tiny`."""

import dataclasses
import functools
import hashlib
import http.server
import os
import re
import threading
import time
from pathlib import Path

import pytest
import torch
from playwright.sync_api import expect

from demo import app
from demo.engine import Engine
from demo.model_upgrade import ModelUpgrade
from demo.texts import ENGLISH, Texts
from mam import Matting, weights
from mam.model.folders import BUNDLE
from mam.model.variants import VARIANTS
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
def mirror(tmp_path, monkeypatch):
    """A machine without models, and a server in the hub's place; returns the folder that it serves."""
    files = tmp_path / "mirror"
    files.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Mirror, directory=files))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("MAM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MAM_MIRROR", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.delenv("MAM_OFFLINE", raising=False)
    yield files
    server.shutdown()


@pytest.fixture()
def nothing_there(mirror, small_templates, monkeypatch):
    """The mirror has a small `vit_b`."""
    small_vit.write_mirror(mirror)
    small_vit.publish(monkeypatch, mirror, small_templates)
    return mirror


@pytest.fixture()
def mobile_sam(mirror, monkeypatch):
    """The mirror has a MobileSAM of the real size with random weights."""
    file = mirror / "mobile_sam.pt"
    torch.save(small_vit.build_distinct(VARIANTS["mobile_sam"]).sam.state_dict(), file)
    facts = {"size": file.stat().st_size, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    monkeypatch.setitem(weights.REGISTRY, file.name, dataclasses.replace(weights.REGISTRY[file.name], **facts))


def wait_for(file: Path) -> None:
    while not file.exists():
        time.sleep(0.1)


def test_a_visitor_works_on_tiny_until_the_better_model_takes_over(browser, mobile_sam, tmp_path) -> None:
    matting, chosen = app.load(app.parse(["--device", "cpu"]))
    assert matting.graphs.variant == "tiny" and chosen.variant == "mobile_sam"
    worked = tmp_path / "worked"  # on a busy machine too, the model is not ready before the visitor has an answer
    first = ModelUpgrade("mobile_sam", lambda folder: wait_for(worked) or chosen.load(folder))
    demo = app.build_demo(matting, first)
    _, address, _ = demo.launch(server_port=free_port(), prevent_thread_lock=True, quiet=True, **app.LAUNCH)
    tab = browser.new_page(viewport={"width": 1280, "height": 720})
    visitor, state = Visitor(tab, address), tab.locator("#upgrade")
    expect(state).to_contain_text(re.compile(r"Getting a better model \(41 MB\) … \d+%"), timeout=20_000)
    tab.locator("#canvas [data-example=flower]").click()
    visitor.wait_for_answer("found")
    assert not first.done
    if folder := os.environ.get("SCREENSHOTS"):
        tab.screenshot(path=f"{folder}/upgrade.png")
    worked.touch()
    expect(state).to_contain_text("The better model is ready", timeout=120_000)
    visitor.open_and_wait()  # the main object, proposed by tiny, segmented by MobileSAM
    visitor.wait_for_answer("")
    visitor.click(310, 215)
    visitor.wait_for_answer("")
    assert visitor.problems == []
    later = browser.new_page()
    Visitor(later, address)
    expect(later.locator("#upgrade")).to_be_hidden()
    later.close()
    tab.close()
    demo.close()
    # The next start finds it, and so does the library.
    assert app.load(app.parse(["--variant", "mobile_sam"]))[0].graphs.variant == "mobile_sam"
    scene = Matting.load("mobile_sam").open(EXAMPLES / "flower.jpg")
    assert scene.graphs.policy.crop_margin == 0.2 and not scene.needs_prompt


def test_nothing_is_downloaded_where_that_is_not_wanted(mobile_sam, tmp_path, monkeypatch) -> None:
    for chosen in (["--variant", "tiny"], ["--graphs", str(BUNDLE)]):
        matting, first = app.load(app.parse([*chosen, "--device", "cpu"]))
        assert matting.graphs.variant == "tiny" and first is None
    monkeypatch.setenv("MAM_OFFLINE", "1")
    matting, first = app.load(app.parse(["--device", "cpu"]))
    assert matting.graphs.variant == "tiny" and first is None and not (tmp_path / "home").exists()


def failed_status(matting: Matting, load=Matting.load) -> str:
    """The line that visitors see when a first use fails; the page stays as it is."""
    engine, first = Engine(matting), ModelUpgrade("vit_b", load)
    first.start_for(engine)
    while first.running:
        time.sleep(0.1)
    assert engine.matting is matting and first.failed
    assert first.status(Texts("de")).startswith("Das bessere Modell ist nicht verfügbar")
    return first.status(ENGLISH)


FAILED = "The better model is not available."


def test_a_file_that_is_not_the_published_one_is_reported(matting, nothing_there, tmp_path, capsys) -> None:
    file = nothing_there / "sam_vit_b_01ec64.pth"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    assert failed_status(matting) == FAILED
    assert re.search("vit_b could not be prepared: .* it is damaged or another file", capsys.readouterr().out)
    assert not (tmp_path / "home" / file.name).exists()


def test_a_server_without_the_file_is_reported(matting, nothing_there, capsys) -> None:
    (nothing_there / "sam_vit_b_01ec64.pth").unlink()
    assert failed_status(matting) == FAILED and "the server answered 404" in capsys.readouterr().out


def test_without_the_authors_mask_to_matte_the_model_takes_over_all_the_same(matting, nothing_there, capsys) -> None:
    (nothing_there / "mam.pth").unlink()
    engine, first = Engine(matting), ModelUpgrade("vit_b", lambda folder: Matting.load(folder, device="cpu"))
    first.start_for(engine)
    while first.running:
        time.sleep(0.1)
    assert engine.matting.graphs.variant == "vit_b" and "is ready" in first.status(ENGLISH)
    printed = capsys.readouterr().out
    assert "Downloading sam_vit_b_01ec64.pth: 100%" in printed and "Mask-to-Matte is the embedded model's" in printed


def test_unexpected_failures_are_reported(matting, nothing_there, caplog) -> None:
    assert failed_status(matting, lambda folder: 1 / 0) == FAILED
    assert "ZeroDivisionError" in caplog.text
