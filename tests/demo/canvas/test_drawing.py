"""Drawing on the canvas in real Chromium, on a mock model that answers with discs and rectangles."""

import io

import numpy as np
from PIL import Image
from playwright.sync_api import expect

from demo.canvas.protocol import LIMITS
from tests.conftest import EXAMPLES
from tests.demo.visitor import Visitor, is_on


def test_box_by_dragging(visitor) -> None:
    visitor.tab.mouse.move(*visitor.place(90, 70))  # keys count where the pointer is
    visitor.tab.keyboard.press("b")
    visitor.drag((100, 80), (300, 200), (400, 320))
    visitor.wait_for_answer()
    alpha = visitor.alpha()
    assert alpha.shape == (427, 640)
    inside = np.zeros(alpha.shape, bool)
    inside[80:320, 100:400] = True
    assert ((alpha > 127) != inside).mean() < 0.01


def test_clicks_add_and_take_away_in_three_ways(visitor) -> None:
    visitor.click(200, 200)
    visitor.wait_for_answer()
    visitor.click(260, 200)  # joins
    visitor.wait_for_answer()
    alpha = visitor.alpha()
    assert is_on(alpha, 200, 200) and is_on(alpha, 260, 200) and not is_on(alpha, 400, 300)
    visitor.tab.keyboard.down("Shift")
    visitor.click(260, 200)
    visitor.tab.keyboard.up("Shift")
    visitor.wait_for_answer()
    assert not is_on(visitor.alpha(), 260, 200)
    visitor.click(150, 200, button="right")
    visitor.wait_for_answer()
    assert not is_on(visitor.alpha(), 150, 200)
    visitor.press("x")
    visitor.click(200, 160)
    visitor.wait_for_answer()
    assert not is_on(visitor.alpha(), 200, 160)


def test_a_dragged_point_is_a_box_and_a_clicked_box_a_point(visitor) -> None:
    visitor.press("p")
    visitor.drag((100, 100), (300, 300))
    visitor.wait_for_answer()
    assert is_on(visitor.alpha(), 110, 290)
    visitor.press("z")
    visitor.wait_for_answer("Drag a box")
    visitor.press("b")
    visitor.click(200, 200)
    visitor.wait_for_answer()
    assert is_on(visitor.alpha(), 200, 200)


def test_scribble(visitor) -> None:
    visitor.press("s")
    visitor.drag((100, 200), (250, 200), (400, 200))
    visitor.wait_for_answer()
    alpha = visitor.alpha()
    assert all(is_on(alpha, x, 200) for x in (130, 250, 380)) and not is_on(alpha, 250, 330)


def test_undo_redo_reset(visitor) -> None:
    visitor.click(200, 200)
    visitor.wait_for_answer()
    visitor.click(450, 300)
    visitor.wait_for_answer()
    visitor.press("z")
    visitor.wait_for_answer()
    alpha = visitor.alpha()
    assert is_on(alpha, 200, 200) and not is_on(alpha, 450, 300)
    visitor.press("y")
    visitor.wait_for_answer()
    assert is_on(visitor.alpha(), 450, 300)
    visitor.tab.locator("#canvas [data-action=reset]").click()
    visitor.wait_for_answer("Drag a box")
    expect(visitor.tab.locator("#save_alpha")).to_be_disabled(timeout=30_000)
    visitor.tab.locator("#canvas [data-action=undo]").click()
    visitor.wait_for_answer()
    assert is_on(visitor.alpha(), 450, 300)


def test_keyboard_alone(visitor) -> None:
    tab = visitor.tab
    visitor.canvas.focus()
    tab.keyboard.press("ArrowRight")  # the cross appears in the middle
    expect(visitor.message).to_contain_text("50% from the left")
    for _ in range(5):
        tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Enter")
    visitor.wait_for_answer()
    assert is_on(visitor.alpha(), 320 + 64, 213)
    visitor.canvas.focus()
    for _ in range(3):
        tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Shift+Enter")
    visitor.wait_for_answer()
    alpha = visitor.alpha()
    assert not is_on(alpha, 320 + 102, 213) and is_on(alpha, 320 + 30, 213)
    visitor.press("b")
    tab.keyboard.press("Enter")
    expect(visitor.message).to_contain_text("First corner")
    for key in ["ArrowRight"] * 8 + ["ArrowDown"] * 6:
        tab.keyboard.press(key)
    tab.keyboard.press("Enter")
    visitor.wait_for_answer()
    assert is_on(visitor.alpha(), 422 + 95, 213 + 70)


def test_every_control_has_a_name(visitor) -> None:
    visitor.click(200, 200)
    visitor.wait_for_answer()
    nameless = visitor.tab.evaluate(
        """[...document.querySelectorAll('#canvas button, #canvas input, #canvas canvas[tabindex]')].filter(
        (e) => !(e.getAttribute('aria-label') || e.textContent.trim() || e.closest('label'))).length"""
    )
    assert nameless == 0
    expect(visitor.tab.get_by_role("button", name="Answer 2 of 3")).to_be_visible()
    expect(visitor.tab.get_by_role("status").filter(has_text="found")).to_have_count(1)


