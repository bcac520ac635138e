"""Make the README's pictures again: `python docs/figures.py` (the embedded model, the example photographs).

docs/strip.jpg: each photograph with its prompts, its alpha, and the cut-out on a new background.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from mam import Matting

HEIGHT = 260
# The photograph, its box, clicks (x, y, label), and what goes behind: a colour, "blur", or one of the demo's backgrounds.
ROWS = [
    ("astronaut.png", (2, 5, 395, 510), [(200, 380, 1), (215, 90, 1), (40, 120, 0), (340, 80, 0)], "galaxies.jpg"),
    ("cat.png", (0, 0, 390, 299), [], "#e8b04b"),
    ("coffee.png", (72, 12, 482, 390), [(280, 230, 1), (90, 60, 0)], "#31525b"),
    ("flower.jpg", (178, 82, 450, 360), [], "blur"),
]


def main() -> None:
    """Write docs/strip.jpg."""
    matting = Matting.load(device="cpu")
    columns = []
    for name, box, clicks, background in ROWS:
        scene = matting.open(ROOT / "demo" / "examples" / name)
        matte = scene.matte(box=box)
        for count in range(1, len(clicks) + 1):  # round by round, as on the page
            points, labels = [click[:2] for click in clicks[:count]], [label for *_, label in clicks[:count]]
            matte = scene.matte(box=box, points=points, labels=labels, previous=matte)
        marked = Image.fromarray(matte.photo.pixels)
        draw = ImageDraw.Draw(marked)
        draw.rectangle(box, outline=(9, 132, 227), width=4)
        for x, y, label in clicks:
            draw.ellipse((x - 8, y - 8, x + 8, y + 8), fill=(38, 166, 91) if label else (214, 48, 49), outline="white", width=2)
        if background == "blur":
            result = matte.over_blur(30)
        elif background.startswith("#"):
            result = matte.over(background)
        else:
            result = matte.over(Image.open(ROOT / "demo" / "backgrounds" / background))
        cells = [np.asarray(marked), np.dstack([matte.alpha_uint8()] * 3), result]
        columns.append(np.concatenate([_scaled(cell) for cell in cells]))
    gap = np.full((columns[0].shape[0], 6, 3), 255, np.uint8)
    strip = np.concatenate([part for column in columns for part in (column, gap)][:-1], axis=1)
    Image.fromarray(strip).save(ROOT / "docs" / "strip.jpg", quality=88)


def _scaled(pixels: np.ndarray) -> np.ndarray:
    width = round(pixels.shape[1] * HEIGHT / pixels.shape[0])
    return np.asarray(Image.fromarray(pixels).resize((width, HEIGHT), Image.Resampling.LANCZOS))


if __name__ == "__main__":
    main()
