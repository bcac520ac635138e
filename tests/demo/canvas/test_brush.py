"""The brush that erases and restores, in real Chromium on a mock model that answers with discs and rectangles."""

import io
import zipfile
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.conftest import EXAMPLES
from tests.demo.conftest import free_port, serve, visit
from tests.demo.visitor import Visitor, is_on
from tests.vitmatte import write_red


def paint(visitor: Visitor, *places: tuple[float, float]) -> None:
    """A stroke that does not snap."""
    visitor.tab.keyboard.down("Alt")
    visitor.drag(*places)
    visitor.tab.keyboard.up("Alt")
    visitor.wait_for_answer()


def photo_pixel(x: int, y: int) -> np.ndarray:
    return np.array(Image.open(EXAMPLES / "flower.jpg").getpixel((x, y)))


def cut_out_a_box(visitor: Visitor) -> None:
    visitor.press("b")
    visitor.drag((100, 100), (500, 350))
    visitor.wait_for_answer()
    visitor.press("e")


def shown(visitor: Visitor, x: float, y: float) -> float:
    """The brightness of the canvas at a pixel of the photo."""
    left, top = visitor.place(x, y)
    patch = visitor.tab.screenshot(clip={"x": left - 2, "y": top - 2, "width": 4, "height": 4})
    return float(np.asarray(Image.open(io.BytesIO(patch)).convert("L")).mean())


def test_strokes_erase_and_restore_in_every_form(visitor) -> None:
    cut_out_a_box(visitor)
    paint(visitor, (150, 200), (300, 200))
    alpha = visitor.alpha()
    assert not is_on(alpha, 200, 200) and is_on(alpha, 200, 150) and is_on(alpha, 400, 200)
    visitor.tab.locator("#canvas [data-sign='1']").click()
    expect(visitor.tab.locator("#canvas [data-sign='1']")).to_have_text("Restore")
    paint(visitor, (200, 200), (50, 200))
    alpha = visitor.alpha()
    assert is_on(alpha, 60, 200) and is_on(alpha, 190, 200) and not is_on(alpha, 260, 200)
    colours = np.asarray(Image.open(io.BytesIO(visitor.download("jpeg")[1]))).astype(int)
    assert (colours[200, 260] > 245).all() and np.abs(colours[200, 60] - photo_pixel(60, 200)).max() < 25
    for form in ("png", "cutout"):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(visitor.download(form)[1])))[..., 3], alpha)
    archive = zipfile.ZipFile(io.BytesIO(visitor.download("zip")[1]))
    (layer,) = (name for name in archive.namelist() if "alpha" in name)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(archive.read(layer)))), alpha)


def test_strokes_stay_through_clicks_and_can_be_undone(visitor) -> None:
    cut_out_a_box(visitor)
    paint(visitor, (150, 200), (300, 200))
    visitor.press("p")
    visitor.click(200, 200)
    visitor.wait_for_answer()
    visitor.click(560, 200)
    visitor.wait_for_answer()
    alpha = visitor.alpha()
    assert is_on(alpha, 560, 200) and not is_on(alpha, 200, 200), "a stroke stands above a later click"
    for _ in range(3):
        visitor.press("z")
        visitor.wait_for_answer()
    assert is_on(visitor.alpha(), 200, 200)
    visitor.press("y")
    visitor.wait_for_answer()
    assert not is_on(visitor.alpha(), 200, 200)


def test_a_stroke_follows_the_edge_unless_it_is_told_not_to(visitor) -> None:
    cut_out_a_box(visitor)
    visitor.drag((180, 300), (260, 330))  # on the leaves, over the rim of the flower
    visitor.wait_for_answer()
    snapped = visitor.alpha()
    visitor.press("z")
    visitor.wait_for_answer()
    visitor.tab.locator("#canvas [data-action=snap]").click()
    visitor.drag((180, 300), (260, 330))
    visitor.wait_for_answer()
    plain = visitor.alpha()
    assert (snapped >= plain).all() and (snapped > plain + 100).sum() > 100


def test_a_stroke_shows_while_it_is_drawn(visitor) -> None:
    cut_out_a_box(visitor)
    before = shown(visitor, 305, 215)
    visitor.tab.mouse.move(*visitor.place(300, 215))
    visitor.tab.mouse.down()
    visitor.tab.mouse.move(*visitor.place(350, 215), steps=4)
    assert shown(visitor, 305, 215) < 0.7 * before
    visitor.tab.keyboard.press("Escape")
    assert abs(shown(visitor, 305, 215) - before) < 2
    visitor.tab.mouse.up()


def test_size_and_softness(visitor) -> None:
    cut_out_a_box(visitor)
    size = visitor.tab.get_by_role("slider", name="Size")
    before = int(size.input_value())
    visitor.press("]")
    visitor.press("]")
    assert int(size.input_value()) > 1.4 * before
    visitor.press("[")
    size.fill("20")
    visitor.tab.get_by_role("slider", name="Softness").fill("0")
    paint(visitor, (200, 200), (300, 200))
    alpha, (left, _), (right, _) = visitor.alpha(), visitor.place(0, 0), visitor.place(640, 0)
    rows = np.flatnonzero(alpha[:, 250] < 128)
    rows = rows[(rows > 110) & (rows < 340)]
    assert abs(len(rows) - 20 * 640 / (right - left)) <= 2
    assert ((alpha[rows[0] - 4 : rows[0] + 4, 250] % 255) > 0).sum() <= 2  # a sharp edge


def test_without_an_object_there_is_nothing_to_paint_on(visitor) -> None:
    visitor.press("e")
    visitor.drag((200, 200), (300, 200))
    expect(visitor.message).to_contain_text("Cut something out first")
    expect(visitor.tab.locator("#canvas .bar [data-action=undo]")).to_be_disabled()


@pytest.fixture()
def visitor_of_best_edges(python, browser, tmp_path) -> Iterator[Visitor]:
    """A visitor of a page whose best edges are the photo's red channel."""
    network = write_red(tmp_path / "red.onnx")
    port = free_port()
    for address in serve([python, "-m", "tests.demo.mock", str(port), "0", str(network)], port):
        yield from visit(browser, address)


def test_a_stroke_marks_hair_for_the_best_edges(visitor_of_best_edges) -> None:
    visitor = visitor_of_best_edges
    cut_out_a_box(visitor)
    hair = visitor.tab.locator("#canvas [data-sign='2']")
    expect(hair).to_be_hidden()
    visitor.tab.get_by_role("tab", name="Edges and shadow").click()
    visitor.tab.get_by_label("Best edges").check()
    visitor.tab.get_by_role("tab", name="Background").click()
    visitor.wait_until_idle()
    visitor.press("e")
    hair.click()
    expect(hair).to_have_text("Hair")
    before = visitor.alpha()
    visitor.drag((250, 220), (330, 220))
    visitor.wait_for_answer()
    visitor.wait_until_idle()
    after = visitor.alpha()
    assert before[220, 290] == 255 and abs(int(after[220, 290]) - int(photo_pixel(290, 220)[0])) <= 5
    assert after[300, 290] == 255
    visitor.press("z")
    visitor.wait_until_idle()
    assert np.array_equal(visitor.alpha(), before)
