"""Opening photos in real Chromium: what shows first, what goes, and what comes back after a reload or a restart."""

import re

import pytest
from PIL import Image
from playwright.sync_api import expect

from demo import app
from demo.engine import Engine
from demo.session import Visitors
from mam import Matting
from tests.conftest import EXAMPLES
from tests.demo.conftest import free_port, serve
from tests.demo.visitor import Visitor, is_on
from tests.mock_graphs import MockGraphs, MockGrounding

BROUGHT_BACK = "Your photo and prompts are back."


def test_the_old_result_goes_at_once_and_comes_back_if_the_new_photo_fails(slow_visitor, tmp_path) -> None:
    visitor, tab = slow_visitor, slow_visitor.tab
    visitor.click(200, 200)
    visitor.wait_for_answer()
    expect(tab.locator("#download")).to_be_enabled(timeout=30_000)
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    tab.evaluate(
        """() => {
          document.querySelector('#canvas .file').addEventListener('change', () => {
            const start = performance.now(), isGone = () => document.querySelector('#saving').inert &&
              getComputedStyle(document.querySelector('#cutout img')).visibility === 'hidden';
            const look = () => { if (isGone()) window.gone = performance.now() - start; else setTimeout(look, 5); };
            look();
          });
        }"""
    )
    visitor.open(EXAMPLES / "cat.png")
    tab.wait_for_function("() => window.gone !== undefined")
    assert tab.evaluate("window.gone") < 300
    tab.keyboard.press("s")
    expect(visitor.message).to_have_text(re.compile("^$|^Click on the object"))  # nothing about the key
    visitor.wait_for_answer("Click on the object")
    expect(tab.locator("#download")).to_be_disabled(timeout=30_000)
    visitor.size = Image.open(EXAMPLES / "cat.png").size
    visitor.click(200, 200)
    visitor.wait_for_answer()
    visitor.open(tmp_path / "bad.jpg")
    expect(visitor.message).to_contain_text("bad.jpg is not an image", timeout=30_000)
    assert visitor.alpha().shape == (300, 451)


def test_the_browser_shows_its_own_file_before_it_is_sent(visitor) -> None:
    tab = visitor.tab
    tab.route("**/gradio_api/upload**", lambda route: None)  # never answered
    visitor.open(EXAMPLES / "cat.png")
    expect(tab.locator("#canvas .busy")).to_contain_text("Sending cat.png")
    middle = """() => {
      const canvas = document.querySelector('#canvas canvas');
      return [...canvas.getContext('2d').getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data];
    }"""  # the canvas may still change its size
    expected = Image.open(EXAMPLES / "cat.png").convert("RGB").getpixel((225, 150))
    visitor.wait_until(lambda: max(abs(a - b) for a, b in zip(tab.evaluate(middle), expected, strict=False)) < 40)


def test_the_mask_shows_before_the_matte(slow_visitor) -> None:
    visitor, tab = slow_visitor, slow_visitor.tab
    visitor.click(200, 200)
    expect(tab.locator("#canvas .busy")).to_have_text("Refining the edges …", timeout=5000)
    visitor.wait_for_answer()
    expect(tab.locator("#canvas .candidates img")).to_have_count(2)


def test_the_first_answer_needs_no_second_request(browser, page) -> None:
    tab = browser.new_page(viewport={"width": 1280, "height": 720})
    visitor, asked = Visitor(tab, page), []
    tab.on("request", lambda sent: asked.append(sent.post_data or "") if "queue/join" in sent.url else None)
    visitor.open_and_wait()
    visitor.wait_for_answer("found")
    assert any('"path"' in data for data in asked) and not any('"turn"' in data for data in asked)
    tab.close()


