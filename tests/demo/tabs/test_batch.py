"""Many images by one rule, without a server and on the page."""

import io
import shutil
import zipfile
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import expect

from demo.tabs import batch
from mam import MamError, Matting, Style
from tests.conftest import EXAMPLES
from tests.demo.visitor import Visitor
from tests.mock_graphs import MockGraphs, MockGrounding


@pytest.fixture()
def files(tmp_path) -> list[str]:
    (tmp_path / "other").mkdir()
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    copies = [shutil.copy(EXAMPLES / "flower.jpg", tmp_path / path) for path in ("flower.jpg", "other/flower.jpg")]
    return [copies[0], str(tmp_path / "bad.jpg"), copies[1], str(tmp_path / "gone.png")]


@pytest.mark.parametrize(
    "form, name",
    [
        (batch.CUTOUT, "flower_cutout{}.png"),
        (batch.FINISHED, "flower_result{}.jpg"),
        (batch.ALPHA, "flower_alpha{}.png"),
    ],
)
def test_failures_are_listed_and_the_rest_goes_on(files, tmp_path, form, name) -> None:
    archive = tmp_path / "all.zip"
    steps = [
        progress.finished for progress in batch.run_batch(Matting(MockGraphs()), files, batch.MIDDLE, form, archive)
    ]
    assert steps == [1, 2, 3, 4]
    assert sorted(zipfile.ZipFile(archive).namelist()) == sorted([name.format(""), name.format("_2")])


def test_text_is_a_rule_too(files, tmp_path) -> None:
    matting = Matting(MockGraphs(), grounding=MockGrounding)
    *_, done = batch.run_batch(matting, files[:1], batch.TEXT, batch.CUTOUT, tmp_path / "all.zip", "left")
    assert len(done.done) == 1
    *_, done = batch.run_batch(matting, files[:1], batch.TEXT, batch.CUTOUT, tmp_path / "all.zip", "a submarine")
    assert "“a submarine” was not found" in done.failed[0][1]


@pytest.mark.slow
def test_a_bear_is_no_cat_without_a_word(matting, tmp_path) -> None:
    *_, done = batch.run_batch(
        matting, [str(EXAMPLES / "redpanda.jpg"), str(EXAMPLES / "kitten.jpg")], batch.TEXT, batch.CUTOUT,
        tmp_path / "all.zip", "cat",
    )  # fmt: skip
    assert done.unsure == ["redpanda.jpg"] and done.attention == [("redpanda.jpg", 0)]


@pytest.mark.parametrize("background", ["#ff0000", Image.new("RGB", (60, 40), "red")], ids=["colour", "image"])
def test_any_background(files, tmp_path, background) -> None:
    archive = tmp_path / "all.zip"
    list(
        batch.run_batch(
            Matting(MockGraphs()), files[:1], batch.MIDDLE, batch.FINISHED, archive, style=Style(background)
        )
    )
    (name,) = zipfile.ZipFile(archive).namelist()
    image = Image.open(io.BytesIO(zipfile.ZipFile(archive).read(name)))
    assert name == "flower_result.jpg" and image.getpixel((3, 3))[0] > 250 and image.getpixel((3, 3))[1] < 5


def test_reasons_are_for_visitors(files, tmp_path) -> None:
    *_, done = batch.run_batch(Matting(MockGraphs()), files, batch.MIDDLE, batch.CUTOUT, tmp_path / "all.zip")
    assert [name for _, name in done.done] == ["flower.jpg", "flower.jpg"]
    assert [name for name, _ in done.failed] == ["bad.jpg", "gone.png"] and "not an image" in done.failed[0][1]


def test_too_many_are_refused(tmp_path) -> None:
    with pytest.raises(MamError, match="at most 100"):
        next(batch.run_batch(None, ["x"] * 101, "", "", tmp_path / "all.zip"))


def test_on_the_page(browser, mock_page, files) -> None:
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    visitor = Visitor(tab, mock_page)
    tab.get_by_role("tab", name="Many photos").click()
    tab.locator("#batch_start").click()
    expect(tab.get_by_test_id("toast-body")).to_contain_text("Choose some photos first", timeout=30_000)
    tab.locator("#batch_files input[type=file]").set_input_files(files[:3])
    expect(tab.locator("#batch_files")).to_contain_text("bad .jpg", timeout=30_000)
    tab.get_by_label("What is in the middle").check()
    tab.locator("#batch_start").click()
    report = tab.locator("#batch_report")
    expect(report).to_contain_text("2 of 3 done", timeout=60_000)
    expect(report).to_contain_text("1 failed")
    expect(report).to_contain_text("bad.jpg: bad.jpg is not an image")
    expect(tab.locator("#batch_gallery img")).to_have_count(2)
    with tab.expect_download() as download:
        tab.locator("#batch_zip a").first.click()
    names = zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())).namelist()
    assert sorted(names) == ["flower_cutout.png", "flower_cutout_2.png"] and visitor.problems == []
    tab.get_by_label("With a background").check()
    tab.locator("#batch_kind").get_by_label("Palace").check()
    tab.get_by_label("What I describe").check()
    text = tab.locator("#batch_text textarea, #batch_text input")
    text.fill("left")
    tab.locator("#batch_start").click()
    expect(report).to_contain_text("2 of 3 done", timeout=60_000)
    expect(report).to_contain_text("1 failed")
    tab.locator("#batch_again input").click()
    tab.get_by_role("option", name="bad.jpg").click()
    expect(visitor.message).to_contain_text("bad.jpg is not an image", timeout=30_000)
    tab.close()


def test_the_embedded_words_are_a_rule_too(browser, page) -> None:
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    Visitor(tab, page)
    tab.get_by_role("tab", name="Many photos").click()
    tab.get_by_label("What I describe").check()
    expect(tab.locator("#batch_text input")).to_have_attribute("list", "known_words")
    tab.close()


def test_axe_finds_nothing_serious(browser, mock_page, files) -> None:
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    Visitor(tab, mock_page)
    tab.get_by_role("tab", name="Many photos").click()
    report = Axe().run(tab).response
    assert [one["id"] for one in report["violations"] if one["impact"] in ("serious", "critical")] == []
    tab.close()


def test_the_report_names_what_should_be_checked() -> None:
    report = batch.Batch(2, done=[(Image.new("RGB", (8, 8)), "a.jpg")] * 2, unsure=["a`b.jpg"]).report()
    assert "Please check: `a'b.jpg`" in report and "failed" not in report
    assert "Please check" not in batch.Batch(1).report()
