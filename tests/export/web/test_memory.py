"""Memory of the site after large photos: that of the renderer's process, workers included."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from tests.conftest import EXAMPLES
from tests.export.web.test_site import SiteVisitor

MOST_MEGABYTES = 700
MOST_GROWTH = 60  # MB
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc has the sizes")


def renderers(browser: Browser) -> set[int]:
    """Process ids of the tabs."""
    session = browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    return {process["id"] for process in processes if process["type"] == "renderer"}


def megabytes(process: int) -> float:
    """Memory of a process in MB; what it shares with others counts in parts."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("Pss:"))


@pytest.fixture
def measured(browser, address) -> Iterator[tuple[SiteVisitor, Callable[[], float]]]:
    """A visitor in a process of their own, and its memory in MB."""
    others = renderers(browser)
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    visitor = SiteVisitor(context.new_page(), address)
    visitor.tab.wait_for_function("() => document.body.dataset.model === 'ready'", timeout=180_000)
    yield visitor, lambda: max(map(megabytes, renderers(browser) - others))  # others are spare
    context.close()


def wait_for_memory(tab: Page, memory: Callable[[], float]) -> float:
    """Memory in MB, as soon as it is under the limit; V8 collects garbage some seconds after the work."""
    for _ in range(30):
        found = memory()
        if found < MOST_MEGABYTES:
            break
        tab.wait_for_timeout(1000)
    return found


@pytest.mark.parametrize("size", [(4000, 3000), (8000, 6000)], ids=["12 megapixels", "48 megapixels"])
def test_a_large_photo_gives_its_memory_back(measured, tmp_path, size) -> None:
    visitor, memory = measured
    Image.open(EXAMPLES / "flower.jpg").resize(size).save(tmp_path / "large.jpg")
    visitor.open_and_wait(tmp_path / "large.jpg")
    assert ("48 megapixels and was reduced to 24 megapixels" in visitor.message.inner_text()) == (size[0] == 8000)
    assert wait_for_memory(visitor.tab, memory) < MOST_MEGABYTES, "with the photo open"
    visitor.download("png")
    assert wait_for_memory(visitor.tab, memory) < MOST_MEGABYTES, "after its file was saved"


def test_photos_in_a_row_leave_nothing_behind(measured) -> None:
    """Chromium keeps decoded images as long as nothing needs the memory, so the comparison is made under pressure."""
    visitor, memory = measured
    session = visitor.tab.context.new_cdp_session(visitor.tab)
    left = []
    for number in range(8):
        visitor.open_and_wait(EXAMPLES / ("kitten.jpg" if number % 2 else "coffee.png"))
        if number in (1, 7):
            session.send("Memory.simulatePressureNotification", {"level": "critical"})
            visitor.tab.wait_for_timeout(4000)
            left.append(memory())
    assert left[1] - left[0] < MOST_GROWTH, left
