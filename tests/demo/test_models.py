"""`python demo/app.py` on a machine without models: they are downloaded and checked while the page works on `tiny`."""

import dataclasses
import hashlib
import os
import re
import time
from pathlib import Path

import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from demo import app
from demo import models as page_models
from demo.engine import Engine
from demo.models import Models
from demo.texts import Texts
from mam import Matting, weights
from mam.model.folders import BUNDLE
from mam.model.variants import VARIANTS
from mam.proof import Proof
from tests import small_vit
from tests.conftest import EXAMPLES
from tests.demo.conftest import free_port
from tests.demo.visitor import Visitor
from tests.serving import serving_folder


@pytest.fixture()
def mirror(tmp_path, monkeypatch):
    """A machine without models, and a server in the hub's place; returns the folder that it serves."""
    files = tmp_path / "mirror"
    files.mkdir()
    monkeypatch.setenv("MAM_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MAM_OFFLINE", raising=False)
    with serving_folder(files, pause=0.005) as address:
        monkeypatch.setenv("MAM_MIRROR", address)
        yield files


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


@pytest.fixture()
def outcome(monkeypatch) -> dict[str, bool]:
    """What the check says, in place of half a minute of work."""
    said = {"better": False}
    measured = {"versions": {}, "measured": {}, "tiny": {}}
    proofs = lambda loaded, tiny: Proof(loaded.graphs.variant, said["better"], "as the test wants", **measured)  # noqa: E731
    monkeypatch.setattr(page_models, "prove", proofs)
    return said


def wait_for(file: Path) -> None:
    while not file.exists():
        time.sleep(0.1)


def finish(models: Models) -> None:
    while models.running:
        time.sleep(0.05)


def state(models: Models, name: str, language: str = "en") -> str:
    """What the menu says about a model."""
    return next(row["state"] for row in models.menu("", Texts(language))["rows"] if row["name"] == name)


def test_a_visitor_works_on_tiny_until_another_model_is_ready_and_goes_back(
    browser, mobile_sam, outcome, tmp_path
) -> None:
    outcome["better"] = True
    matting, chosen = app.load(app.parse(["--device", "cpu"]))
    assert matting.graphs.variant == "tiny" and chosen.following == "mobile_sam"
    worked = tmp_path / "worked"  # on a busy machine too, the model is not ready before the visitor has an answer
    models = Models(lambda folder: wait_for(worked) or chosen.load(folder), "mobile_sam", may_download=True)
    demo = app.build_demo(matting, models)
    _, address, _ = demo.launch(server_port=free_port(), prevent_thread_lock=True, quiet=True, **app.LAUNCH)
    tab = browser.new_page(viewport={"width": 1280, "height": 720})
    visitor, menu = Visitor(tab, address), tab.locator("#models")
    expect(menu.locator("p")).to_contain_text(re.compile(r"mobile_sam: downloading \d+%"), timeout=20_000)
    tab.locator("#canvas [data-example=flower]").click()
    visitor.wait_for_answer("found")
    row = menu.locator("[data-name=mobile_sam]")
    menu.locator("summary").click()
    picture(tab, "models_loading")
    worked.touch()
    expect(row).to_contain_text("in use from the next photo", timeout=120_000)
    expect(menu.locator("summary")).to_have_text("Model: tiny")  # the photo stays with its model
    visitor.size = (640, 427)
    menu.locator("summary").press("Escape")
    visitor.click(310, 215)
    visitor.wait_for_answer("")
    before = visitor.canvas.get_attribute("data-photo")
    menu.locator("summary").click()
    row.click()  # keeps the photo and both prompts
    expect(menu.locator("summary")).to_have_text("Model: mobile_sam", timeout=20_000)
    visitor.wait_for_answer("")
    assert visitor.canvas.get_attribute("data-photo") == before
    picture(tab, "models_chosen")
    menu.locator("summary").click()
    menu.locator("[data-name=tiny]").click()
    expect(menu.locator("summary")).to_have_text("Model: tiny", timeout=20_000)
    visitor.wait_for_answer("found")
    tab.locator("#canvas [data-action=undo]:visible").click()
    visitor.wait_for_answer("found")
    assert visitor.problems == []
    phone = browser.new_context(
        viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True, locale="de-DE", color_scheme="dark"
    )
    later = phone.new_page()
    Visitor(later, address)
    expect(later.locator("#models summary")).to_have_accessible_name("Modell: mobile_sam")
    later.locator("#models summary").tap()
    expect(later.locator("#models [data-name=vit_b]")).to_contain_text("kann heruntergeladen werden")
    picture(later, "models_phone")
    serious = [one for one in Axe().run(later).response["violations"] if one["impact"] in ("serious", "critical")]
    assert [(one["id"], node["html"]) for one in serious for node in one["nodes"]] == []
    phone.close()
    tab.close()
    demo.close()
    # The next start finds it, and so does the library.
    assert app.load(app.parse(["--variant", "mobile_sam"]))[0].graphs.variant == "mobile_sam"
    scene = Matting.load("mobile_sam").open(EXAMPLES / "flower.jpg")
    assert scene.graphs.policy.crop_margin == 0.2 and not scene.needs_prompt


