"""Two complete visits on the embedded model: at a desk, and with a phone."""

import io
import os
import time

import numpy as np
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
    tab.locator("#examples img").nth(3).click()
    visitor.wait_for_answer("Flower found")
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
    expect(tab.locator("#canvas .status")).to_contain_text("Model tiny")
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
