"""Drawing on the canvas in real Chromium, on a mock model that answers with discs and rectangles."""

import io
from collections.abc import Iterator

import numpy as np
import pytest
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


def test_clicks_add_and_remove_in_three_ways(visitor) -> None:
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
    visitor.wait_for_answer("Click on the object")
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
    visitor.wait_for_answer("Click on the object")
    expect(visitor.tab.locator("#download")).to_be_disabled(timeout=30_000)
    visitor.tab.locator("#canvas .bar [data-action=undo]").click()
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
    expect(visitor.tab.get_by_role("button", name="The whole of it")).to_be_visible()
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
    expect(visitor.tab.locator("#download")).to_be_disabled()


def test_a_preview_that_was_refused_is_requested_again(visitor) -> None:
    visitor.tab.route("**/component_server**", lambda route: route.fulfill(json=None))
    with visitor.tab.expect_response("**/component_server**"):
        visitor.tab.mouse.move(*visitor.place(200, 200))
    visitor.tab.unroute("**/component_server**")
    expect(visitor.canvas).to_have_attribute("data-preview", "true", timeout=30_000)


def test_a_preview_without_an_answer_clears_the_last_one(visitor) -> None:
    visitor.tab.mouse.move(*visitor.place(200, 200))
    expect(visitor.canvas).to_have_attribute("data-preview", "true", timeout=30_000)
    visitor.tab.route("**/component_server**", lambda route: route.fulfill(json=None))
    visitor.tab.mouse.move(*visitor.place(400, 300))
    expect(visitor.canvas).to_have_attribute("data-preview", "false", timeout=30_000)


_OVERLAPS = """() => {
  const shown = (e) => e.checkVisibility() && !e.closest('[aria-hidden=true], .visually-hidden');
  const parts = '#canvas .bar button, #canvas .tools button, #previews [role=tab], #saving button, #format';
  const boxes = [...document.querySelectorAll(parts)].filter(shown).map((e) => [e, e.getBoundingClientRect()]);
  const meet = (a, b, from, to) => a[from] < b[to] - 1 && b[from] < a[to] - 1;
  const over = (a, b) => meet(a, b, 'left', 'right') && meet(a, b, 'top', 'bottom');
  const name = (e) => e.outerHTML.slice(0, 80);
  const isFixed = (e) => Boolean(e.closest('.tools')) && innerWidth <= 640;
  const isApart = ([e, a], [f, b]) => e.contains(f) || isFixed(e) !== isFixed(f) || !over(a, b);
  const found = boxes.flatMap((one, i) => boxes.slice(i + 1).filter((other) => !isApart(one, other))
    .map(([other]) => name(one[0]) + name(other)));
  return [...found, ...boxes.filter(([, box]) => box.right > innerWidth + 1).map(([e]) => name(e))];
}"""


def test_nothing_overlaps_at_any_width(visitor) -> None:
    for width in (320, 390, 641, 660, 768, 900, 1000, 1100, 1280):
        visitor.tab.set_viewport_size({"width": width, "height": 800})
        visitor.tab.wait_for_timeout(300)
        overlaps = visitor.tab.evaluate(_OVERLAPS)
        assert overlaps == [], width
        hidden = visitor.tab.locator("#styles .overflow-menu:visible").count()
        assert hidden == 0, f"a name is behind the dots at {width}"


def test_the_chosen_tool_is_legible_under_the_pointer(visitor) -> None:
    chosen = visitor.tab.locator("#canvas [data-tool=box]")
    chosen.click()
    chosen.hover()
    assert chosen.evaluate("(e) => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor]") == [
        "rgb(255, 255, 255)",
        "rgb(29, 78, 216)",
    ]


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
    expect(visitor.tab.locator("#canvas .bar [data-action=undo]")).to_be_disabled()


