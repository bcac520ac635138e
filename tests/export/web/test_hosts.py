"""The site on other hosts, in browsers that lack something, beside other pages, and after its owner has replaced it."""

import contextlib
import functools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from playwright.sync_api import Page, expect

from tests.serving import FolderHandler, serving, serving_folder


@contextlib.contextmanager
def serve_scripts_as(folder: Path, kind: str, **headers: str) -> Iterator[str]:
    """Where a folder is served by a host that sends scripts with another type."""

    class Handler(FolderHandler):
        extensions_map: ClassVar = {**FolderHandler.extensions_map, ".js": kind}

        def end_headers(self) -> None:
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            super().end_headers()

    with serving(functools.partial(Handler, directory=str(folder))) as port:
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture
def tab(browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


def test_all_scripts_have_the_name_that_every_host_knows(site) -> None:
    endings = {path.suffix for path in site.rglob("*") if path.is_file()} - {"", ".md", ".ts"}
    assert endings == {".js", ".html", ".css", ".json", ".bin", ".jpg", ".svg", ".webmanifest"}


def test_there_are_words_without_scripts(browser, address) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    expect(page.get_by_text("Everything is computed in your browser")).to_be_visible()
    expect(page.get_by_text("this page needs JavaScript, a current browser, and a server that sends")).to_be_visible()
    context.close()


def test_a_host_that_sends_scripts_as_text(tab, site) -> None:
    with serve_scripts_as(site, "text/plain") as found:
        tab.goto(found)
        expect(tab.locator("#broken")).to_contain_text(
            "sends the page's scripts with the type text/plain. Its owner has"
        )
        expect(tab.locator("#loading")).to_be_hidden()
    with serve_scripts_as(site, "text/plain", X_Content_Type_Options="nosniff") as found:
        tab.goto(found)
        expect(tab.locator("#before")).to_be_visible()


CLASSIC_WORKERS = "const Real = Worker; globalThis.Worker = function (address) { return new Real(address); }"
NO_WORKERS = """globalThis.Worker = class {
  constructor(address, options) { if (options.type === 'module') throw new Error('denied'); }
  terminate() {}
}"""


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("delete globalThis.WebAssembly", "does not offer WebAssembly, in which the photo is cut out"),
        ("delete globalThis.DecompressionStream", "too old for this page: it lacks DecompressionStream"),
        ("delete globalThis.OffscreenCanvas", "it lacks OffscreenCanvas"),
        ("WebAssembly.validate = () => false", "it lacks WebAssembly SIMD"),
        (CLASSIC_WORKERS, "it lacks module workers"),
        (NO_WORKERS, "The page could not start (Uncaught Error: denied)"),
    ],
)
def test_what_a_browser_lacks_is_named(tab, address, script, words) -> None:
    tab.add_init_script(script)
    tab.goto(address)
    expect(tab.locator("#broken")).to_contain_text(words)
    expect(tab.locator("#loading")).to_be_hidden()


def test_the_words_are_in_the_visitors_language(browser, address) -> None:
    context = browser.new_context(locale="de-DE")
    context.add_init_script("delete globalThis.WebAssembly")
    page = context.new_page()
    page.goto(address)
    expect(page.locator("#broken")).to_contain_text("Diesem Browser fehlt WebAssembly")
    context.close()


def test_a_site_that_is_opened_as_a_file(tab, site) -> None:
    tab.goto((site / "index.html").as_uri())
    expect(tab.locator("#broken")).to_contain_text("The page was opened as a file. It needs a web server")


def test_a_missing_script_is_named(tab, site, tmp_path) -> None:
    shutil.copytree(site, tmp_path / "site")
    (tmp_path / "site" / "page.js").unlink()
    with serving_folder(tmp_path / "site") as found:
        tab.goto(found)
        expect(tab.locator("#broken")).to_contain_text("could not be loaded (/page.js: 404)")