def test_zoom_and_pan_keep_the_photo_under_the_pointer(visitor) -> None:
    tab = visitor.tab
    x, y = visitor.place(200, 150)
    tab.mouse.move(x, y)
    for _ in range(4):
        tab.mouse.wheel(0, -300)
    tab.mouse.click(x, y)  # still the same pixel of the photo
    visitor.wait_for_answer()
    alpha = visitor.alpha()
    ys, xs = np.nonzero(alpha > 127)
    assert abs(xs.mean() - 200) < 3 and abs(ys.mean() - 150) < 3
    visitor.canvas.focus()
    tab.keyboard.down(" ")
    visitor.drag((300, 200), (340, 230))  # moves the photo, draws nothing
    tab.keyboard.up(" ")
    visitor.press("0")
    assert tab.locator("#canvas [data-action=redo]").is_disabled()
    visitor.click(500, 350)
    visitor.wait_for_answer()
    assert is_on(visitor.alpha(), 500, 350)


def test_a_preview_shows_what_a_click_would_give(visitor) -> None:
    def ink() -> np.ndarray:
        return np.asarray(Image.open(io.BytesIO(visitor.canvas.screenshot())).convert("RGB")).astype(int)

    before = ink()
    visitor.tab.mouse.move(*visitor.place(200, 200))
    expect(visitor.canvas).to_have_attribute("data-preview", "true", timeout=30_000)
    assert (np.abs(ink() - before).max(2) > 20).mean() > 0.01
    expect(visitor.tab.locator("#save_alpha")).to_be_disabled()


def test_loupe_and_opacity(visitor) -> None:
    visitor.click(200, 200)
    visitor.wait_for_answer()
    visitor.press("l")
    visitor.tab.mouse.move(*visitor.place(210, 210))
    expect(visitor.tab.locator("#canvas canvas.loupe")).to_be_visible()
    visitor.press("l")
    expect(visitor.tab.locator("#canvas canvas.loupe")).to_be_hidden()
    strong = visitor.canvas.screenshot()
    visitor.tab.locator("#canvas .opacity input").fill("0")
    assert visitor.canvas.screenshot() != strong


def test_keyboard_and_mouse_do_not_get_in_each_others_way(visitor) -> None:
    visitor.press("b")
    visitor.canvas.focus()
    visitor.tab.keyboard.press("ArrowRight")
    visitor.tab.keyboard.press("Enter")
    visitor.tab.mouse.move(*visitor.place(100, 100))  # no stroke of the mouse's
    visitor.tab.mouse.move(*visitor.place(120, 120))
    visitor.press("Escape")
    x, y = visitor.place(320, 0)
    visitor.tab.mouse.click(x, y - 30)  # beside the photo: nothing
    expect(visitor.tab.locator("#canvas [data-action=undo]")).to_be_disabled()


def test_focus_stays_where_it_was(visitor) -> None:
    tab = visitor.tab
    visitor.click(300, 200)
    visitor.wait_for_answer()

    def focused() -> str:
        return tab.evaluate("document.activeElement.getAttribute('aria-label')")

    for name in ("Answer 2 of 3", "Hide Object 1", "Show Object 1"):
        button = tab.get_by_role("button", name=name)
        button.focus()
        tab.keyboard.press("Enter")
        visitor.wait_for_answer("")
        assert focused().split()[0] in (name.split()[0], "Show", "Hide")
    tab.get_by_role("button", name="Remove Object 1").focus()
    tab.keyboard.press("Enter")
    visitor.wait_for_answer("")
    assert focused().startswith("Remove")  # of the empty object that took its place


def test_keys_do_nothing_on_another_tab(visitor) -> None:
    visitor.click(200, 200)
    visitor.wait_for_answer()
    visitor.tab.get_by_role("tab", name="Many pictures").click()
    visitor.tab.keyboard.press("z")
    visitor.tab.get_by_role("tab", name="Cut out").click()
    expect(visitor.tab.locator("#canvas [data-action=redo]")).to_be_disabled()


def test_dropped_and_pasted_photos(browser, mock_page) -> None:
    tab = browser.new_page()
    visitor = Visitor(tab, mock_page)
    photo = (EXAMPLES / "flower.jpg").read_bytes()
    visitor.transfer("dropped.jpg", "image/jpeg", photo)
    expect(visitor.message).to_contain_text("Drag a box", timeout=30_000)
    visitor.transfer("pasted.jpg", "image/jpeg", photo, paste=True)
    expect(tab.locator("#canvas .busy")).to_contain_text("pasted.jpg", timeout=30_000)
    expect(tab.locator("#canvas .stage")).to_have_attribute("aria-busy", "false", timeout=30_000)
    tab.close()


def test_a_dropped_file_that_is_not_an_image_is_refused_at_once(visitor) -> None:
    visitor.transfer("notes.txt", "text/plain", b"dear diary")
    expect(visitor.message).to_contain_text("notes.txt is not an image")
    expect(visitor.tab.locator("#canvas .busy")).to_be_hidden()


def test_a_file_over_the_limit_is_refused_before_it_is_sent(visitor) -> None:
    visitor.transfer("huge.png", "image/png", bytes(LIMITS.upload_megabytes * 1_000_000 + 1))
    expect(visitor.message).to_contain_text("huge.png has 51 MB; at most 50 are accepted")
    expect(visitor.tab.locator("#canvas .busy")).to_be_hidden()


def test_fingers(browser, mock_page) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, device_scale_factor=2
    )
    tab = context.new_page()
    visitor = Visitor(tab, mock_page)
    visitor.open_and_wait()
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    tab.touchscreen.tap(*visitor.place(200, 200))
    visitor.wait_for_answer()
    assert is_on(visitor.alpha(), 200, 200)
    context.close()
