"""A visitor of the page for browser tests: actions on the canvas, and waiting for their effects."""

from __future__ import annotations

import base64
import io
import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page, Request, expect

from tests.conftest import EXAMPLES

_TRANSFER = """async ([name, type, data, zeros, paste, place]) => {
  const content = new Blob([await (await fetch('data:' + type + ';base64,' + data)).blob(), new Uint8Array(zeros)]);
  const carried = new DataTransfer(), find = (selector) => document.querySelector(selector);
  carried.items.add(new File([content], name, { type }));
  const event = { bubbles: true, cancelable: true };
  if (paste) document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: carried, ...event }));
  else find(place).dispatchEvent(new DragEvent('drop', { dataTransfer: carried, ...event }));
}"""


FORMS = {
    "png": "PNG",
    "jpeg": "JPEG",
    "cutout": "PNG without background",
    "alpha": "Alpha as PNG",
    "zip": "All objects as ZIP",
}


def is_on(alpha: np.ndarray, x: int, y: int) -> bool:
    """Whether a pixel of an alpha, (H, W) uint8, belongs to the object."""
    return bool(alpha[y, x] > 127)


class Visitor:
    """A tab with the page open.

    Args:
        tab: a fresh tab.
        address: the page's address.
    """

    def __init__(self, tab: Page, address: str) -> None:
        self.tab = tab
        self.problems: list[str] = []
        self.outside: list[str] = []
        self._pending: set[Request] = set()  # Gradio's requests that are not answered yet
        tab.on("request", lambda sent: self._pending.add(sent) if "/gradio_api/queue/" in sent.url else None)
        tab.on("requestfinished", lambda sent: self._pending.discard(sent))
        tab.on("requestfailed", lambda sent: self._pending.discard(sent))
        tab.on("pageerror", lambda error: self.problems.append(str(error)))
        tab.on("console", lambda line: self.problems.append(line.text) if line.type == "error" else None)
        tab.on(
            "request",
            lambda sent: None if sent.url.startswith((address, "data:", "blob:")) else self.outside.append(sent.url),
        )
        tab.goto(address)
        expect(tab.locator("#canvas .empty")).to_be_visible(timeout=30_000)
        self.text = tab.locator("#text textarea, #text input")
        self.message, self.canvas = tab.locator("#canvas .message"), tab.locator("#canvas canvas.photo")

    def open(self, path: Path = EXAMPLES / "flower.jpg") -> None:
        """Choose a photo through the canvas."""
        is_empty = self.tab.locator("#canvas .choose").is_visible()
        with self.tab.expect_file_chooser() as chooser:
            self.tab.locator("#canvas .choose" if is_empty else "#canvas .bar [data-action=open]").click()
        chooser.value.set_files(path)

    def open_and_wait(self, path: Path = EXAMPLES / "flower.jpg") -> tuple[int, int]:
        """Choose a photo and wait until it is there; its width and height."""
        before = self.canvas.get_attribute("data-photo") or ""
        self.open(path)
        self.tab.wait_for_function(
            "(before) => ![undefined, '', before].includes(document.querySelector('#canvas canvas').dataset.photo)",
            arg=before,
            timeout=30_000,
        )
        expect(self.tab.locator("#canvas .stage")).to_have_attribute("aria-busy", "false", timeout=60_000)
        expect(self.message).to_contain_text(re.compile("(Click on|Tap) the object|found|Not sure"), timeout=30_000)
        self.size = Image.open(path).size
        return self.size

    def transfer(
        self,
        name: str,
        kind: str,
        data: bytes = b"",
        *,
        zeros: int = 0,
        paste: bool = False,
        place: str = "#canvas .stage",
    ) -> None:
        """Drop a file on a part of the page, or paste it; so many zeros follow its data."""
        self.tab.evaluate(_TRANSFER, [name, kind, base64.b64encode(data).decode(), zeros, paste, place])

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where a pixel of the photo is on the screen, as long as it is shown whole."""
        self.canvas.scroll_into_view_if_needed()
        box, (w, h) = self.canvas.bounding_box(), self.size
        scale = min(box["width"] / w, box["height"] / h)
        return box["x"] + (box["width"] - w * scale) / 2 + x * scale, box["y"] + (
            box["height"] - h * scale
        ) / 2 + y * scale

    def click(self, x: float, y: float, **options: object) -> None:
        """Click at a pixel of the photo."""
        self.tab.mouse.click(*self.place(x, y), **options)

    def drag(self, *places: tuple[float, float]) -> None:
        """Move the pointer along pixels of the photo with the button down."""
        self.tab.mouse.move(*self.place(*places[0]))
        self.tab.mouse.down()
        for place in places[1:]:
            self.tab.mouse.move(*self.place(*place), steps=4)
        self.tab.mouse.up()

    def press(self, key: str) -> None:
        """A key, with the canvas in focus."""
        self.canvas.focus()
        self.tab.keyboard.press(key)

    def wait_until(self, check: Callable[[], bool], timeout: float = 60) -> None:
        """Wait until a check is true, for what has no state of its own in the page."""
        end = time.monotonic() + timeout
        while not check():
            assert time.monotonic() < end, "this did not happen in time"
            self.tab.evaluate("() => new Promise(requestAnimationFrame)")

    def wait_until_idle(self) -> None:
        """Wait until the server has answered all requests of the page."""
        self.wait_until(lambda: not self._pending)

    def wait_for_answer(self, text: str = "found") -> None:
        """Wait until the canvas shows the answer to the last change."""
        expect(self.tab.locator("#canvas .stage")).to_have_attribute("aria-busy", "false", timeout=60_000)
        expect(self.message).to_contain_text(text, timeout=60_000)

    def download(self, kind: str) -> tuple[str, bytes]:
        """Name and contents of a download in one of the forms."""
        button, form = self.tab.locator("#download"), self.tab.locator("#format input")
        expect(button).to_be_enabled(timeout=60_000)
        if form.input_value() != FORMS[kind]:
            form.click()
            self.tab.get_by_role("option", name=FORMS[kind], exact=True).click()
        with self.tab.expect_download(timeout=60_000) as download:
            button.click()
        return download.value.suggested_filename, Path(download.value.path()).read_bytes()

    def alpha(self) -> np.ndarray:
        """(H, W) uint8 as downloaded."""
        return np.asarray(Image.open(io.BytesIO(self.download("alpha")[1])))

    def names(self) -> list[str]:
        """Of the objects."""
        return [field.input_value() for field in self.tab.locator("#canvas .object input").all()]
