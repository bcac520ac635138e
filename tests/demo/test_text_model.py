"""A page without a text model: a visitor has it downloaded, goes on meanwhile, and then types what to cut out."""

import os
import re
import shutil
import time

import pytest
from playwright.sync_api import expect

from demo import app
from demo.engine import Engine
from demo.tabs.batch import TEXT, available_rules
from demo.text_model import TextModelDownload
from demo.texts import ENGLISH, load_tables
from mam import Matting, WeightsError
from mam.model.folders import graphs_folder
from mam.text import preparation
from mam.text.model import DOWNLOAD_MEGABYTES, NAME, is_complete
from mam.weights import REGISTRY
from tests.conftest import EXAMPLES
from tests.demo.conftest import free_port
from tests.demo.visitor import Visitor
from tests.grounding import publish
from tests.serving import serving_folder


@pytest.fixture()
def nothing_there(grounding_mirror, grounding_template, tmp_path, monkeypatch):
    """A machine without a text model, and a server with a small one."""
    publish(monkeypatch, grounding_mirror)
    monkeypatch.setattr(preparation, "TEMPLATE", grounding_template)
    monkeypatch.setenv("MAM_HOME", str(tmp_path / "home"))
    for name in ("MAM_GROUNDING", "MAM_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    with serving_folder(grounding_mirror, pause=0.01) as address:
        monkeypatch.setenv("MAM_MIRROR", address)
        yield


def wait_until_done(text_model: TextModelDownload) -> None:
    while text_model.running:
        time.sleep(0.05)


def test_a_visitor_gets_the_text_model_and_words_work(browser, nothing_there) -> None:
    demo = app.build_demo(Matting.load(device="cpu"), text_model="offer")
    _, address, _ = demo.launch(server_port=free_port(), prevent_thread_lock=True, quiet=True, **app.LAUNCH)
    tab = browser.new_page(viewport={"width": 1280, "height": 1200})
    visitor, get = Visitor(tab, address), tab.locator("#get_text_model")
    tab.locator("#canvas [data-example=flower]").click()
    visitor.wait_for_answer("found")
    expect(visitor.text).to_have_attribute("placeholder", re.compile(r"person, dog, cup … \(\d+ words"))
    expect(get).to_have_text(ENGLISH("get_text_model"))
    if folder := os.environ.get("SCREENSHOTS"):
        tab.screenshot(path=f"{folder}/text_model_offer.png")
    get.click()
    expect(tab.locator("#text_model")).to_contain_text("Getting the text model")
    expect(tab.locator("#text_model")).to_contain_text("Any English phrase", timeout=120_000)
    expect(get).to_be_hidden()
    expect(visitor.text).to_have_attribute("placeholder", ENGLISH("describe_hint"))
    if folder:
        tab.screenshot(path=f"{folder}/text_model_ready.png")
    visitor.text.fill("a cat")
    visitor.text.press("Enter")
    # The weights are random: either answer shows that the model ran.
    found = tab.locator("#canvas .text-boxes button").filter(has_text="a cat").first
    expect(found.or_(visitor.message.filter(has_text="nothing found for 'a cat.'"))).to_be_visible(timeout=60_000)
    assert visitor.problems == []
    # Who comes later finds the field, and the rule for many photos.
    tab.locator("#canvas [data-action=close]").click()
    tab.reload()
    expect(tab.locator("#canvas [data-example=flower]")).to_be_visible()
    tab.locator("#canvas [data-example=flower]").click()
    expect(tab.locator("#text")).to_be_visible()
    expect(get).to_be_hidden()
    tab.get_by_role("tab", name=ENGLISH("tab_batch")).click()
    expect(tab.locator("#batch_rule")).to_contain_text(ENGLISH(TEXT))
    tab.close()
    demo.close()


def test_the_owner_has_it_downloaded_at_once(nothing_there, capsys) -> None:
    engine = Engine(Matting.load(device="cpu"))
    assert engine.can_find and engine.known_words and not engine.reads_phrases
    text_model = TextModelDownload(engine)
    text_model.start()
    text_model.start()  # another visitor
    wait_until_done(text_model)
    assert engine.reads_phrases and not text_model.failed and TEXT in available_rules(engine)
    printed = capsys.readouterr().out
    assert printed.count(f"Downloading {NAME}.safetensors: 100%") == 1
    assert f"Text prompts by the model in {graphs_folder(NAME)}" in printed
    assert not TextModelDownload(engine).offered


def test_a_space_gets_it_from_the_hub(nothing_there, grounding_mirror, tmp_path, monkeypatch) -> None:
    """As docs/usage.md describes a Space that downloads, with a local server in the hub's place."""
    from huggingface_hub import constants

    for name in ("model.safetensors", "tokenizer.json"):
        file = f"{NAME}.{name.removeprefix('model.')}"
        repository, _, revision = REGISTRY[file].url.removeprefix("hf://").removesuffix(f"/{name}").partition("@")
        published = tmp_path / "hub" / repository / "resolve" / revision / name
        published.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(grounding_mirror / file, published)
    monkeypatch.delenv("MAM_MIRROR")
    monkeypatch.setenv("MAM_TEXT_MODEL", "get")
    with serving_folder(tmp_path / "hub", pause=0.01) as address:
        monkeypatch.setattr(constants, "ENDPOINT", address)
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        arguments = app.parse([])
        matting, _ = app.load(arguments)
        app.build_demo(matting, text_model=arguments.text_model)
        end = time.monotonic() + 120
        while not is_complete(graphs_folder(NAME)) and time.monotonic() < end:
            time.sleep(0.05)
    # Every part of the page has the model from now on.
    found = matting.open(EXAMPLES / "flower.jpg").find("a cat", box_threshold=0.0)
    assert found and matting.grounding().folder == graphs_folder(NAME)


def test_a_space_contains_it(nothing_there, grounding_folder, monkeypatch, capsys) -> None:
    """As docs/usage.md describes a Space with the folder of a text model, which downloads nothing."""
    monkeypatch.setenv("MAM_GROUNDING", str(grounding_folder))
    monkeypatch.setenv("MAM_OFFLINE", "1")
    matting, _ = app.load(app.parse([]))
    assert Engine(matting).reads_phrases and matting.grounding().folder == grounding_folder


def test_without_permission_nothing_is_offered(nothing_there, monkeypatch) -> None:
    engine = Engine(Matting.load(device="cpu"))
    assert not TextModelDownload(engine, may_download=False).offered
    monkeypatch.setenv("MAM_OFFLINE", "1")
    offline = TextModelDownload(engine)
    offline.start()
    assert not offline.offered and not offline.running and offline.status(ENGLISH) == ""


def test_failures_are_reported_and_can_be_repeated(nothing_there, capsys) -> None:
    def disk_full(progress):
        raise WeightsError("the disk is full")

    def defect(progress):
        raise ZeroDivisionError

    engine = Engine(Matting.load(device="cpu"))
    for failing in (disk_full, defect):
        text_model = TextModelDownload(engine, prepare=failing)
        text_model.start()
        wait_until_done(text_model)
        failed = ENGLISH("text_model_failed", count=len(engine.known_words))
        assert text_model.failed and text_model.status(ENGLISH) == failed
    assert "could not be prepared: the disk is full" in capsys.readouterr().out
    text_model._prepare = preparation.prepare
    text_model.start()
    wait_until_done(text_model)
    assert engine.reads_phrases and not text_model.failed


def test_every_language_states_the_size() -> None:
    assert all(f"{DOWNLOAD_MEGABYTES} MB" in table["get_text_model"] for table in load_tables().values())