def test_focus_stays_where_it_was(visitor) -> None:
    tab = visitor.tab
    visitor.click(300, 200)
    visitor.wait_for_answer()
    tab.locator("#canvas [data-action=new]").click()
    visitor.click(450, 100)
    visitor.wait_for_answer("Object 2 found")

    def focused() -> str:
        return tab.evaluate("document.activeElement.getAttribute('aria-label')")

    for name, after in (
        ("The whole of it", "The whole of it"),
        ("Hide Object 1", "Show Object 1"),
        ("Show Object 1", "Hide Object 1"),
        ("Select Object 1", "Select Object 1"),
    ):
        tab.get_by_role("button", name=name).focus()
        tab.keyboard.press("Enter")
        visitor.wait_for_answer("")
        assert focused() == after


def test_keys_do_nothing_on_another_tab(visitor) -> None:
    visitor.click(200, 200)
    visitor.wait_for_answer()
    visitor.tab.get_by_role("tab", name="Many photos").click()
    visitor.tab.keyboard.press("z")
    visitor.tab.get_by_role("tab", name="Cut out").click()
    expect(visitor.tab.locator("#canvas [data-action=redo]")).to_be_disabled()


def test_dropped_and_pasted_photos(browser, mock_page) -> None:
    tab = browser.new_page()
    visitor = Visitor(tab, mock_page)
    photo = (EXAMPLES / "flower.jpg").read_bytes()
    visitor.transfer("dropped.jpg", "image/jpeg", photo)
    expect(visitor.message).to_contain_text("Click on the object", timeout=30_000)
    visitor.transfer("pasted.jpg", "image/jpeg", photo, paste=True)
    expect(tab.locator("#canvas .busy")).to_contain_text("pasted.jpg", timeout=30_000)
    expect(tab.locator("#canvas .stage")).to_have_attribute("aria-busy", "false", timeout=30_000)
    tab.close()


def test_a_dropped_file_that_is_not_an_image_is_refused_at_once(visitor) -> None:
    visitor.transfer("notes.txt", "text/plain", b"dear diary")
    expect(visitor.message).to_contain_text("notes.txt is not an image")
    expect(visitor.tab.locator("#canvas .busy")).to_be_hidden()


def test_a_file_over_the_limit_is_refused_before_it_is_sent(visitor) -> None:
    visitor.transfer("huge.png", "image/png", zeros=LIMITS.upload_megabytes * 1_000_000 + 1)
    expect(visitor.message).to_contain_text("huge.png has 51 MB; at most 50 MB are accepted")
    expect(visitor.tab.locator("#canvas .busy")).to_be_hidden()


@pytest.fixture()
def phone(browser, mock_page) -> Iterator[Visitor]:
    """A visitor with a phone and a photo open."""
    context = browser.new_context(
        viewport={"width": 390, "height": 844},
        has_touch=True,
        is_mobile=True,
        device_scale_factor=2,
        user_agent="Mozilla/5.0 (Linux; Android 16; K) AppleWebKit/537.36 Chrome/150.0.0.0 Mobile Safari/537.36",
    )
    visitor = Visitor(context.new_page(), mock_page)
    visitor.open_and_wait()
    yield visitor
    assert visitor.problems == []
    context.close()


def touch(visitor: Visitor, *steps: list[tuple[float, float]]) -> None:
    """Touch the screen with fingers that move through places, as the browser's own gestures do."""
    session = visitor.tab.context.new_cdp_session(visitor.tab)

    def send(kind: str, places: list[tuple[float, float]]) -> None:
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    send("touchStart", steps[0])
    for places in steps[1:]:
        send("touchMove", places)
        visitor.tab.wait_for_timeout(30)
    send("touchEnd", [])


def test_a_tap_is_a_click_and_the_page_fits_a_phone(phone) -> None:
    assert phone.tab.evaluate("document.documentElement.scrollWidth") <= 390
    phone.tab.touchscreen.tap(*phone.place(200, 200))
    phone.wait_for_answer()
    assert is_on(phone.alpha(), 200, 200)


