"""Photos, objects, texts and answers on the main tab in real Chromium, on a mock model, also on a slow one."""

import io
import re
import struct
import zipfile
import zlib

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import expect

from demo.engine import Engine
from demo.session import Op
from demo.tabs.cut_out import CutOutEvents
from mam import Matting, Prompt
from tests.conftest import EXAMPLES
from tests.demo.visitor import Visitor, is_on
from tests.mock_graphs import MockGraphs
from tests.pictures import encode


def test_a_file_that_cannot_be_opened_costs_nothing(visitor, tmp_path) -> None:
    visitor.click(200, 200)
    visitor.wait_for_answer()
    before = visitor.alpha()
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    visitor.open(tmp_path / "bad.jpg")
    expect(visitor.message).to_contain_text("bad.jpg is not an image", timeout=30_000)
    assert np.array_equal(visitor.alpha(), before)
    visitor.click(300, 300)  # and the work goes on
    visitor.wait_for_answer()
    assert is_on(visitor.alpha(), 300, 300) and is_on(visitor.alpha(), 200, 200)


def png_header(width: int, height: int) -> bytes:
    """The beginning of a grey PNG, which declares its size."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + header
        + struct.pack(">I", zlib.crc32(header))
        + b"\0\0\0\x0aIDAT"
    )


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("huge.png", png_header(16_000, 16_000), "has 256 megapixels; at most 250 can be opened"),
        ("cut.png", (EXAMPLES / "coffee.png").read_bytes()[:50_000], "is truncated"),
        ("holiday.jpg", b"\xff\xd8\xff\xe0 not really a photograph", "holiday.jpg starts like an image"),
        ("empty.png", b"", "has no content"),
        ("notes.png", b"dear diary", "not an image that can be read"),
    ],
)
def test_bad_files_are_refused_beside_the_canvas(visitor, tmp_path, name, content, message) -> None:
    (tmp_path / name).write_bytes(content)
    visitor.open(tmp_path / name)
    expect(visitor.message).to_contain_text(message, timeout=30_000)
    expect(visitor.message).to_have_class("message error")
    expect(visitor.tab.locator("#canvas .empty")).to_be_hidden()  # the flower stays
    visitor.open_and_wait(EXAMPLES / "cat.png")  # and the next photo works


def test_a_slow_upload_shows_its_progress_and_no_false_alarm(visitor, tmp_path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "slow.png")  # 270 kB
    network = visitor.tab.context.new_cdp_session(visitor.tab)
    network.send("Network.enable")
    slow = {"offline": False, "latency": 50, "downloadThroughput": -1, "uploadThroughput": 60_000}
    network.send("Network.emulateNetworkConditions", slow)
    visitor.open(tmp_path / "slow.png")
    expect(visitor.tab.locator("#canvas .busy")).to_contain_text(
        re.compile(r"Sending slow\.png · [1-9]\d?%"), timeout=9000
    )
    expect(visitor.message).to_contain_text("Click on the object", timeout=60_000)


def test_a_lost_connection_is_said(visitor, tmp_path) -> None:
    # The upload alone fails: Gradio reloads the page when it loses one of its own requests.
    visitor.tab.route("**/gradio_api/upload**", lambda route: route.abort("internetdisconnected"))
    visitor.open(EXAMPLES / "cat.png")
    expect(visitor.message).to_contain_text("The connection was lost before cat.png had arrived")
    visitor.tab.unroute("**/gradio_api/upload**")
    visitor.problems.clear()  # the browser's own report of the failed request
    visitor.open_and_wait(EXAMPLES / "cat.png")


@pytest.mark.parametrize("mode, kind", [("CMYK", "JPEG"), ("I;16", "PNG"), ("P", "PNG"), ("LA", "PNG"), ("1", "TIFF")])
def test_unusual_images_are_converted(visitor, tmp_path, mode, kind) -> None:
    file = tmp_path / f"unusual.{kind.lower()}"
    file.write_bytes(encode(Image.new(mode, (320, 200), (90, 255) if mode == "LA" else 0), kind))
    visitor.open_and_wait(file)
    visitor.click(100, 100)
    visitor.wait_for_answer()
    assert visitor.alpha().shape == (200, 320)


def test_text_offers_the_boxes_where_it_is_found(visitor) -> None:
    text, boxes = visitor.text, visitor.tab.locator("#canvas .text-boxes button")
    text.fill("both")
    text.press("Enter")
    expect(boxes).to_have_text(["left 0.80", "right 0.60"])
    visitor.wait_for_answer()
    alpha = visitor.alpha()
    assert is_on(alpha, 100, 200) and not is_on(alpha, 500, 200)  # the best is used
    boxes.nth(1).click()
    visitor.wait_for_answer()
    expect(boxes.nth(1)).to_have_attribute("aria-pressed", "true")
    alpha = visitor.alpha()
    assert is_on(alpha, 500, 200) and not is_on(alpha, 100, 200)
    visitor.click(500, 200, button="right")  # and corrected with a click
    visitor.wait_for_answer()
    assert not is_on(visitor.alpha(), 500, 200) and is_on(visitor.alpha(), 620, 400)
    visitor.press("z")
    visitor.press("z")
    visitor.wait_for_answer()
    assert is_on(visitor.alpha(), 100, 200)


def test_a_box_found_by_text_replaces_earlier_prompts(visitor) -> None:
    visitor.click(500, 100)
    visitor.wait_for_answer()
    visitor.text.fill("left")
    visitor.text.press("Enter")
    expect(visitor.tab.locator("#canvas .text-boxes button")).to_have_text(["left 0.80"])
    visitor.wait_for_answer()
    alpha = visitor.alpha()
    assert is_on(alpha, 100, 200) and not is_on(alpha, 500, 100)


def test_text_that_is_not_found_is_reported(visitor) -> None:
    visitor.text.fill("a submarine")
    visitor.text.press("Enter")
    expect(visitor.message).to_contain_text("“a submarine” was not found")
    expect(visitor.tab.locator("#canvas .text-boxes button")).to_have_count(0)
    assert visitor.tab.locator("#canvas .stage").get_attribute("aria-busy") == "false"


def test_several_objects(visitor) -> None:
    tab = visitor.tab
    visitor.click(150, 150)
    visitor.wait_for_answer("Object 1 found")
    tab.locator("#canvas [data-action=new]").click()
    visitor.wait_for_answer("Click on the object")
    visitor.click(450, 300)
    visitor.wait_for_answer("Object 2 found")
    tab.locator("#canvas .object input").nth(1).fill("bee / wasp")
    tab.locator("#canvas .object input").nth(1).press("Enter")
    visitor.wait_for_answer("bee / wasp found")
    assert visitor.names() == ["Object 1", "bee / wasp"]
    both = visitor.alpha()
    assert is_on(both, 150, 150) and is_on(both, 450, 300)

    name, data = visitor.download("zip")
    assert name == "flower_objects.zip"
    parts = zipfile.ZipFile(io.BytesIO(data)).namelist()
    assert sorted(parts) == [
        "flower_1_Object 1_alpha.png",
        "flower_1_Object 1_cutout.png",
        "flower_2_bee _ wasp_alpha.png",
        "flower_2_bee _ wasp_cutout.png",
    ]
    tab.get_by_label("Only the selected object").check()
    visitor.wait_until(lambda: not is_on(visitor.alpha(), 150, 150))
    assert is_on(visitor.alpha(), 450, 300)
    tab.get_by_label("Only the selected object").uncheck()
    visitor.wait_until(lambda: is_on(visitor.alpha(), 150, 150))
    tab.get_by_role("button", name="Hide bee / wasp").click()
    visitor.wait_for_answer()
    assert not is_on(visitor.alpha(), 450, 300)
    tab.get_by_role("button", name="Delete bee / wasp").click()
    visitor.wait_for_answer("Object 1 found")
    assert visitor.names() == []  # one alone needs no list
    visitor.tab.locator("#canvas .bar [data-action=undo]").click()
    visitor.wait_for_answer()
    assert visitor.names() == ["Object 1", "bee / wasp"]


def test_candidates_can_be_chosen_and_corrected(visitor) -> None:
    visitor.click(300, 200)
    visitor.wait_for_answer()
    small = (visitor.alpha() > 127).sum()
    visitor.tab.get_by_role("button", name="More than that").click()
    visitor.wait_for_answer()
    large = visitor.alpha() > 127
    assert large.sum() > 5 * small
    expect(visitor.tab.get_by_role("button", name="More than that")).to_have_attribute("aria-pressed", "true")
    visitor.tab.keyboard.down("Shift")
    visitor.click(300, 200)
    visitor.tab.keyboard.up("Shift")
    visitor.wait_for_answer()
    left = visitor.alpha() > 127
    assert not left[200, 300] and left.sum() > 0.6 * large.sum()
    visitor.press("z")
    visitor.press("z")
    visitor.wait_for_answer()
    assert (visitor.alpha() > 127).sum() == small


def test_only_taking_away_asks_for_more(visitor) -> None:
    visitor.press("x")
    visitor.click(200, 200)
    visitor.wait_for_answer("now click on the object")
    expect(visitor.tab.locator("#download")).to_be_disabled()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser, mock_page, scheme) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 720})
    visitor = Visitor(context.new_page(), mock_page)
    for panel in (None, "Background", "Size and place", "Edges and shadow"):
        if panel is None:
            visitor.tab.wait_for_timeout(500)
        elif panel == "Background":
            visitor.open_and_wait()
            visitor.click(200, 200)
            visitor.wait_for_answer()
            visitor.wait_until_idle()
            # Buttons fade in; until then their contrast is too low.
            visitor.tab.wait_for_function("() => getComputedStyle(document.querySelector('#copy')).opacity === '1'")
        else:
            visitor.tab.get_by_role("tab", name=panel).click()
        report = Axe().run(visitor.tab).response
        serious = [one for one in report["violations"] if one["impact"] in ("serious", "critical")]
        assert [(one["id"], node["html"]) for one in serious for node in one["nodes"]] == [], panel
    context.close()


def test_another_guidance_asks_again(visitor) -> None:
    visitor.click(200, 200)
    visitor.wait_for_answer()
    asked: list[str] = []
    visitor.tab.on("request", lambda sent: asked.append(sent.post_data or "") if "queue/join" in sent.url else None)
    visitor.tab.get_by_role("tab", name="Edges and shadow").click()
    visitor.tab.get_by_label("It touches other objects").check()
    visitor.wait_until(lambda: any('"turn"' in data for data in asked))
    visitor.wait_for_answer()


def test_a_slow_model_locks_nothing_and_the_last_change_wins(slow_visitor) -> None:
    visitor, tab = slow_visitor, slow_visitor.tab
    for x in (100, 200, 300, 400, 500):
        visitor.click(x, 200)
    expect(tab.locator("#canvas .busy")).to_be_visible()
    tab.locator("#canvas [data-tool=scribble]").click()  # the page answers at once
    expect(tab.locator("#canvas [data-tool=scribble]")).to_have_attribute("aria-pressed", "true", timeout=500)
    visitor.wait_for_answer()
    alpha = visitor.alpha()
    assert all(is_on(alpha, x, 200) for x in (100, 200, 300, 400, 500))


def test_another_photo_opened_meanwhile_stays(slow_visitor) -> None:
    visitor = slow_visitor
    visitor.click(200, 200)  # the answer comes after the cat
    visitor.open_and_wait(EXAMPLES / "cat.png")
    visitor.wait_until_idle()
    visitor.click(200, 100)
    visitor.wait_for_answer("Object 1 found")
    alpha = visitor.alpha()
    assert alpha.shape == (300, 451) and is_on(alpha, 200, 100)


def test_an_ambiguous_click_comes_with_pictures_of_both_readings() -> None:
    engine, main = Engine(Matting(MockGraphs())), Op("main")
    opened = engine.open(str(EXAMPLES / "flower.jpg"))
    box = Prompt(box=(200, 100, 430, 340))
    engine.store.get(engine.key(opened.token, (main,)), lambda: engine.scene(opened).segment([box])[0])
    ops = [{"kind": "main"}, {"kind": "point", "xy": [440, 200], "label": 1}]
    offered = CutOutEvents(engine).offers({"token": opened.token, "ops": ops})
    assert [one["name"] for one in offered] == ["add", "only"]
    with engine.offering, engine.offering:
        assert CutOutEvents(engine).offers({"token": opened.token, "ops": ops}) is None  # the browser asks again
    assert len({one["source"] for one in offered}) == 2
