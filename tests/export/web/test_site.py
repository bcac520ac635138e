"""The built site in real Chromium, through a plain server of static files: a visit from the photo to the file."""

from __future__ import annotations

import base64
import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import BrowserContext, expect

from demo.canvas.protocol import parse_ops
from demo.engine import Engine
from demo.session import Op
from mam.images import open_photo
from mam.images.profiles import convert_profile
from mam.images.resize import to_uint8
from tests.colour_profiles import adobe_rgb
from tests.conftest import EXAMPLES, ROOT
from tests.demo.visitor import Visitor
from tests.export.web.conftest import serve

MAIN = Op("main")
# A click beside the main object or on it, and a box, in pixels of the photograph.
PROMPTS = {
    "astronaut.png": ((400, 150), (2, 5, 395, 510)),
    "cat.png": ((200, 150), (20, 10, 380, 290)),
    "coffee.png": ((300, 180), (120, 60, 520, 360)),
}


# Keeps the worker, and the document that the page sent last.
_RECORD = """const post = Worker.prototype.postMessage;
Worker.prototype.postMessage = function (message, ...rest) {
  window.worker = this;
  if (message.kind === 'prompt') window.sentDocument = message;
  return post.call(this, message, ...rest);
};"""


def as_png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


class SiteVisitor(Visitor):
    """A visitor of the site, where the result is chosen by radio buttons and nothing is a request to a server."""

    def wait_for_answer(self, text: str = "found") -> None:
        """Wait until the canvas shows the mattes; the masks, which come first, have no text."""
        self.tab.wait_for_function(
            "(text) => document.querySelector('#canvas .stage').getAttribute('aria-busy') === 'false'"
            " && document.querySelector('#canvas .message').textContent.includes(text)",
            arg=text,
            timeout=120_000,
        )

    def open_and_wait(self, path: Path = EXAMPLES / "flower.jpg") -> tuple[int, int]:
        """Choose a photo and wait for the matte of its main object."""
        before = self.canvas.get_attribute("data-photo") or ""
        self.open(path)
        expect(self.canvas).not_to_have_attribute("data-photo", before, timeout=120_000)
        self.wait_for_answer()
        self.size = Image.open(path).size
        return self.size

    def download(self, kind: str) -> tuple[str, bytes]:
        """Name and contents of the file in one of the two forms."""
        self.tab.locator(f"[name=form][value={kind}]").check()
        button = self.tab.locator("#download")
        expect(button).to_be_enabled(timeout=120_000)
        with self.tab.expect_download(timeout=120_000) as download:
            button.click()
        return download.value.suggested_filename, Path(download.value.path()).read_bytes()

    def pixels(self, kind: str) -> np.ndarray:
        """The file as an array."""
        return np.asarray(Image.open(io.BytesIO(self.download(kind)[1])))


