"""Everything that can be done on the canvas, in real Chromium, on a mock model that draws discs and rectangles."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.conftest import EXAMPLES
from tests.demo.visitor import Visitor


@pytest.fixture()
def visitor(browser, mock_page):
    tab = browser.new_page(viewport={"width": 1280, "height": 1300})
    visitor = Visitor(tab, mock_page)
    visitor.opened()
    yield visitor
    assert visitor.problems == [] and visitor.outside == []
    tab.close()


def on(alpha: np.ndarray, x: int, y: int) -> bool:
    return bool(alpha[y, x] > 127)


def test_box_by_dragging(visitor) -> None:
    visitor.tab.mouse.move(*visitor.place(90, 70))  # keys count where the pointer is
    visitor.tab.keyboard.press("b")
    visitor.drag((100, 80), (300, 200), (400, 320))
    visitor.settled()
    alpha = visitor.alpha()
    assert alpha.shape == (427, 640)
    inside = np.zeros(alpha.shape, bool)
    inside[80:320, 100:400] = True
    assert ((alpha > 127) != inside).mean() < 0.01


def test_a_file_that_cannot_be_opened_costs_nothing(visitor, tmp_path) -> None:
    visitor.click(200, 200)
    visitor.settled()
    before = visitor.alpha()
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    visitor.open(tmp_path / "bad.jpg")
    expect(visitor.said).to_contain_text("bad.jpg is not a picture", timeout=30_000)
    assert np.array_equal(visitor.alpha(), before)
    visitor.click(300, 300)  # and the work goes on
    visitor.settled()
    assert on(visitor.alpha(), 300, 300) and on(visitor.alpha(), 200, 200)


def test_words_offer_the_places_where_they_are(visitor) -> None:
    words, offers = visitor.tab.locator("#words textarea, #words input"), visitor.tab.locator("#canvas .offers button")
    words.fill("both")
    words.press("Enter")
    expect(offers).to_have_text(["left 0.80", "right 0.60"])
    visitor.settled()
    alpha = visitor.alpha()
    assert on(alpha, 100, 200) and not on(alpha, 500, 200)  # the surest is taken
    offers.nth(1).click()
    visitor.settled()
    expect(offers.nth(1)).to_have_attribute("aria-pressed", "true")
    alpha = visitor.alpha()
    assert on(alpha, 500, 200) and not on(alpha, 100, 200)
    visitor.click(500, 200, button="right")  # and corrected with a click
    visitor.settled()
    assert not on(visitor.alpha(), 500, 200) and on(visitor.alpha(), 620, 400)
    visitor.press("z")
    visitor.press("z")
    visitor.settled()
    assert on(visitor.alpha(), 100, 200)


def test_a_place_that_is_taken_replaces_what_was_pointed_at(visitor) -> None:
    visitor.click(500, 100)
    visitor.settled()
    words = visitor.tab.locator("#words textarea, #words input")
    words.fill("left")
    words.press("Enter")
    expect(visitor.tab.locator("#canvas .offers button")).to_have_text(["left 0.80"])
    visitor.settled()
    alpha = visitor.alpha()
    assert on(alpha, 100, 200) and not on(alpha, 500, 100)


def test_words_that_are_nowhere_are_said_with_the_best_score(visitor) -> None:
    words = visitor.tab.locator("#words textarea, #words input")
    words.fill("a submarine")
    words.press("Enter")
    expect(visitor.said).to_contain_text("nothing found for 'a submarine.' (best score 0.12)")
    expect(visitor.tab.locator("#canvas .offers button")).to_have_count(0)
    assert visitor.tab.locator("#canvas .stage").get_attribute("aria-busy") == "false"


def test_clicks_add_and_take_away_in_three_ways(visitor) -> None:
    visitor.click(200, 200)
    visitor.settled()
    visitor.click(260, 200)  # joins
    visitor.settled()
    alpha = visitor.alpha()
    assert on(alpha, 200, 200) and on(alpha, 260, 200) and not on(alpha, 400, 300)
    visitor.tab.keyboard.down("Shift")
    visitor.click(260, 200)
    visitor.tab.keyboard.up("Shift")
    visitor.settled()
    assert not on(visitor.alpha(), 260, 200)
    visitor.click(150, 200, button="right")
    visitor.settled()
    assert not on(visitor.alpha(), 150, 200)
    visitor.press("x")
    visitor.click(200, 160)
    visitor.settled()
    assert not on(visitor.alpha(), 200, 160)


def test_a_dragged_point_is_a_box_and_a_clicked_box_a_point(visitor) -> None:
    visitor.press("p")
    visitor.drag((100, 100), (300, 300))
    visitor.settled()
    assert on(visitor.alpha(), 110, 290)
    visitor.press("z")
    visitor.settled("Drag a box")
    visitor.press("b")
    visitor.click(200, 200)
    visitor.settled()
    assert on(visitor.alpha(), 200, 200)


def test_scribble(visitor) -> None:
    visitor.press("s")
    visitor.drag((100, 200), (250, 200), (400, 200))
    visitor.settled()
    alpha = visitor.alpha()
    assert all(on(alpha, x, 200) for x in (130, 250, 380)) and not on(alpha, 250, 330)


def test_undo_redo_reset(visitor) -> None:
    visitor.click(200, 200)
    visitor.settled()
    visitor.click(450, 300)
    visitor.settled()
    visitor.press("z")
    visitor.settled()
    alpha = visitor.alpha()
    assert on(alpha, 200, 200) and not on(alpha, 450, 300)
    visitor.press("y")
    visitor.settled()
    assert on(visitor.alpha(), 450, 300)
    visitor.tab.locator("#canvas [data-do=reset]").click()
    visitor.settled("Drag a box")
    expect(visitor.tab.locator("#save_alpha")).to_be_disabled(timeout=30_000)
    visitor.tab.locator("#canvas [data-do=undo]").click()
    visitor.settled()
    assert on(visitor.alpha(), 450, 300)


def test_keyboard_alone(visitor) -> None:
    tab = visitor.tab
    visitor.canvas.focus()
    tab.keyboard.press("ArrowRight")  # the cross appears in the middle
    expect(visitor.said).to_contain_text("50% from the left")
    for _ in range(5):
        tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Enter")
    visitor.settled()
    assert on(visitor.alpha(), 320 + 64, 213)
    visitor.canvas.focus()
    for _ in range(3):
        tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Shift+Enter")
    visitor.settled()
    alpha = visitor.alpha()
    assert not on(alpha, 320 + 102, 213) and on(alpha, 320 + 30, 213)
    visitor.press("b")
    tab.keyboard.press("Enter")
    expect(visitor.said).to_contain_text("First corner")
    for key in ["ArrowRight"] * 8 + ["ArrowDown"] * 6:
        tab.keyboard.press(key)
    tab.keyboard.press("Enter")
    visitor.settled()
    assert on(visitor.alpha(), 422 + 95, 213 + 70)


def test_every_control_has_a_name(visitor) -> None:
    visitor.click(200, 200)
    visitor.settled()
    nameless = visitor.tab.evaluate(
        """[...document.querySelectorAll('#canvas button, #canvas input, #canvas canvas[tabindex]')].filter(
        (e) => !(e.getAttribute('aria-label') || e.textContent.trim() || e.closest('label'))).length"""
    )
    assert nameless == 0
    expect(visitor.tab.get_by_role("button", name="Answer 2 of 3, predicted quality 0.80")).to_be_visible()
    expect(visitor.tab.get_by_role("status").filter(has_text="found")).to_have_count(1)


def test_zoom_and_pan_keep_the_photo_under_the_pointer(visitor) -> None:
    tab = visitor.tab
    x, y = visitor.place(200, 150)
    tab.mouse.move(x, y)
    for _ in range(4):
        tab.mouse.wheel(0, -300)
    tab.mouse.click(x, y)  # still the same pixel of the photo
    visitor.settled()
    alpha = visitor.alpha()
    ys, xs = np.nonzero(alpha > 127)
    assert abs(xs.mean() - 200) < 3 and abs(ys.mean() - 150) < 3
    visitor.canvas.focus()
    tab.keyboard.down(" ")
    visitor.drag((300, 200), (340, 230))  # moves the photo, draws nothing
    tab.keyboard.up(" ")
    visitor.press("0")
    assert tab.locator("#canvas [data-do=redo]").is_disabled()
    visitor.click(500, 350)
    visitor.settled()
    assert on(visitor.alpha(), 500, 350)


def test_hover_shows_what_a_click_would_give(visitor) -> None:
    def ink() -> np.ndarray:
        return np.asarray(Image.open(io.BytesIO(visitor.canvas.screenshot())).convert("RGB")).astype(int)

    before = ink()
    visitor.tab.mouse.move(*visitor.place(200, 200))
    with visitor.tab.expect_response(lambda response: "component_server" in response.url):
        visitor.tab.mouse.move(*visitor.place(203, 203))
    visitor.tab.wait_for_timeout(600)
    assert (np.abs(ink() - before).max(2) > 20).mean() > 0.01
    expect(visitor.tab.locator("#save_alpha")).to_be_disabled()


def test_loupe_and_fade(visitor) -> None:
    visitor.click(200, 200)
    visitor.settled()
    visitor.press("l")
    visitor.tab.mouse.move(*visitor.place(210, 210))
    expect(visitor.tab.locator("#canvas canvas.loupe")).to_be_visible()
    visitor.press("l")
    expect(visitor.tab.locator("#canvas canvas.loupe")).to_be_hidden()
    strong = visitor.canvas.screenshot()
    visitor.tab.locator("#canvas .fade input").fill("0")
    assert visitor.canvas.screenshot() != strong


def test_several_objects(visitor) -> None:
    tab = visitor.tab
    visitor.click(150, 150)
    visitor.settled("Object 1 found")
    tab.get_by_role("button", name="+ Add object").click()
    visitor.settled("Drag a box")
    visitor.click(450, 300)
    visitor.settled("Object 2 found")
    tab.locator("#canvas .object input").nth(1).fill("bee / wasp")
    tab.locator("#canvas .object input").nth(1).press("Enter")
    visitor.settled("bee / wasp found")
    assert visitor.names() == ["Object 1", "bee / wasp"]
    both = visitor.alpha()
    assert on(both, 150, 150) and on(both, 450, 300)

    name, data = visitor.download("zip")
    assert name == "flower_objects.zip"
    parts = zipfile.ZipFile(io.BytesIO(data)).namelist()
    assert sorted(parts) == [
        "flower_1_Object 1_alpha.png",
        "flower_1_Object 1_cutout.png",
        "flower_2_bee _ wasp_alpha.png",
        "flower_2_bee _ wasp_cutout.png",
    ]
    tab.get_by_label("The selected object").check()
    visitor.settled()
    tab.wait_for_timeout(500)
    only = visitor.alpha()
    assert not on(only, 150, 150) and on(only, 450, 300)
    tab.get_by_label("All visible objects").check()
    tab.get_by_role("button", name="Hide bee / wasp").click()
    visitor.settled()
    tab.wait_for_timeout(500)
    assert not on(visitor.alpha(), 450, 300)
    tab.get_by_role("button", name="Remove bee / wasp").click()
    visitor.settled("Object 1 found")
    assert visitor.names() == ["Object 1"]
    visitor.tab.locator("#canvas [data-do=undo]").click()
    visitor.settled()
    assert visitor.names() == ["Object 1", "bee / wasp"]


def test_other_answers_can_be_chosen_and_corrected(visitor) -> None:
    visitor.click(300, 200)
    visitor.settled()
    small = (visitor.alpha() > 127).sum()
    visitor.tab.get_by_role("button", name="Answer 3 of 3").click()
    visitor.settled()
    large = visitor.alpha() > 127
    assert large.sum() > 5 * small
    visitor.tab.keyboard.down("Shift")
    visitor.click(300, 200)
    visitor.tab.keyboard.up("Shift")
    visitor.settled()
    left = visitor.alpha() > 127
    assert not left[200, 300] and left.sum() > 0.6 * large.sum()
    visitor.press("z")
    visitor.press("z")
    visitor.settled()
    assert (visitor.alpha() > 127).sum() == small


def test_backgrounds_edges_and_files(visitor) -> None:
    tab = visitor.tab
    visitor.press("b")
    visitor.drag((100, 80), (400, 320))
    visitor.settled()
    name, data = visitor.download("cutout")
    picture = Image.open(io.BytesIO(data))
    assert name == "flower_cutout.png" and picture.mode == "RGBA" and picture.size == (640, 427)
    photo = np.asarray(Image.open(EXAMPLES / "flower.jpg"))

    def result() -> np.ndarray:
        tab.wait_for_timeout(700)
        name, data = visitor.download("png")
        assert name == "flower_result.png"
        return np.asarray(Image.open(io.BytesIO(data)))

    tab.locator("#kind").get_by_label("Colour").check()
    coloured = result()
    assert tuple(coloured[5, 5]) == (0x20, 0xA0, 0xFF) and np.array_equal(coloured[200, 250], photo[200, 250])
    tab.locator("#kind").get_by_label("Gradient").check()
    graded = result()
    assert np.abs(graded[0, 5].astype(int) - graded[-1, 5]).max() > 50
    tab.locator("#kind").get_by_label("Blur").check()
    assert result().std() > 5
    tab.locator("#kind").get_by_label("Picture", exact=True).check()
    assert not np.array_equal(result()[5, 5], coloured[5, 5])
    tab.locator("#kind").get_by_label("Your own picture").check()
    with tab.expect_file_chooser() as chooser:
        tab.locator("#own").click()
    chooser.value.set_files(EXAMPLES / "cat.png")
    own = result()
    tab.get_by_label("Show all of it").check()
    assert not np.array_equal(result(), own)

    name, data = visitor.download("jpeg")
    assert name == "flower_result.jpg" and Image.open(io.BytesIO(data)).format == "JPEG"
    tab.get_by_text("Edges and shadow").click()
    area = (visitor.alpha() > 127).sum()
    tab.locator("#grow input[type=number]").fill("5")
    tab.locator("#grow input[type=number]").press("Enter")
    tab.locator("#grow input[type=range]").press("ArrowRight")
    tab.wait_for_timeout(700)
    assert (visitor.alpha() > 127).sum() > area


def test_jpeg_of_transparency_is_refused_in_words(visitor) -> None:
    visitor.click(200, 200)
    visitor.settled()
    expect(visitor.tab.locator("#save_jpeg")).to_be_enabled(timeout=30_000)
    visitor.tab.locator("#save_jpeg").click()
    expect(visitor.tab.get_by_test_id("toast-body")).to_contain_text("JPEG knows no transparency", timeout=30_000)


def test_only_taking_away_asks_for_more(visitor) -> None:
    visitor.press("x")
    visitor.click(200, 200)
    visitor.settled("now click on something that does")
    expect(visitor.tab.locator("#save_alpha")).to_be_disabled()


def written(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def frames() -> bytes:
    """An animation of two frames."""
    return written(Image.new("L", (30, 20)), "GIF", save_all=True, append_images=[Image.new("L", (30, 20), 255)])


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("moving.gif", frames(), "animated or has several pages (2)"),
        ("huge.png", written(Image.new("1", (8000, 7000)), "PNG"), "56.0 megapixels"),
        ("cut.jpg", (EXAMPLES / "flower.jpg").read_bytes()[:50_000], "truncated or damaged"),
        ("holiday.jpg", b"\xff\xd8\xff\xe0 not really a photograph", "holiday.jpg starts like a picture"),
        ("empty.png", b"", "is empty (0 bytes)"),
        ("notes.png", b"dear diary", "not a picture that can be read"),
    ],
)
def test_bad_files_are_refused_beside_the_canvas(visitor, tmp_path, name, content, said) -> None:
    (tmp_path / name).write_bytes(content)
    visitor.open(tmp_path / name)
    expect(visitor.said).to_contain_text(said, timeout=30_000)
    expect(visitor.said).to_have_class("said error")
    expect(visitor.tab.locator("#canvas .empty")).to_be_hidden()  # the flower stays
    visitor.opened(EXAMPLES / "cat.png")  # and the next photo works


@pytest.mark.parametrize("mode, kind", [("CMYK", "JPEG"), ("I;16", "PNG"), ("P", "PNG"), ("LA", "PNG"), ("1", "TIFF")])
def test_unusual_pictures_are_converted(visitor, tmp_path, mode, kind) -> None:
    file = tmp_path / f"unusual.{kind.lower()}"
    file.write_bytes(written(Image.new(mode, (320, 200)), kind))
    visitor.opened(file)
    visitor.click(100, 100)
    visitor.settled()
    assert visitor.alpha().shape == (200, 320)


def test_dropped_and_pasted_photos(browser, mock_page) -> None:
    tab = browser.new_page()
    visitor = Visitor(tab, mock_page)
    data = list((EXAMPLES / "flower.jpg").read_bytes())
    give = """(data) => { const carried = new DataTransfer();
        carried.items.add(new File([new Uint8Array(data)], 'NAME.jpg', { type: 'image/jpeg' })); """
    tab.evaluate(
        give.replace("NAME", "dropped") + "document.querySelector('#canvas .stage').dispatchEvent("
        "new DragEvent('drop', { dataTransfer: carried, bubbles: true, cancelable: true })); }",
        data,
    )
    expect(visitor.said).to_contain_text("Drag a box", timeout=30_000)
    tab.evaluate(
        give.replace("NAME", "pasted")
        + "document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: carried, bubbles: true })); }",
        data,
    )
    expect(tab.locator("#canvas .busy")).to_contain_text("pasted.jpg", timeout=30_000)
    expect(tab.locator("#canvas .stage")).to_have_attribute("aria-busy", "false", timeout=30_000)
    tab.close()


def test_a_slow_model_locks_nothing_and_the_last_word_wins(browser, slow_page) -> None:
    tab = browser.new_page(viewport={"width": 1280, "height": 1300})
    visitor = Visitor(tab, slow_page)
    visitor.opened()
    for x in (100, 200, 300, 400, 500):
        visitor.click(x, 200)
    expect(tab.locator("#canvas .busy")).to_be_visible()
    tab.locator("#canvas [data-tool=scribble]").click()  # the page answers at once
    expect(tab.locator("#canvas [data-tool=scribble]")).to_have_attribute("aria-pressed", "true", timeout=500)
    visitor.settled()
    alpha = visitor.alpha()
    assert all(on(alpha, x, 200) for x in (100, 200, 300, 400, 500))
    tab.close()


def test_another_photo_opened_meanwhile_stays(browser, slow_page) -> None:
    tab = browser.new_page(viewport={"width": 1280, "height": 1300})
    visitor = Visitor(tab, slow_page)
    visitor.opened()
    visitor.click(200, 200)  # the answer comes after the cat
    visitor.opened(EXAMPLES / "cat.png")
    tab.wait_for_timeout(3000)
    visitor.click(200, 100)
    visitor.settled("Object 1 found")
    alpha = visitor.alpha()
    assert alpha.shape == (300, 451) and on(alpha, 200, 100) and visitor.problems == []
    tab.close()


def test_results_are_of_the_last_answer(browser, slow_page) -> None:
    tab = browser.new_page(viewport={"width": 1280, "height": 1300})
    visitor = Visitor(tab, slow_page)
    visitor.opened()
    tab.get_by_role("tab", name="Alpha").click()
    for x in (100, 300, 500):
        visitor.click(x, 200)
        visitor.settled()
    tab.wait_for_timeout(3000)
    address = tab.locator("#alpha img").first.get_attribute("src")
    drawn = np.asarray(Image.open(io.BytesIO(tab.request.get(address).body())).convert("L"))
    assert all(on(drawn, x, 200) for x in (100, 300, 500))
    tab.close()


def test_guidance_asks_again(visitor) -> None:
    visitor.click(200, 200)
    visitor.settled()
    before = visitor.tab.locator("#canvas .status").text_content()
    visitor.tab.get_by_label("One of several").check()
    expect(visitor.tab.locator("#canvas .status")).not_to_have_text(before, timeout=30_000)
    visitor.settled()


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
    expect(visitor.tab.locator("#canvas [data-do=undo]")).to_be_disabled()


def test_focus_stays_where_it_was(visitor) -> None:
    tab = visitor.tab
    visitor.click(300, 200)
    visitor.settled()

    def focused() -> str:
        return tab.evaluate("document.activeElement.getAttribute('aria-label')")

    for name in ("Answer 2 of 3", "Hide Object 1", "Show Object 1"):
        button = tab.get_by_role("button", name=name)
        button.focus()
        tab.keyboard.press("Enter")
        visitor.settled("")
        assert focused().split()[0] in (name.split()[0], "Show", "Hide")
    tab.get_by_role("button", name="Remove Object 1").focus()
    tab.keyboard.press("Enter")
    visitor.settled("")
    assert focused().startswith("Remove")  # of the empty object that took its place


def test_keys_do_nothing_on_another_tab(visitor) -> None:
    visitor.click(200, 200)
    visitor.settled()
    visitor.tab.get_by_role("tab", name="Many pictures").click()
    visitor.tab.keyboard.press("z")
    visitor.tab.get_by_role("tab", name="Cut out").click()
    expect(visitor.tab.locator("#canvas [data-do=redo]")).to_be_disabled()


def test_what_is_no_picture_is_said_at_once(visitor) -> None:
    visitor.tab.evaluate(
        """() => { const carried = new DataTransfer(); carried.items.add(new File(['dear diary'], 'notes.txt', { type: 'text/plain' }));
        document.querySelector('#canvas .stage').dispatchEvent(new DragEvent('drop', { dataTransfer: carried, bubbles: true, cancelable: true })); }"""
    )
    expect(visitor.said).to_contain_text("That is no picture")
    expect(visitor.tab.locator("#canvas .busy")).to_be_hidden()


def test_fingers(browser, mock_page) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, device_scale_factor=2
    )
    tab = context.new_page()
    visitor = Visitor(tab, mock_page)
    visitor.opened()
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    tab.touchscreen.tap(*visitor.place(200, 200))
    visitor.settled()
    assert on(visitor.alpha(), 200, 200)
    context.close()