DENIED = "{ get() { throw new DOMException('denied'); } }"
NO_STORAGE = "for (const name of ['caches', 'indexedDB', 'localStorage'])"


@pytest.mark.parametrize(
    "script",
    [
        "delete Navigator.prototype.serviceWorker; delete Navigator.prototype.clipboard",
        f"Object.defineProperty(Navigator.prototype, 'serviceWorker', {DENIED})",
        f"{NO_STORAGE} Object.defineProperty(globalThis, name, {DENIED})",
    ],
)
def test_a_private_window_needs_no_storage(tab, address, script) -> None:
    problems = []
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.add_init_script(script)
    tab.goto(address)
    tab.wait_for_function("() => window.start.done")
    expect(tab.locator("#broken")).to_be_hidden()
    assert problems == []


@pytest.fixture
def visited(tab, site, tmp_path) -> Iterator[tuple[Page, Path, str]]:
    """A tab of a browser that has been on the site, the folder, and the address of the site."""
    folder = tmp_path / "host" / "app"
    shutil.copytree(site, folder)
    with serving_folder(folder.parent) as found:
        tab.goto(f"{found}app/")
        tab.evaluate("() => navigator.serviceWorker.ready.then(() => {})")
        tab.wait_for_function("() => navigator.serviceWorker.controller")
        yield tab, folder, f"{found}app/"


def test_pages_beside_the_site_are_left_alone(visited) -> None:
    tab, folder, address = visited
    (folder / "neighbour.html").write_text("<title>neighbour</title>")
    (folder / "data.txt").write_text("data")
    tab.goto(f"{address}neighbour.html")
    assert tab.title() == "neighbour" and not tab.evaluate("crossOriginIsolated")
    assert (
        tab.evaluate("fetch('data.txt').then((answer) => answer.headers.get('Cross-Origin-Embedder-Policy'))") is None
    )
    assert tab.evaluate("caches.match('data.txt').then((found) => found === undefined)")
    tab.goto(address)
    assert tab.evaluate("crossOriginIsolated")


@pytest.mark.parametrize("successor", ["<title>another page</title>", None], ids=["replaced", "removed"])
def test_a_site_that_is_gone_leaves_nothing_behind(visited, successor) -> None:
    tab, folder, address = visited
    shutil.rmtree(folder)
    folder.mkdir()
    if successor:
        (folder / "index.html").write_text(successor)
    tab.goto(address)
    assert "another page" in tab.title() if successor else "Matting" not in tab.title()
    tab.wait_for_function("() => navigator.serviceWorker.getRegistrations().then((all) => all.length === 0)")
    assert tab.evaluate("caches.keys()") == []


def test_a_new_version_is_met_at_once(visited) -> None:
    tab, folder, address = visited
    page, worker = folder / "index.html", folder / "service_worker.js"
    version = worker.read_text("utf-8").split('"')[1]
    page.write_text(page.read_text("utf-8").replace(version, "next").replace("<h1>Matting", "<h1>New matting"), "utf-8")
    worker.write_text(worker.read_text("utf-8").replace(version, "next"), "utf-8")
    for _ in range(2):
        tab.goto(address)
        expect(tab.get_by_role("heading", name="New matting")).to_be_visible()
        tab.wait_for_function("() => caches.keys().then((names) => names.some((name) => name.endsWith(' next')))")
    for _ in range(10):  # until the new worker has its files; Chromium looks for a new one a second after a visit
        tab.goto(address)
        if tab.evaluate("crossOriginIsolated"):
            break
        tab.wait_for_timeout(3000)
    assert tab.evaluate("crossOriginIsolated")


def test_a_server_in_trouble_does_not_end_the_site(visited) -> None:
    tab, _, address = visited
    tab.context.route("**/app/", lambda route: route.fulfill(status=503, body="busy"))
    tab.goto(address)
    expect(tab.get_by_role("heading", name="Matting Anything")).to_be_visible()