def test_a_phone_is_told_to_tap(phone) -> None:
    expect(phone.message).to_contain_text("Tap the object")
    phone.tab.touchscreen.tap(*phone.place(200, 200))
    phone.wait_for_answer("found. Tap to correct it")
    assert "lick" not in phone.tab.locator("main").inner_text()
    expect(phone.tab.get_by_role("tab", name="Edges and shadow")).to_be_visible()
    button = phone.tab.locator("#canvas [data-tool=point]")
    button.tap()
    assert button.evaluate("(e) => getComputedStyle(e).backgroundColor") == "rgb(29, 78, 216)"


def test_the_bar_at_the_bottom_saves(phone) -> None:
    save = phone.tab.locator("#canvas [data-action=save]")
    expect(save).to_be_disabled()
    phone.tab.touchscreen.tap(*phone.place(200, 200))
    phone.wait_for_answer()
    with phone.tab.expect_download() as download:
        save.tap()
    assert download.value.suggested_filename == "flower_result.png"


def test_one_finger_scrolls_until_a_tool_is_chosen(phone) -> None:
    x, y = phone.place(320, 300)
    phone.tab.evaluate("window.scrollTo(0, 0)")
    touch(phone, *([(x, y - 12 * step)] for step in range(12)))
    phone.wait_until(lambda: phone.tab.evaluate("window.scrollY") > 40)
    touch(phone, *([(x - 12 * step, phone.place(320, 200)[1])] for step in range(12)))  # a swipe is no box
    expect(phone.tab.locator("#canvas .phone [data-action=undo]")).to_be_disabled()
    phone.tab.locator("#canvas [data-tool=box]").tap()
    (x0, y0), (x1, y1) = phone.place(100, 100), phone.place(400, 300)
    touch(phone, *([(x0 + (x1 - x0) * step / 8, y0 + (y1 - y0) * step / 8)] for step in range(9)))
    phone.wait_for_answer()
    assert is_on(phone.alpha(), 110, 290)


def test_two_fingers_zoom_the_photo_and_not_the_page(phone) -> None:
    x, y = phone.place(320, 210)
    spread = ([(x - 30 - 8 * step, y), (x + 30 + 8 * step, y)] for step in range(8))
    touch(phone, *spread)
    assert phone.tab.evaluate("[window.scrollY, visualViewport.scale]") == [0, 1]
    phone.tab.touchscreen.tap(x + 60, y)  # enlarged about three times around (320, 210)
    phone.wait_for_answer()
    ys, xs = np.nonzero(phone.alpha() > 127)
    assert 330 < xs.mean() < 400 and abs(ys.mean() - 210) < 12


def test_every_target_on_a_phone_is_44_pixels(phone) -> None:
    phone.tab.touchscreen.tap(*phone.place(200, 200))
    phone.wait_for_answer()
    phone.wait_until_idle()
    small = phone.tab.evaluate(
        """[...document.querySelectorAll('#canvas button, #saving button, #kind label')].filter((e) => {
          const { width, height } = e.getBoundingClientRect();
          return width && (width < 44 || height < 44);
        }).map((e) => e.outerHTML)"""
    )
    assert small == []


def test_one_finger_erases(phone) -> None:
    phone.tab.touchscreen.tap(*phone.place(200, 200))
    phone.wait_for_answer()
    phone.tab.locator("#canvas [data-tool=paint]").tap()
    phone.tab.locator("#canvas [data-action=snap]").tap()
    assert phone.tab.evaluate("document.documentElement.scrollWidth") <= 390
    (x0, y), (x1, _) = phone.place(150, 200), phone.place(250, 200)
    touch(phone, *([(x0 + (x1 - x0) * step / 8, y)] for step in range(9)))
    phone.wait_for_answer()
    assert not is_on(phone.alpha(), 200, 200)
