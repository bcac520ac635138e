"""The built site in real Chromium, through a plain server of static files: a visit from the photo to the file."""

from __future__ import annotations

import base64
import io
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import BrowserContext, expect

from demo.canvas.parsing import parse_ops
from demo.engine import Engine
from demo.session import Op
from demo.tabs.style import BACKGROUNDS
from mam import Blur, Gradient, Placement, Style
from mam.compose.composition import Composition
from mam.compose.presets import PRESETS
from mam.errors import NegatedText, NotEnglish, PromptError, UnknownWord
from mam.images import open_photo
from mam.images.profiles import convert_profile
from mam.images.resize import to_uint8
from mam.proof import FOLDER
from mam.text.closed_set import ClosedSetModel
from tests.colour_profiles import adobe_rgb
from tests.conftest import EXAMPLES, ROOT
from tests.demo.visitor import Visitor
from tests.pictures import encode
from tests.serving import serving_folder
from training.evaluation.interaction import innermost_point, largest_error

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


class SiteVisitor(Visitor):
    """A visitor of the site, where nothing is a request to a server."""

    def wait_for_answer(self, text: str = "found|Not sure") -> None:
        """Wait until the canvas shows the mattes with a text; the masks, which come first, have none."""
        self.tab.wait_for_function(
            "(text) => document.querySelector('#canvas .stage').getAttribute('aria-busy') === 'false'"
            " && new RegExp(text).test(document.querySelector('#canvas .message').textContent)",
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

    def download(self, form: str) -> tuple[str, bytes]:
        """Name and contents of the file in a form: png, jpeg, webp, cutout or alpha."""
        self.tab.locator("#form").select_option(f"format_{form}")
        button = self.tab.locator("#download")
        expect(button).to_be_enabled(timeout=120_000)
        with self.tab.expect_download(timeout=120_000) as download:
            button.click()
        return download.value.suggested_filename, Path(download.value.path()).read_bytes()

    def pixels(self, form: str) -> np.ndarray:
        """The file as an array."""
        return np.asarray(Image.open(io.BytesIO(self.download(form)[1])))

    def set_style(self, **values: object) -> None:
        """Set controls by their ids, also those that are hidden."""
        for name, value in values.items():
            self.tab.locator(f"#{name}").evaluate(
                """(control, value) => {
                  control[control.type === 'checkbox' ? 'checked' : 'value'] = value;
                  for (const kind of ['input', 'change']) control.dispatchEvent(new Event(kind, { bubbles: true }));
                }""",
                value,
            )


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


@pytest.mark.slow
@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.jpg")), ids=lambda file: file.stem)
def test_corrections_are_those_of_python(visitor, matting, file) -> None:
    """Two clicks in the middle of the largest error, after the main object."""
    engine, truth = Engine(matting), np.asarray(Image.open(file.with_suffix(".png")).convert("L")) > 127
    session = engine.open(str(file))
    visitor.open_and_wait(file)
    ops: tuple[Op, ...] = (MAIN,)
    for _ in range(3):
        alpha = visitor.pixels("alpha")
        expected = to_uint8(engine.matte(session, ops, "alpha").alpha)
        assert (np.abs(alpha.astype(int) - expected) > 8).mean() < 5e-3
        mask = alpha > 127
        region, is_missing = largest_error(mask, truth)
        if not region.any():
            break
        x, y = innermost_point(region)
        if not is_missing:
            visitor.press("x")
        visitor.click(x, y)
        visitor.wait_for_answer()
        ops = tuple(ops_of(visitor))
        if not is_missing:
            visitor.press("x")


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
    found = visitor.pixels("png")
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
    assert visitor.pixels("png").shape[2] == 3
    kind.select_option("none")


PHRASES = [
    "cat",
    "two cats and a dog",
    "the girl in the red sweater",
    "the man with cap and coat",
    "a slice of pizza",
    "the dog's ball",
    "knives. a wine glass",
    "man riding a horse",
    "women dressed in red",
    "glasses",
    "the unicorn on the left",
    "not the dog",
    "Katze, die \u5730",
    "  ",
]


def test_texts_are_read_as_by_the_library(visitor) -> None:
    read = """async (texts) => {
      const { readWords } = await import('./words.js');
      return texts.map((given) => {
        try {
          return readWords(given).map(({ phrase, name }) => [phrase, name]);
        } catch (error) {
          return error.message;
        }
      });
    }"""
    reasons = {UnknownWord: "unknown_word", NotEnglish: "not_english", NegatedText: "negated"}
    expected = []
    for phrase in PHRASES:
        try:
            expected.append([list(pair) for pair in ClosedSetModel().read(phrase).items()])
        except PromptError as error:
            expected.append(reasons.get(type(error), "describe_first"))
    assert visitor.tab.evaluate(read, PHRASES) == expected


def test_objects_are_found_by_words(visitor, matting) -> None:
    visitor.open_and_wait(EXAMPLES / "coffee.png")
    field = visitor.tab.locator("#words")
    field.fill("the white cup")
    field.press("Enter")
    boxes = visitor.tab.locator("#canvas .text-boxes button")
    expect(boxes.first).to_be_visible(timeout=120_000)
    visitor.wait_for_answer()
    found = next(op for op in ops_of(visitor) if op.kind == "box").xy
    expected = matting.open(EXAMPLES / "coffee.png").find("the white cup")
    expect(boxes).to_have_count(len(expected))
    assert np.abs(np.array(found) - expected[0].box).max() < 8
    field.fill("unicorn")
    field.press("Enter")
    expect(visitor.tab.locator("#canvas .message")).to_contain_text("unicorn", timeout=60_000)


def test_many_photos_become_one_zip(visitor, matting, tmp_path) -> None:
    visitor.tab.locator("#batch summary").click()
    (tmp_path / "text.jpg").write_text("no image")
    files = [EXAMPLES / "cat.png", tmp_path / "text.jpg", EXAMPLES / "flower.jpg"]
    visitor.tab.locator("#photos").set_input_files(files)
    visitor.tab.locator("#form").select_option("format_alpha")
    with visitor.tab.expect_download(timeout=180_000) as download:
        visitor.tab.locator("#begin").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.namelist() == ["cat_alpha.png", "flower_alpha.png"]
        assert_equal(np.asarray(Image.open(archive.open("cat_alpha.png"))), matting.open(files[0]).matte())
    expect(visitor.tab.locator("#remarks li")).to_have_text([re.compile("text.jpg: .* not an image")])
    expect(visitor.tab.locator("#done")).to_have_text("2 of 3 done")


DEFAULTS = {
    "background": "none",
    "colour": "#20a0ff",
    "blur": 20,
    "x": 50,
    "whole": False,
    "shape": "shape_photo",
    "size": 100,
    "shift_x": 0,
    "softness": 0,
    "grow": 0,
    "shadow": 0,
    "clean": True,
}
STYLES = {
    "gradient and shadow": (
        {"background": "gradient", "shadow": 60},
        Style(Gradient("#20a0ff", "#f5f5f5"), shadow=0.6),
    ),
    "blur": ({"background": "blur", "blur": 30}, Style(Blur(30))),
    "soft and larger": (
        {"background": "white", "softness": 50, "grow": 3},
        Style("white", softness=0.5, grow=3),
    ),
    "hard, with its old colours": (
        {"background": "colour", "softness": -50, "clean": False},
        Style("#20a0ff", softness=-0.5, clean_colours=False),
    ),
    "picture": ({"background": "palace", "x": 20}, Style(BACKGROUNDS / "palace.jpg", position=(0.2, 0.5))),
    "whole picture": ({"background": "palace", "whole": True}, Style(BACKGROUNDS / "palace.jpg", fit="contain")),
    "square": (
        {"background": "white", "shape": "shape_square", "size": 80, "shift_x": 10},
        Style("white", placement=Placement(1.0, 0.8, (0.1, 0.0))),
    ),
}


@pytest.mark.parametrize("name", STYLES)
def test_a_style_looks_as_by_the_library(visitor, matting, name) -> None:
    """Pictures are resized by the browser and by Pillow in different ways, which differ at sharp edges."""
    values, style = STYLES[name]
    visitor.open_and_wait(EXAMPLES / "cat.png")
    visitor.set_style(**DEFAULTS | values)
    found = visitor.pixels("png")
    visitor.set_style(**DEFAULTS)
    expected = Composition.of(
        open_photo(EXAMPLES / "cat.png"), [matting.open(EXAMPLES / "cat.png").matte().alpha], style
    )
    difference = np.abs(found.astype(int) - expected.pixels())
    assert found.shape == expected.pixels().shape
    is_resized = "shape" in values or values["background"] == "palace"
    assert difference.mean() < (4 if is_resized else 0.1) and (difference > 24).mean() < (0.05 if is_resized else 1e-3)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_looks_as_by_the_library(visitor, matting, name) -> None:
    """The photo is made smaller or larger by the browser and by Pillow in different ways."""
    visitor.open_and_wait(EXAMPLES / "astronaut.png")
    visitor.set_style(shape=f"preset_{name}")
    found = visitor.pixels("png")
    visitor.set_style(**DEFAULTS)
    expected = matting.open(EXAMPLES / "astronaut.png").matte().composition(PRESETS[name]).pixels()
    assert found.shape == expected.shape
    if name == "sticker":  # what is invisible may have any colour
        found, expected = (np.where(image[..., 3:] > 0, image, 0) for image in (found, expected))
    difference = np.abs(found.astype(int) - expected)
    assert difference.mean() < 2 and (difference > 24).mean() < 0.02


def test_files_of_other_formats(visitor) -> None:
    visitor.open_and_wait(EXAMPLES / "cat.png")
    name, content = visitor.download("jpeg")
    assert name == "cat_result.jpg" and Image.open(io.BytesIO(content)).format == "JPEG"
    assert np.asarray(Image.open(io.BytesIO(content)))[0, 0].min() > 250, "white"
    name, content = visitor.download("webp")
    picture = Image.open(io.BytesIO(content))
    assert name == "cat_result.webp" and (picture.format, picture.mode) == ("WEBP", "RGBA")


def test_before_and_after(visitor) -> None:
    visitor.open_and_wait(EXAMPLES / "cat.png")
    visitor.tab.locator("[name=view][value=compare]").check()
    original, shown = visitor.tab.locator("#original"), visitor.tab.locator("#shown")
    expect(original).to_be_visible()
    assert original.bounding_box() == pytest.approx(shown.bounding_box(), abs=1)
    box = shown.bounding_box()
    visitor.tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    visitor.tab.mouse.down()
    visitor.tab.mouse.move(box["x"] + box["width"] / 4, box["y"] + 20)
    visitor.tab.mouse.up()
    expect(visitor.tab.locator("#split")).to_have_value("25")
    visitor.tab.locator("[name=view][value=cutout]").check()
    expect(original).to_be_hidden()


def test_a_click_is_answered_while_a_matte_is_computed(visitor) -> None:
    visitor.open_and_wait(EXAMPLES / "coffee.png")
    visitor.pixels("alpha")
    # The second click comes with the first one's mask, however fast the matte is.
    visitor.tab.evaluate(
        """([clientX, clientY]) => {
          window.replies = [];
          const canvas = document.querySelector('#canvas canvas.photo');
          const press = { clientX, clientY, pointerId: 1, pointerType: 'mouse', isPrimary: true, bubbles: true };
          window.worker.addEventListener('message', ({ data: { kind, reply, previews } }) => {
            if (kind === 'result' && previews && window.replies.length) window.replies.push(['', 'result']);
            if (!reply || reply.kind !== 'mattes') return;
            window.replies.push([reply.turn, reply.text === '' ? 'masks' : 'mattes']);
            if (window.replies.length > 1) return;
            for (const type of ['pointerdown', 'pointerup']) canvas.dispatchEvent(new PointerEvent(type, press));
          });
        }""",
        visitor.place(420, 250),
    )
    visitor.click(300, 180)
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
            "half.heic",
            (ROOT / "tests/reference/gradient.heic").read_bytes()[:400],
            "half.heic is damaged or incomplete; export or download",
        ),
        ("a.jxl", b"\xff\x0a" + bytes(40), "a.jxl is of a kind that this browser cannot"),
        ("drawing.png", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "is not an image"),
        (
            "huge.png",
            encode(Image.new("1", (13_000, 10_100))),
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


def test_heic_of_iphones_opens(visitor) -> None:
    """By a decoder that is fetched at the first such photo; Chromium has none."""
    file = ROOT / "tests/reference/gradient.heic"
    before = visitor.canvas.get_attribute("data-photo") or ""
    visitor.open(file)
    expect(visitor.canvas).not_to_have_attribute("data-photo", before, timeout=60_000)
    shown = visitor.tab.evaluate(
        """async () => {
          const image = await createImageBitmap(await (await fetch(document.querySelector('#original').src)).blob());
          const pen = new OffscreenCanvas(image.width, image.height).getContext('2d');
          pen.drawImage(image, 0, 0);
          return [image.height, image.width, ...pen.getImageData(0, 0, image.width, image.height).data];
        }"""
    )
    expected = open_photo(file).pixels
    found = np.array(shown[2:]).reshape(*shown[:2], 4)[..., :3]
    assert found.shape == expected.shape and np.abs(found - expected).mean() < 4


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


def test_a_photo_that_the_memory_does_not_hold_is_made_smaller(visitor) -> None:
    found = visitor.tab.evaluate(
        """async () => {
          const { readPhoto } = await import('./photo.js');
          const Real = OffscreenCanvas;
          const read = async (most) => {
            globalThis.OffscreenCanvas = class extends Real {
              constructor(w, h) {
                if (w * h > most) throw new RangeError('out of memory');
                super(w, h);
              }
            };
            const photo = await readPhoto(await (await fetch('examples/flower.jpg')).blob(), 'flower.jpg', 2e5);
            return [photo.size[0] * photo.size[1] <= most, photo.note];
          };
          try {
            return [await read(1e5), await read(10).catch((error) => error.message)].flat();
          } finally {
            globalThis.OffscreenCanvas = Real;
          }
        }"""
    )
    assert found[0] and found[1].endswith("was reduced to 0.05 megapixels."), found
    assert found[2].startswith("flower.jpg is too large for this browser's memory"), found


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
    with serving_folder(tmp_path) as address:
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