def picture(tab, name: str) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        tab.screenshot(path=f"{folder}/{name}.png")


def test_nothing_is_downloaded_where_that_is_not_wanted(mobile_sam, tmp_path, monkeypatch) -> None:
    def begun(options: list[str]) -> list[str]:
        matting, models = app.load(app.parse([*options, "--device", "cpu"]))
        models.start_for(Engine(matting))
        assert matting.graphs.variant == "tiny" and not models.running
        return list(models.entries)

    for chosen in (["--variant", "tiny"], ["--graphs", str(BUNDLE)]):
        assert begun(chosen) == ["tiny"]
    monkeypatch.setenv("MAM_OFFLINE", "1")
    assert begun([]) == ["tiny"] and not (tmp_path / "home").exists()


def test_visitors_cannot_have_the_largest_models_downloaded(matting, mirror) -> None:
    models = Models(lambda folder: matting, may_download=True)
    models.start_for(Engine(matting))
    assert set(models.entries) == {"tiny", "mobile_sam", "edgetam", "vit_b"}
    assert not models.choose("a visitor", "vit_h") and not models.running
    for name in ("sam_vit_l_0b3195.pth", "mam_vitl.pth"):  # the owner gets one
        (weights.cache_folder() / name).parent.mkdir(parents=True, exist_ok=True)
        (weights.cache_folder() / name).touch()
    models._list()
    assert state(models, "vit_l") == "ready"


def failed_state(matting: Matting, load=Matting.load) -> str:
    """What visitors see when a first use fails; the page stays as it is."""
    engine, models = Engine(matting), Models(load, "vit_b", unconditional=True)
    models.start_for(engine)
    finish(models)
    assert engine.matting is matting and models.preparations["vit_b"].failed
    assert state(models, "vit_b", "de") == "zurzeit nicht verfügbar"
    return state(models, "vit_b")


FAILED = "not available now"


def test_a_file_that_is_not_the_published_one_is_reported(matting, nothing_there, tmp_path, capsys) -> None:
    file = nothing_there / "sam_vit_b_01ec64.pth"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    assert failed_state(matting) == FAILED
    assert re.search("vit_b could not be prepared: .* it is damaged or another file", capsys.readouterr().out)
    assert not (tmp_path / "home" / file.name).exists()


def test_a_server_without_the_file_is_reported(matting, nothing_there, capsys) -> None:
    (nothing_there / "sam_vit_b_01ec64.pth").unlink()
    assert failed_state(matting) == FAILED and "the server answered 404" in capsys.readouterr().out


@pytest.mark.parametrize("by_hand", [True, False])
def test_a_model_that_is_not_better_is_used_only_where_a_person_chose_it(
    matting, nothing_there, outcome, capsys, by_hand
) -> None:
    (nothing_there / "mam.pth").unlink()  # the authors' Mask-to-Matte is missing; the embedded one takes its place
    engine = Engine(matting)
    models = Models(lambda folder: Matting.load(folder, device="cpu"), "vit_b", by_hand, may_download=True)
    models.start_for(engine)
    finish(models)
    printed = capsys.readouterr().out
    assert "Downloading sam_vit_b_01ec64.pth: 100%" in printed and "Mask-to-Matte is the embedded model's" in printed
    assert "Check: not better than tiny: as the test wants." in printed
    assert engine.matting.graphs.variant == ("vit_b" if by_hand else "tiny")
    assert ("not in use" in printed) != by_hand
    assert models.choose("visitor", "vit_b") and engine.matting_of("visitor").graphs.variant == "vit_b"
    assert not models.choose("visitor", "nonsense") and engine.matting_of("visitor").graphs.variant == "vit_b"


def test_unexpected_failures_are_reported(matting, nothing_there, caplog) -> None:
    assert failed_state(matting, lambda folder: 1 / 0) == FAILED
    assert "ZeroDivisionError" in caplog.text
