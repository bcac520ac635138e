"""Record the animation of the page for README.md: Chromium visits the running page as a visitor would.

    python demo/app.py --variant tiny   # in one terminal, with the embedded model
    python -m scripts.record [ADDRESS]    # in another; default http://127.0.0.1:7860/

Writes docs/page.webp.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

from PIL import Image, ImageDraw
from playwright.sync_api import sync_playwright

from tests.demo.visitor import Visitor

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
SIZE = {"width": 1280, "height": 720}
WIDTH = 1000  # pixels of the animation
FLOWER = (640, 427)


class Film:
    """Frames of a visitor's tab, each with its duration."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor, self.tab = visitor, visitor.tab
        self.frames: list[tuple[Image.Image, int]] = []
        self.pointer = (0.0, 0.0)
        self.result = ""

    def add_frame(self, milliseconds: int) -> None:
        """Add the tab as it is now, with the pointer drawn in: a headless browser has none."""
        image = Image.open(io.BytesIO(self.tab.screenshot())).convert("RGB")
        arrow = [(0, 0), (0, 17), (4, 13), (7, 20), (10, 19), (7, 12), (12, 12)]
        ImageDraw.Draw(image).polygon(
            [(self.pointer[0] + x, self.pointer[1] + y) for x, y in arrow], fill="white", outline="black"
        )
        small = image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)
        self.frames.append((small, milliseconds))

    def move(self, x: float, y: float) -> None:
        """Move the pointer."""
        self.pointer = (x, y)
        self.tab.mouse.move(x, y)

    def wait_for_result(self) -> None:
        """Wait until another result is shown."""
        self.visitor.wait_until(lambda: self._result() != self.result)
        self.visitor.wait_until_idle()
        self.tab.wait_for_timeout(1000)  # a late result of an earlier change may still arrive
        self.result = self._result()

    def _result(self) -> str:
        """Return the address of the result's image."""
        addresses: str = self.tab.locator("#cutout img").evaluate_all("list => list.map((image) => image.src).join()")
        return addresses

    def save(self, name: str) -> None:
        """Write the animation."""
        images, times = zip(*self.frames, strict=True)
        images[0].save(
            DOCS / f"{name}.webp",
            save_all=True,
            append_images=images[1:],
            duration=times,
            loop=0,
            quality=70,
            method=6,
        )


def record(address: str) -> None:
    """One visit: the main object, another one by a click and by a box, new backgrounds."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        tab = browser.new_page(viewport=SIZE)
        film = Film(Visitor(tab, address))
        film.visitor.wait_until_idle()
        film.add_frame(900)
        film.visitor.open(ROOT / "demo" / "examples" / "flower.jpg")
        film.visitor.wait_for_answer("found")
        film.wait_for_result()
        film.add_frame(2000)  # the main object, cut out at once
        box = tab.locator("#canvas canvas.photo").bounding_box()
        scale = min(box["width"] / FLOWER[0], box["height"] / FLOWER[1])
        left, top = (
            box["x"] + (box["width"] - FLOWER[0] * scale) / 2,
            box["y"] + (box["height"] - FLOWER[1] * scale) / 2,
        )

        def place(x: float, y: float) -> tuple[float, float]:
            return left + x * scale, top + y * scale

        film.move(*place(335, 410))
        film.move(*place(340, 412))
        tab.wait_for_timeout(1500)  # a preview leaves no trace in the document to wait for
        film.add_frame(1200)  # what a click would give
        tab.mouse.click(*place(340, 412))
        film.wait_for_result()
        film.add_frame(1500)  # another object
        tab.keyboard.press("z")
        film.wait_for_result()
        tab.keyboard.press("b")
        film.move(*place(174, 78))
        tab.mouse.down()
        for step in range(1, 6):
            film.move(*place(174 + 56 * step, 78 + 57 * step))
            film.add_frame(120)
        tab.mouse.up()
        film.wait_for_result()
        film.add_frame(1200)
        tab.locator("#kind").get_by_label("Blur").check()
        film.wait_for_result()
        film.add_frame(1300)
        tab.locator("#kind").get_by_label("Gradient").check()
        film.wait_for_result()
        film.add_frame(1300)
        tab.locator("#kind").get_by_label("Palace").check()
        film.wait_for_result()
        film.add_frame(1300)
        tab.get_by_role("tab", name="Size and place").click()
        tab.locator("#size input[type=number]").fill("150")
        tab.locator("#size input[type=number]").press("Enter")
        tab.locator("#size input[type=range]").press("ArrowRight")
        film.wait_for_result()
        film.add_frame(2500)
        film.save("page")
        browser.close()


if __name__ == "__main__":
    record(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:7860/")