@pytest.fixture(scope="module")
def context(browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": 1280, "height": 720})
    opened.add_init_script(_RECORD)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def first_tab(context, address) -> Iterator[SiteVisitor]:
    """The first visit of this browser: on one thread, as nothing has sent the headers yet."""
    visitor = SiteVisitor(context.new_page(), address)
    visitor.tab.wait_for_function("() => document.body.dataset.model === 'ready'", timeout=180_000)
    assert not visitor.tab.evaluate("crossOriginIsolated")
    yield visitor
    visitor.tab.close()


@pytest.fixture()
def visitor(first_tab) -> Iterator[SiteVisitor]:
    """The same tab for every test, without problems so far."""
    yield first_tab
    assert first_tab.problems == [] and first_tab.outside == []


def assert_equal(found: np.ndarray, matte: object) -> None:
    """Same alpha within 2/255 on 99.9% of the pixels: float32 sums in another order, SIMD of 128 bits."""
    expected = to_uint8(matte.alpha)
    assert found.shape == expected.shape and expected.max() > 200
    assert (np.abs(found.astype(int) - expected) > 2).mean() <= 1e-3


@pytest.mark.parametrize("name", PROMPTS)
def test_mattes_are_those_of_python(visitor, matting, name) -> None:
    click, box = PROMPTS[name]
    engine = Engine(matting)
    session = engine.open(str(EXAMPLES / name))
    visitor.open_and_wait(EXAMPLES / name)
    main = visitor.pixels("alpha")
    assert_equal(main, engine.matte(session, (MAIN,), "alpha"))
    visitor.click(*click)
    visitor.wait_for_answer()
    point = next(op for op in ops_of(visitor) if op.kind == "point")
    assert np.abs(np.array(point.xy) - click).max() < 2
    assert_equal(visitor.pixels("alpha"), engine.matte(session, (MAIN, point), "alpha"))
    visitor.press("z")
    visitor.wait_for_answer()
    assert np.array_equal(visitor.pixels("alpha"), main)
    visitor.press("b")
    visitor.drag(box[:2], box[2:])
    visitor.wait_for_answer()
    (drawn,) = [op for op in ops_of(visitor) if op.kind == "box"]
    assert_equal(visitor.pixels("alpha"), engine.matte(session, (MAIN, drawn), "alpha"))
    visitor.press("p")


def ops_of(visitor: SiteVisitor) -> list[Op]:
    """The prompts on the first object, as they were sent."""
    return list(parse_ops(visitor.tab.evaluate("() => window.sentDocument.objects[0].ops")))


def test_what_else_a_prompt_may_mean_is_that_of_python(visitor, matting) -> None:
    engine = Engine(matting)
    session = engine.open(str(EXAMPLES / "cat.png"))
    visitor.open_and_wait(EXAMPLES / "cat.png")
    offers = visitor.tab.locator("#canvas .candidates button")
    expected = engine.alternatives(session, (MAIN,))
    expect(offers).to_have_count(len(expected), timeout=60_000)
    offers.last.click()
    visitor.wait_for_answer()
    assert_equal(
        visitor.pixels("alpha"), engine.matte(session, (MAIN, Op("candidate", name=list(expected)[-1])), "alpha")
    )
    offers.last.click()  # again: as it was
    visitor.wait_for_answer()
    assert_equal(visitor.pixels("alpha"), engine.matte(session, (MAIN,), "alpha"))


def test_strokes_are_those_of_python_and_stay(visitor, matting) -> None:
    engine = Engine(matting)
    session = engine.open(str(EXAMPLES / "cat.png"))
    visitor.open_and_wait(EXAMPLES / "cat.png")
    main = visitor.pixels("alpha")
    visitor.press("e")
    visitor.drag((80, 60), (200, 150), (230, 260))
    visitor.press("x")
    visitor.drag((330, 200), (420, 220))
    visitor.wait_for_answer()
    painted = visitor.pixels("alpha")
    _, erased, restored = ops_of(visitor)
    assert (erased.kind, erased.label, restored.label) == ("paint", 0, 1) and main[150, 200] > 250 > 5 > painted[
        150, 200
    ]
    expected = engine.matte(session, (MAIN, erased, restored), "alpha")
    assert_equal(painted, expected)
    difference = np.abs(visitor.pixels("cutout").astype(int) - expected.cutout()).max(-1)
    assert (difference > 2)[painted > 0].mean() <= 1e-3, "the colours too"
    visitor.press("p")
    visitor.click(200, 150)
    visitor.wait_for_answer()
    assert_equal(visitor.pixels("alpha"), engine.matte(session, tuple(ops_of(visitor)), "alpha"))
    assert visitor.pixels("alpha")[150, 200] < 5
    visitor.press("z")
    visitor.press("z")
    visitor.press("z")
    visitor.wait_for_answer()
    assert np.array_equal(visitor.pixels("alpha"), main)


def test_the_cutout_has_clean_colours_and_nothing_hidden(visitor, matting) -> None:
    visitor.open_and_wait(EXAMPLES / "cat.png")
    name, _ = visitor.download("cutout")
    assert name == "cat_cutout.png"
    found, expected = visitor.pixels("cutout"), matting.open(EXAMPLES / "cat.png").matte().cutout()
    visible = (found[..., 3] > 0) & (expected[..., 3] > 0)
    difference = np.abs(found[..., :3].astype(int) - expected[..., :3]).max(-1)
    assert visible.mean() > 0.2 and (difference[visible] > 2).mean() <= 1e-3  # alphas that differ by a rounding
    assert not found[found[..., 3] == 0].any()
    visitor.tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visitor.tab.locator("#copy").click()
    expect(visitor.tab.locator("#problem")).to_have_text("Copied.", timeout=60_000)
    assert visitor.tab.evaluate("() => navigator.clipboard.read().then(([item]) => item.types)") == ["image/png"]


def test_a_colour_behind_the_object(visitor) -> None:
    visitor.open_and_wait(EXAMPLES / "cat.png")
    cutout = visitor.pixels("cutout")
    visitor.tab.locator("#background").select_option("colour")
    found = visitor.pixels("cutout")
    visitor.tab.locator("#background").select_option("none")
    share = cutout[..., 3:] / 255
    expected = cutout[..., :3] * share + np.array([0x20, 0xA0, 0xFF]) * (1 - share)
    assert found.shape[2] == 3 and np.abs(found - expected).max() <= 1  # rounding


def test_without_a_file_the_background_stays(visitor) -> None:
    visitor.open_and_wait(EXAMPLES / "cat.png")
    kind = visitor.tab.locator("#background")
    kind.select_option("white")
    for _ in range(2):
        with visitor.tab.expect_file_chooser():
            kind.select_option("own")
        visitor.tab.locator("#own").dispatch_event("cancel")
        expect(kind).to_have_value("white")
    with visitor.tab.expect_file_chooser() as chooser:
        kind.select_option("own")
    chooser.value.set_files(EXAMPLES / "flower.jpg")
    expect(kind).to_have_value("own")
    assert visitor.pixels("cutout").shape[2] == 3
    kind.select_option("none")


def test_a_click_is_answered_while_a_matte_is_computed(visitor) -> None:
    visitor.open_and_wait(EXAMPLES / "coffee.png")
    visitor.pixels("alpha")
    visitor.tab.evaluate(
        """() => {
          window.replies = [];
          window.worker.addEventListener('message', ({ data: { kind, reply, previews } }) => {
            if (kind === 'result' && previews && window.replies.length) window.replies.push(['', 'result']);
            if (!reply || reply.kind !== 'mattes') return;
            window.replies.push([reply.turn, reply.text === '' ? 'masks' : 'mattes']);
          });
        }"""
    )
    visitor.click(300, 180)
    visitor.tab.wait_for_function("() => window.replies.length", timeout=120_000)
    visitor.click(420, 250)
    kinds = "window.replies.map((reply) => reply[1]).join(' ')"
    visitor.tab.wait_for_function(f"() => /masks.*masks result$/.test({kinds})", timeout=120_000)
    alpha = visitor.pixels("alpha")  # of the matte, although only its mask is there yet
    visitor.wait_for_answer()
    visitor.tab.wait_for_function(f"() => /mattes result$/.test({kinds})", timeout=120_000)
    replies = [reply for reply in visitor.tab.evaluate("() => window.replies") if reply[1] != "result"]
    turns, shown = zip(*replies, strict=True)
    # The first matte, which the second click made useless, is not shown.
    assert shown == ("masks", "masks", "mattes") and turns[0] < turns[1] == turns[2]
    assert np.array_equal(visitor.pixels("alpha"), alpha)


def test_two_objects_are_cut_out_together(visitor) -> None:
    visitor.open_and_wait(EXAMPLES / "flower.jpg")
    first = visitor.pixels("alpha")
    visitor.press("n")
    visitor.wait_for_answer("Click on the object")
    visitor.click(500, 400)
    visitor.wait_for_answer("Object 2 found")
    both = visitor.pixels("alpha").astype(int)
    assert (both >= first.astype(int) - 1).all() and (both > 127).sum() > 1.05 * (first > 127).sum()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (
            "half.jpg",
            (EXAMPLES / "flower.jpg").read_bytes()[:600],
            "half.jpg is damaged or incomplete; export or download",
        ),
        (
            "a.heic",
            (ROOT / "tests/reference/gradient.heic").read_bytes(),
            "a.heic is of a kind that this browser cannot",
        ),
        ("drawing.png", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "is not an image"),
        (
            "huge.png",
            as_png(Image.new("1", (13_000, 10_100))),
            "huge.png has 131 megapixels; at most 120 can be opened",
        ),
    ],
)
def test_files_that_cannot_be_used_are_described(visitor, tmp_path, name, content, reason) -> None:
    if not visitor.canvas.get_attribute("data-photo"):
        visitor.open_and_wait(EXAMPLES / "cat.png")
    before = visitor.canvas.get_attribute("data-photo")
    (tmp_path / name).write_bytes(content)
    visitor.open(tmp_path / name)
    expect(visitor.message).to_contain_text(reason, timeout=60_000)
    assert visitor.canvas.get_attribute("data-photo") == before


