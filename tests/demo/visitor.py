"""What a visitor of the page does and sees, for browser tests."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page, expect

from tests.conftest import EXAMPLES


class Visitor:
    """A tab with the page open.

    Args:
        tab: a fresh tab.
        address: of the page.
    """

    def __init__(self, tab: Page, address: str) -> None:
        self.tab = tab
        self.problems: list[str] = []
        self.outside: list[str] = []
        tab.on("pageerror", lambda error: self.problems.append(str(error)))
        tab.on("console", lambda said: self.problems.append(said.text) if said.type == "error" else None)
        tab.on(
            "request",
            lambda asked: None if asked.url.startswith((address, "data:", "blob:")) else self.outside.append(asked.url),
        )
        tab.goto(address)
        expect(tab.locator("#canvas .empty")).to_be_visible(timeout=30_000)
        self.said, self.canvas = tab.locator("#canvas .said"), tab.locator("#canvas canvas.picture")

    def open(self, path: Path = EXAMPLES / "flower.jpg") -> None:
        """Choose a photo through the canvas."""
        button = "#canvas .empty" if self.tab.locator("#canvas .empty").is_visible() else "#canvas [data-do=open]"
        with self.tab.expect_file_chooser() as chooser:
            self.tab.locator(button).first.click()
        chooser.value.set_files(path)

    def opened(self, path: Path = EXAMPLES / "flower.jpg") -> tuple[int, int]:
        """Choose a photo and wait until it is there; its width and height."""
        before = self.canvas.get_attribute("data-photo") or ""
        self.open(path)
        self.tab.wait_for_function(
            "(before) => ![undefined, '', before].includes(document.querySelector('#canvas canvas').dataset.photo)",
            arg=before,
            timeout=30_000,
        )
        expect(self.said).to_contain_text("Drag a box", timeout=30_000)
        self.size = Image.open(path).size
        return self.size

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

    def settled(self, text: str = "found") -> None:
        """Wait until the answer is there, and the result drawn."""
        expect(self.tab.locator("#canvas .stage")).to_have_attribute("aria-busy", "false", timeout=60_000)
        expect(self.said).to_contain_text(text, timeout=60_000)

    def download(self, kind: str) -> tuple[str, bytes]:
        """Name and contents of what one of the download buttons gives."""
        button = self.tab.locator(f"#save_{kind}")
        expect(button).to_be_enabled(timeout=60_000)
        with self.tab.expect_download(timeout=60_000) as download:
            button.click()
        return download.value.suggested_filename, Path(download.value.path()).read_bytes()

    def alpha(self) -> np.ndarray:
        """(H, W) uint8 as downloaded."""
        return np.asarray(Image.open(io.BytesIO(self.download("alpha")[1])))

    def names(self) -> list[str]:
        """Of the objects."""
        return [field.input_value() for field in self.tab.locator("#canvas .object input").all()]
