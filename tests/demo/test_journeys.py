"""Complete visits on the embedded model: at a desk, with a phone, with many photos."""

import io
import os
import time

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.conftest import EXAMPLES
from tests.demo.visitor import Visitor


def shot(visitor: Visitor, name: str) -> None:
    """Save a screenshot of the page in the folder SCREENSHOTS, if it is set."""
    if folder := os.environ.get("SCREENSHOTS"):
        visitor.wait_until_idle()
        visitor.tab.screenshot(path=f"{folder}/{name}.png")


def test_at_a_desk(browser, page) -> None:
    tab = browser.new_page(viewport={"width": 1280, "height": 1200})
    visitor = Visitor(tab, page)
    tab.locator("#canvas [data-example=flower]").click()
    visitor.wait_for_answer("found")
    visitor.size = (640, 427)
    visitor.tab.keyboard.down("Shift")
    visitor.click(340, 400)  # the bud below does not belong to it
    visitor.tab.keyboard.up("Shift")
    visitor.wait_for_answer()
    name, data = visitor.download("alpha")
    alpha = np.asarray(Image.open(io.BytesIO(data)))
    assert name == "flower_alpha.png" and alpha.shape == (427, 640)
    assert alpha[150:280, 250:375].mean() > 235 and alpha[:, :120].mean() < 8 and alpha[:, 530:].mean() < 8
    name, data = visitor.download("cutout")
    assert name == "flower_cutout.png" and np.array_equal(np.asarray(Image.open(io.BytesIO(data)))[..., 3], alpha)
    tab.locator("#kind").get_by_label("Blur").check()
    shot(visitor, "page")
    assert visitor.problems == [] and visitor.outside == []
    tab.close()


def test_with_a_phone(browser, page, tmp_path) -> None:
    # A photograph as a phone keeps it: turned by its EXIF, larger than the screen.
    upright = Image.open(EXAMPLES / "flower.jpg").resize((1600, 1068))
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.rotate(90, expand=True).save(tmp_path / "IMG_1.jpg", exif=exif)
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, device_scale_factor=2
    )
    tab = context.new_page()
    visitor = Visitor(tab, page)
    visitor.open_and_wait(tmp_path / "IMG_1.jpg")
    visitor.size = (1600, 1068)
    tab.touchscreen.tap(*visitor.place(780, 540))
    visitor.wait_for_answer()
    alpha = visitor.alpha()
    assert alpha.shape == (1068, 1600) and alpha[480:600, 700:860].mean() > 200 and alpha[:, :200].mean() < 30
    shot(visitor, "phone")
    context.close()


def test_the_main_object_is_cut_out_when_a_photo_opens(browser, page) -> None:
    visitor = Visitor(browser.new_page(viewport={"width": 1280, "height": 900}), page)
    start = time.perf_counter()
    visitor.open_and_wait()
    visitor.wait_for_answer("Object 1 found")
    print(f"from the file to the first cut-out: {time.perf_counter() - start:.1f} s")
    alpha = visitor.alpha()
    assert alpha[150:280, 250:375].mean() > 235 and alpha[:, :120].mean() < 8
    shot(visitor, "opened")
    assert visitor.problems == [] and visitor.outside == []
    visitor.tab.close()


def test_a_click_beside_the_object_adds_it_or_takes_only_that(browser, page) -> None:
    visitor = Visitor(browser.new_page(viewport={"width": 1280, "height": 900}), page)
    visitor.open_and_wait(EXAMPLES / "bowl.jpg")
    visitor.wait_for_answer("Object 1")
    bowl = visitor.alpha() > 127
    assert not bowl[120, 200]
    visitor.click(200, 120)  # on the dark bowl behind
    visitor.wait_for_answer()
    visitor.tab.get_by_role("button", name="Only this").click()
    visitor.wait_for_answer()
    other = visitor.alpha() > 127
    assert other[120, 200] and (other & bowl).sum() < 0.1 * bowl.sum()
    visitor.press("z")
    visitor.wait_for_answer()
    visitor.tab.get_by_role("button", name="Add to it").click()
    visitor.wait_for_answer()
    both = visitor.alpha() > 127
    assert both[120, 200] and (both & bowl).sum() > 0.95 * bowl.sum()
    shot(visitor, "added")
    visitor.tab.close()