@pytest.mark.parametrize("ending", ["gif", "png", "webp"])
def test_of_an_animation_the_first_frame_is_opened(visitor, tmp_path, ending) -> None:
    first = Image.open(EXAMPLES / "cat.png").convert("RGB").resize((200, 150))
    first.save(tmp_path / f"moves.{ending}", save_all=True, append_images=[Image.new("RGB", first.size)])
    visitor.open_and_wait(tmp_path / f"moves.{ending}")
    assert (visitor.pixels("alpha") > 127).mean() > 0.1


def test_nothing_is_found_in_a_transparent_photo(visitor, tmp_path) -> None:
    Image.new("RGBA", (300, 200), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    visitor.open_and_wait(tmp_path / "clear.png")
    expect(visitor.message).to_contain_text("Nothing was found there")


def test_after_a_failed_file_the_work_goes_on(visitor) -> None:
    visitor.open_and_wait(EXAMPLES / "cat.png")
    visitor.click(200, 150)
    visitor.wait_for_answer()


def test_after_a_large_photo_the_worker_of_mattes_is_another_one(visitor, tmp_path) -> None:
    Image.open(EXAMPLES / "flower.jpg").resize((3200, 2135)).save(tmp_path / "large.jpg")
    visitor.open_and_wait(tmp_path / "large.jpg")
    first = visitor.pixels("alpha")
    visitor.click(1550, 1075)
    visitor.wait_for_answer()
    both = visitor.pixels("alpha")
    assert both.shape == first.shape == (2135, 3200) and (both > 127).mean() > 0.1


def test_an_adobe_rgb_photo_is_read_as_the_library_reads_it(visitor, matting, tmp_path) -> None:
    wide = convert_profile(np.asarray(Image.open(EXAMPLES / "flower.jpg").convert("RGB")), None, adobe_rgb())
    Image.fromarray(wide).save(tmp_path / "wide.png", icc_profile=adobe_rgb())
    photo = open_photo(tmp_path / "wide.png")
    found = visitor.tab.evaluate(
        """async (content) => {
          const file = await (await fetch('data:image/png;base64,' + content)).blob();
          const { readPhoto } = await import('./photo.js');
          return Array.from((await readPhoto(file, 'wide.png', 24e6)).pixels.filter((_, i) => i % 4 < 3));
        }""",
        base64.b64encode((tmp_path / "wide.png").read_bytes()).decode(),
    )
    difference = np.abs(np.array(found).reshape(photo.pixels.shape) - photo.srgb.astype(int))
    assert (difference > 2).mean() < 0.01 and np.abs(photo.pixels.astype(int) - photo.srgb).max() > 20


def test_axe_finds_nothing_serious(visitor) -> None:
    visitor.open_and_wait(EXAMPLES / "cat.png")
    visitor.press("e")  # with the eraser's sliders
    for scheme in ("light", "dark"):
        visitor.tab.emulate_media(color_scheme=scheme)
        report = Axe().run(visitor.tab).response
        serious = [one for one in report["violations"] if one["impact"] in ("serious", "critical")]
        assert [(one["id"], node["html"]) for one in serious for node in one["nodes"]] == [], scheme


def test_a_second_visit_needs_no_network_and_has_threads(visitor, context, address) -> None:
    visitor.tab.evaluate("() => navigator.serviceWorker.ready.then(() => {})")
    again = context.new_page()
    context.set_offline(True)
    try:
        second = SiteVisitor(again, address)
        again.wait_for_function("() => document.body.dataset.model === 'ready'", timeout=180_000)
        assert again.evaluate("crossOriginIsolated")  # onnxruntime uses threads then
        second.open_and_wait(EXAMPLES / "cat.png")
        assert second.problems == [] and second.outside == []
    finally:
        context.set_offline(False)
        again.close()


def test_a_worker_that_fails_is_reported(browser, address) -> None:
    context = browser.new_context(service_workers="block")
    context.add_init_script(_RECORD)
    context.route("**/worker.js", lambda route: route.abort())
    visitor = SiteVisitor(context.new_page(), address)
    problem = visitor.tab.locator("#broken")
    expect(problem).to_contain_text("The model could not be loaded", timeout=60_000)
    visitor.open(EXAMPLES / "cat.png")
    expect(visitor.message).to_contain_text("The model could not be loaded")  # instead of waiting for ever
    context.unroute("**/worker.js")
    problem.get_by_role("button", name="Reload the page").click()
    visitor.open_and_wait(EXAMPLES / "cat.png")
    expect(problem).to_be_hidden()
    expect(visitor.tab.locator("#download")).to_be_enabled(timeout=60_000)
    visitor.tab.evaluate(
        "() => { document.querySelector('#download').click(); window.worker.dispatchEvent(new ErrorEvent('error')); }"
    )
    expect(problem).to_contain_text("The model has stopped")
    expect(visitor.tab.locator("#problem")).to_contain_text("The model has stopped")  # the download does not wait
    context.close()


def test_two_sites_share_an_origin(browser, site, tmp_path) -> None:
    for name in ("one", "two"):
        shutil.copytree(site, tmp_path / name)
    (tmp_path / "two" / "service_worker.js").write_text(
        (site / "service_worker.js").read_text("utf-8").replace("const VERSION = ", "const VERSION = 'next ' + ")
    )
    context = browser.new_context()
    with serve(tmp_path) as address:
        for name in ("one", "two"):
            tab = context.new_page()
            tab.goto(f"{address}{name}/")
            tab.wait_for_function("() => document.body.dataset.model === 'ready'", timeout=180_000)
            tab.evaluate("() => navigator.serviceWorker.ready.then(() => {})")
        names = sorted(name.rpartition("/ ")[0] or name.rpartition("/")[0] for name in tab.evaluate("caches.keys()"))
        assert names == ["mam-model /one", "mam-model /two", "mam-page /one", "mam-page /two"]
        context.set_offline(True)
        tab.goto(f"{address}one/")
        expect(tab.get_by_role("heading", name="Matting Anything")).to_be_visible()
    context.close()


def test_an_example_opens_in_the_visitors_language(browser, address) -> None:
    context = browser.new_context(locale="de-DE", viewport={"width": 390, "height": 844})
    visitor = SiteVisitor(context.new_page(), address)
    expect(visitor.tab.get_by_text("kein Foto verlässt das Gerät")).to_be_visible(timeout=60_000)
    visitor.tab.locator("#canvas [data-example=redpanda]").click()  # before the model is there
    visitor.wait_for_answer("gefunden")
    assert visitor.problems == [] and visitor.outside == []
    context.close()
