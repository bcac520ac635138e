"""Words on the page without any text model: a visitor types a name, and the object is cut out."""

import os
import re

import pytest
from playwright.sync_api import expect

from demo.engine import Engine
from demo.messages import describe
from demo.texts import ENGLISH, Texts, load_tables
from mam import Matting
from mam.errors import UnknownWord
from tests.conftest import EXAMPLES
from tests.demo.visitor import Visitor, is_on


@pytest.fixture()
def visitor(browser, page):
    tab = browser.new_page(viewport={"width": 1280, "height": 1200})
    yield Visitor(tab, page)
    tab.close()


def test_a_name_is_typed_and_the_object_is_cut_out(visitor) -> None:
    visitor.tab.locator("#canvas [data-example=kitten]").click()
    visitor.wait_for_answer("found")
    text, boxes = visitor.text, visitor.tab.locator("#canvas .text-boxes button")
    expect(text).to_have_attribute("placeholder", re.compile(r"in English: person, dog, cup … \(\d+ words\)"))
    expect(text).to_have_attribute("list", "known_words")
    assert visitor.tab.locator("#known_words option").count() == len(Engine(Matting.load()).known_words)
    text.fill("the ginger cat")
    text.press("Enter")
    expect(boxes.first).to_have_text(re.compile(r"cat 0\.\d\d|cat 1\.00"), timeout=60_000)
    visitor.wait_for_answer("Searched for “cat”; colours, sides and other words in “the ginger cat” are not read.")
    visitor.wait_for_answer("found")
    alpha = visitor.alpha()
    assert is_on(alpha, 790, 400) and not is_on(alpha, 100, 100)
    if folder := os.environ.get("SCREENSHOTS"):
        visitor.tab.screenshot(path=f"{folder}/words.png")
    assert visitor.problems == []


def test_what_is_not_there_or_unknown_is_said(visitor) -> None:
    visitor.tab.locator("#canvas [data-example=kitten]").click()
    visitor.wait_for_answer("found")
    visitor.text.fill("bus")
    visitor.text.press("Enter")
    expect(visitor.message).to_contain_text("“bus” was not found", timeout=60_000)
    visitor.text.fill("a dogg")
    visitor.text.press("Enter")
    expect(visitor.message).to_contain_text("“dogg” is not one of the known words", timeout=60_000)
    expect(visitor.message).to_contain_text("Did you mean")


def test_an_empty_text_is_answered_in_the_pages_language(browser, mock_page) -> None:
    context = browser.new_context(locale="de-DE")
    visitor = Visitor(context.new_page(), mock_page)
    visitor.open(EXAMPLES / "flower.jpg")
    expect(visitor.message).to_contain_text("Objekt", timeout=30_000)
    visitor.text.press("Enter")
    expect(visitor.message).to_contain_text("Bitte zuerst beschreiben", timeout=30_000)
    context.close()


def test_every_language_names_the_unknown_word() -> None:
    error = UnknownWord("wolf", ("dog",))
    lines = {describe(error, Texts(language)) for language in load_tables()}
    assert len(lines) == len(load_tables()) and all("wolf" in line and "dog" in line for line in lines)
    assert "Did you mean" not in describe(UnknownWord("wolf", ()), ENGLISH)