@pytest.mark.parametrize("size", [(1280, 720), (1440, 900)])
def test_one_screen_holds_everything_for_one_photo(browser, page, size) -> None:
    tab = browser.new_page(viewport={"width": size[0], "height": size[1]})
    visitor = Visitor(tab, page)
    shot(visitor, f"empty_{size[0]}")
    visitor.open_and_wait()
    visitor.wait_for_answer("found")
    expect(tab.locator("#download")).to_be_enabled(timeout=30_000)
    tab.locator("#canvas [data-action=new]").click()
    visitor.wait_for_answer("Click on the object")
    for panel in ("Background", "Size and place", "Edges and shadow"):
        tab.get_by_role("tab", name=panel).click()
        visitor.wait_until_idle()
        shot(visitor, f"{panel}_{size[0]}")
        canvas = ("#canvas .bar", "#canvas .tools", "#canvas .message", "#canvas .objects", "#text")
        for part in (*canvas, "#cutout", "#download", "#format", "#copy"):
            box = tab.locator(part).bounding_box()
            assert box["y"] >= 0 and box["y"] + box["height"] <= size[1], (panel, part)
        lowest = tab.locator("#styles fieldset:visible, #styles input:visible").evaluate_all(
            "list => Math.max(...list.map((part) => part.getBoundingClientRect().bottom))"
        )
        assert lowest <= size[1], panel
    tab.close()


def test_seven_photos_in_one_batch(browser, page, tmp_path) -> None:
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    visitor = Visitor(tab, page)
    photo = Image.open(EXAMPLES / "redpanda.jpg")
    for number in range(7):
        photo.save(tmp_path / f"{number}.jpg")
    tab.get_by_role("tab", name="Many photos").click()
    tab.locator("#batch_files input[type=file]").set_input_files(sorted(tmp_path.iterdir()))
    expect(tab.locator("#batch_files")).to_contain_text("6 .jpg", timeout=30_000)
    start = time.perf_counter()
    tab.locator("#batch_start").click()
    expect(tab.locator("#batch_report")).to_contain_text("7 of 7 done", timeout=180_000)
    expect(tab.locator("#batch_zip")).to_be_visible()
    print(f"seven photos of 1360 x 765 pixels: {time.perf_counter() - start:.1f} s")
    expect(tab.locator("#batch_gallery img")).to_have_count(7)
    shot(visitor, "batch")
    assert visitor.problems == []
    tab.close()


@pytest.mark.parametrize(
    "language, download, found", [("de-DE", "Herunterladen", "gefunden"), ("ja-JP", "ダウンロード", "切り抜")]
)
def test_the_page_speaks_the_browsers_language(browser, page, language, download, found) -> None:
    context = browser.new_context(locale=language, viewport={"width": 1280, "height": 720})
    visitor = Visitor(context.new_page(), page)
    visitor.open(EXAMPLES / "flower.jpg")
    expect(visitor.message).to_contain_text(found, timeout=60_000)
    expect(visitor.tab.locator("#download")).to_have_text(download)
    expect(visitor.tab.locator("#kind")).not_to_contain_text("White")
    shot(visitor, language)
    context.close()


def test_a_language_without_texts_is_marked_as_english(browser, mock_page) -> None:
    context = browser.new_context(locale="fr-FR")
    visitor = Visitor(context.new_page(), mock_page)
    expect(visitor.tab.locator("html")).to_have_attribute("lang", "en")
    field = visitor.tab.locator("#text input")
    visitor.open_and_wait()
    contrast = field.evaluate(
        """(e) => {
          const luminance = (colour) => colour.match(/\\d+/g).slice(0, 3).map((v) => v / 255)
            .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
          return 1.05 / (luminance(getComputedStyle(e, '::placeholder').color) + 0.05); // on white
        }"""
    )
    assert contrast >= 4.5
    context.close()


def test_every_example_is_found(browser, page) -> None:
    visitor = Visitor(browser.new_page(viewport={"width": 1280, "height": 720}), page)
    examples = visitor.tab.locator("#canvas [data-example]")
    assert examples.count() >= 4
    for index in range(examples.count()):
        examples.nth(index).click()
        visitor.wait_for_answer("found. Click")
        expect(visitor.tab.locator("#download")).to_be_enabled(timeout=30_000)
        shot(visitor, f"example_{index}")
        visitor.tab.locator("#canvas [data-action=close]").click()
        expect(visitor.tab.locator("#canvas .choose")).to_be_visible(timeout=30_000)
    assert visitor.outside == []
    visitor.tab.close()
