"""A visitor's journey in real Chromium: choose an example, draw a box, correct, change the background, download."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
if CHROMIUM is None and os.environ.get("CI"):
    pytest.fail("CI must install Chromium", pytrace=False)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium")

QUIET = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"
BOX = "Box (click two corners)"


@pytest.fixture()
def browser_page(page: str) -> Page:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET.split())
        tab = browser.new_page(viewport={"width": 1280, "height": 1300})
        tab.goto(page)
        yield tab
        browser.close()


def click_at(tab: Page, x: float, y: float) -> None:
    """Click at a pixel of the flower photograph, 640 x 427, which is shown whole inside its element."""
    box = tab.locator("#canvas img").first.bounding_box()
    scale = min(box["width"] / 640, box["height"] / 427)
    left, top = box["x"] + (box["width"] - 640 * scale) / 2, box["y"] + (box["height"] - 427 * scale) / 2
    tab.mouse.click(left + x * scale, top + y * scale)


def downloaded(tab: Page, button: str) -> tuple[str, np.ndarray]:
    with tab.expect_download() as download:
        tab.locator(button).click()
    return download.value.suggested_filename, np.asarray(Image.open(download.value.path()))


def choose_flower(tab: Page) -> None:
    tab.locator("#examples img").nth(3).click()
    expect(tab.locator("#message")).to_contain_text("Click on the object", timeout=30_000)
    expect(tab.locator("#canvas img").first).to_be_visible()


def test_box_background_and_downloads(browser_page: Page) -> None:
    tab = browser_page
    choose_flower(tab)
    tab.get_by_label(BOX).check()
    click_at(tab, 178, 82)
    expect(tab.locator("#message")).to_contain_text("opposite corner", timeout=30_000)
    click_at(tab, 450, 360)
    expect(tab.locator("#message")).to_contain_text("Found it", timeout=60_000)

    name, alpha = downloaded(tab, "#save_alpha")
    assert name == "flower_alpha.png" and alpha.shape == (427, 640)
    assert alpha[150:280, 250:375].mean() > 235 and alpha[:, :120].mean() < 8 and alpha[:, 530:].mean() < 8
    name, cutout = downloaded(tab, "#save_cutout")
    assert name == "flower_cutout.png" and np.array_equal(cutout[..., 3], alpha)

    before = tab.locator("#result img").first.get_attribute("src")
    tab.locator("#kind").get_by_label("Blur").check()
    expect(tab.locator("#result img").first).not_to_have_attribute("src", before, timeout=30_000)
    name, result = downloaded(tab, "#save_result")
    assert name == "flower_result.png" and result.shape == (427, 640, 3)
    expect(tab.locator("#status")).to_contain_text("CPUExecutionProvider")
    if folder := os.environ.get("SCREENSHOTS"):
        tab.screenshot(path=f"{folder}/page.png")


def test_click_correct_undo(browser_page: Page) -> None:
    tab = browser_page
    choose_flower(tab)
    click_at(tab, 310, 215)
    expect(tab.locator("#message")).to_contain_text("Found it", timeout=60_000)
    _, first = downloaded(tab, "#save_alpha")
    tab.get_by_label("Take away").check()
    shown = tab.locator("#canvas img").first.get_attribute("src")
    click_at(tab, 60, 60)
    expect(tab.locator("#canvas img").first).not_to_have_attribute("src", shown, timeout=60_000)
    _, second = downloaded(tab, "#save_alpha")
    assert not np.array_equal(first, second)
    tab.locator("#clear").click()
    expect(tab.locator("#message")).to_contain_text("Click on the object", timeout=30_000)
    expect(tab.locator("#save_alpha")).to_be_disabled()


def test_a_bad_file_is_refused_in_words(browser_page: Page, tmp_path) -> None:
    bad = tmp_path / "holiday.jpg"
    bad.write_bytes(b"\xff\xd8\xff\xe0 not really a photograph")
    browser_page.locator("#canvas input[type=file]").set_input_files(bad)
    choose_flower(browser_page)
    browser_page.locator("#canvas").get_by_label("Remove Image").click()
    browser_page.locator("#canvas input[type=file]").set_input_files(bad)
    expect(browser_page.get_by_test_id("toast-body")).to_contain_text("holiday.jpg starts like a picture", timeout=30_000)
    # The page has let go of the flower.
    expect(browser_page.locator("#message")).to_contain_text("Choose a photo")
    expect(browser_page.locator("#canvas img")).to_have_count(0)
