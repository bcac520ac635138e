"""Previews and downloads of the result in real Chromium, on a mock model, also on a slow one."""

import io

import numpy as np
from PIL import Image
from playwright.sync_api import expect

from tests.conftest import EXAMPLES
from tests.demo.visitor import is_on


def test_backgrounds_edges_and_files(visitor) -> None:
    tab = visitor.tab
    visitor.press("b")
    visitor.drag((100, 80), (400, 320))
    visitor.wait_for_answer()
    name, data = visitor.download("cutout")
    picture = Image.open(io.BytesIO(data))
    assert name == "flower_cutout.png" and picture.mode == "RGBA" and picture.size == (640, 427)
    photo = np.asarray(Image.open(EXAMPLES / "flower.jpg"))

    def changed(last: np.ndarray) -> np.ndarray:
        """The result after the last control was moved, which takes effect a moment later."""
        visitor.wait_until(lambda: not np.array_equal(result(visitor), last))
        return result(visitor)

    kinds = tab.locator("#kind")
    kinds.get_by_label("Colour").check()
    coloured = changed(np.asarray(picture))
    assert tuple(coloured[5, 5]) == (0x20, 0xA0, 0xFF) and np.array_equal(coloured[200, 250], photo[200, 250])
    kinds.get_by_label("Gradient").check()
    gradient = changed(coloured)
    assert np.abs(gradient[0, 5].astype(int) - gradient[-1, 5]).max() > 50
    kinds.get_by_label("Blur").check()
    blurred = changed(gradient)
    assert blurred[5, 5].tolist() != gradient[5, 5].tolist()
    kinds.get_by_label("Palace").check()
    shipped = changed(blurred)
    kinds.get_by_label("Yours").check()
    white = changed(shipped)
    assert white[5, 5].tolist() == [255, 255, 255]  # until a picture is chosen
    with tab.expect_file_chooser() as chooser:
        tab.locator("#own").click()
    chooser.value.set_files(EXAMPLES / "cat.png")
    own = changed(white)
    tab.get_by_label("Show all of it").check()
    changed(own)

    name, data = visitor.download("jpeg")
    assert name == "flower_result.jpg" and Image.open(io.BytesIO(data)).format == "JPEG"
    tab.get_by_role("tab", name="Edges and shadow").click()
    area = (visitor.alpha() > 127).sum()
    tab.locator("#grow input[type=number]").fill("5")
    tab.locator("#grow input[type=number]").press("Enter")
    tab.locator("#grow input[type=range]").press("ArrowRight")
    visitor.wait_until(lambda: (visitor.alpha() > 127).sum() > area)


def test_another_shape_size_and_place(visitor) -> None:
    tab = visitor.tab
    visitor.press("b")
    visitor.drag((100, 80), (400, 320))
    visitor.wait_for_answer()
    tab.locator("#kind").get_by_label("White").check()
    tab.get_by_role("tab", name="Size and place").click()
    tab.locator("#shape input").click()
    tab.get_by_role("option", name="Square 1:1").click()
    picture = Image.open(io.BytesIO(visitor.download("png")[1]))
    assert picture.size == (640, 640) and picture.getpixel((10, 10)) == (255, 255, 255)
    before = np.asarray(picture)
    tab.locator("#shift_x input[type=range]").press("ArrowRight")
    visitor.wait_until(lambda: not np.array_equal(result(visitor), before))
    assert visitor.alpha().shape == (640, 640)


def result(visitor) -> np.ndarray:
    """The finished image as downloaded."""
    return np.asarray(Image.open(io.BytesIO(visitor.download("png")[1])))


def test_copying_puts_the_finished_image_on_the_clipboard(visitor) -> None:
    tab = visitor.tab
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visitor.click(200, 200)
    visitor.wait_for_answer()
    expect(tab.locator("#copy")).to_be_enabled(timeout=30_000)
    tab.locator("#copy").click()
    expect(tab.locator("#problem")).to_have_text("Copied.", timeout=30_000)
    assert tab.evaluate("navigator.clipboard.read().then((items) => items[0].types)") == ["image/png"]


def test_results_are_of_the_last_answer(slow_visitor) -> None:
    visitor, tab = slow_visitor, slow_visitor.tab
    tab.get_by_role("tab", name="Alpha").click()
    for x in (100, 300, 500):
        visitor.click(x, 200)
        visitor.wait_for_answer()

    def shown() -> np.ndarray:
        address = tab.locator("#alpha img").first.get_attribute("src")
        return np.asarray(Image.open(io.BytesIO(tab.request.get(address).body())).convert("L"))

    visitor.wait_until(lambda: all(is_on(shown(), x, 200) for x in (100, 300, 500)))
    visitor.wait_until_idle()  # and no earlier result comes after it
    assert all(is_on(shown(), x, 200) for x in (100, 300, 500))


def test_the_object_is_dragged_and_its_place_can_be_reset(visitor) -> None:
    tab = visitor.tab
    visitor.press("b")
    visitor.drag((100, 80), (300, 320))
    visitor.wait_for_answer()
    reset, image = tab.locator("#reset_place"), tab.locator("#cutout img")
    expect(image).to_be_visible(timeout=30_000)
    expect(reset).to_be_hidden()
    tab.locator("#kind").get_by_label("White").check()
    box = image.bounding_box()
    x, y, width = (
        box["x"] + box["width"] / 2,
        box["y"] + box["height"] / 2,
        min(box["width"], box["height"] * 640 / 427),
    )
    tab.mouse.move(x, y)
    tab.mouse.down()
    tab.mouse.move(x + width / 4, y, steps=8)
    tab.mouse.up()
    expect(reset).to_be_visible(timeout=30_000)
    visitor.wait_until_idle()
    columns = np.nonzero((visitor.alpha() > 127).any(0))[0]
    assert abs(columns.min() - (100 + 160)) < 12 and abs(columns.max() - (300 + 160)) < 12
    reset.click()
    expect(reset).to_be_hidden(timeout=30_000)
    assert np.nonzero((visitor.alpha() > 127).any(0))[0].min() == 100