def test_a_reload_brings_everything_back_and_close_forgets_it(browser, mock_page) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 1300})
    tab = context.new_page()
    visitor = Visitor(tab, mock_page)
    visitor.open_and_wait()
    visitor.click(200, 200)
    visitor.wait_for_answer()
    tab.locator("#kind").get_by_label("Blur").check()
    tab.locator("#blur input[type=number]").fill("9")
    tab.locator("#blur input[type=number]").press("Enter")
    visitor.wait_until(lambda: "9" in (tab.evaluate("sessionStorage.getItem('mam.settings')") or ""))
    visitor.wait_until_idle()
    tab.reload()
    expect(visitor.message).to_contain_text(BROUGHT_BACK, timeout=60_000)
    visitor.wait_for_answer("found")
    assert is_on(visitor.alpha(), 200, 200)
    expect(tab.locator("#kind").get_by_label("Blur")).to_be_checked()
    expect(tab.locator("#blur input[type=number]")).to_have_value("9")
    tab.goto("about:blank")
    tab.go_back()
    visitor.wait_for_answer(BROUGHT_BACK)
    tab.locator("#canvas [data-action=close]").click()
    expect(tab.locator("#canvas .choose")).to_be_visible()
    count = """() => new Promise((resolve) => {
      const asked = indexedDB.open('mam');
      asked.onsuccess = () => {
        const counted = asked.result.transaction('photos').objectStore('photos').count();
        counted.onsuccess = () => { asked.result.close(); resolve(counted.result); };
      };
    })"""
    visitor.wait_until(lambda: tab.evaluate(count) == 0)
    assert tab.evaluate("sessionStorage.getItem('mam.document')") is None
    context.close()


def test_another_tab_begins_without_the_photo(browser, mock_page) -> None:
    context = browser.new_context()
    Visitor(context.new_page(), mock_page).open_and_wait()
    other = Visitor(context.new_page(), mock_page)
    other.tab.wait_for_timeout(1000)
    expect(other.tab.locator("#canvas .choose")).to_be_visible()
    context.close()


def test_a_server_that_restarts_has_the_photo_and_the_last_click_again(browser, python) -> None:
    port = free_port()
    command = [python, "-m", "tests.demo.mock", str(port)]
    first = serve(command, port)
    tab = browser.new_page(viewport={"width": 1280, "height": 1300})
    visitor = Visitor(tab, next(first))
    visitor.open_and_wait()
    next(first, None)
    visitor.click(200, 200)  # nobody is there
    second = serve(command, port)
    next(second)
    expect(visitor.message).to_contain_text(BROUGHT_BACK, timeout=60_000)
    visitor.wait_for_answer("found")
    assert is_on(visitor.alpha(), 200, 200)
    next(second, None)
    tab.close()


def test_a_server_that_has_forgotten_the_photo_gets_it_again(browser, monkeypatch) -> None:
    engines: list[Engine] = []

    def make(*given, **options) -> Engine:
        engines.append(Engine(*given, **options))
        return engines[-1]

    monkeypatch.setattr(app, "Engine", make)
    demo = app.build_demo(Matting(MockGraphs(), grounding=MockGrounding, proposer=None))
    _, address, _ = demo.launch(server_port=free_port(), prevent_thread_lock=True, quiet=True, **app.LAUNCH)
    visitor = Visitor(browser.new_page(viewport={"width": 1280, "height": 1300}), address)
    visitor.open_and_wait()
    engines[0].visitors = Visitors()
    visitor.click(200, 200)
    visitor.wait_for_answer("The server had forgotten your photo; it was sent again. Object 1 found")
    assert is_on(visitor.alpha(), 200, 200)
    visitor.tab.close()
    demo.close()


def test_a_note_goes_with_its_photo(visitor, tmp_path) -> None:
    frames = [Image.new("L", (30, 20), value) for value in (0, 255)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    visitor.open_and_wait(tmp_path / "moving.gif")
    expect(visitor.message).to_contain_text("moving.gif has several frames; the first was read.")
    visitor.open(tmp_path / "bad.jpg")
    expect(visitor.message).to_have_text(re.compile("^bad.jpg is not an image"), timeout=30_000)


@pytest.mark.parametrize("place", ["#result", "#text input"])
def test_a_photo_may_be_dropped_anywhere(visitor, place) -> None:
    photo = (EXAMPLES / "cat.png").read_bytes()
    visitor.transfer("dropped.png", "image/png", photo, place=place)
    expect(visitor.tab.locator("#canvas .busy")).to_contain_text("dropped.png", timeout=30_000)


def test_an_address_is_refused_with_a_reason(visitor) -> None:
    visitor.tab.evaluate(
        """() => {
          const clipboardData = new DataTransfer();
          clipboardData.setData('text/plain', 'https://example.org/cat.jpg');
          document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true }));
        }"""
    )
    expect(visitor.message).to_contain_text("An address cannot be opened here")
