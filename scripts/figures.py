"""Draw the figures of the documentation with the embedded model, from the example photographs.

    python -m scripts.figures     # from the repository's root; needs export/requirements.txt

docs/strip.jpg: each photograph with its prompts, its alpha, and the cut-out on a new background.
docs/failures.jpg: mistakes of the embedded model from one prompt: image, alpha, cut-out.
docs/soft.jpg: soft foregrounds as the training makes them, here from the example cut-outs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from mam import Matting
from training.synthetic_foregrounds import draw_foreground, soften

ROOT = Path(__file__).resolve().parents[1]

HEIGHT = 260
# Photographs of demo/examples/prompts.json, each with its background: a colour, "blur", or one of the demo's images.
ROWS = {"redpanda.jpg": "#e8b04b", "flower.jpg": "blur", "bowl.jpg": "#31525b", "kitten.jpg": "galaxies.jpg"}


# The photograph, a box or one click, and which part of it to show.
FAILURES = [
    ("astronaut.png", {"box": (2, 5, 395, 510)}, (0, 0, 512, 512)),
    ("astronaut.png", {"points": [(215, 90)]}, (0, 0, 512, 512)),
    ("cat.png", {"box": (0, 0, 390, 299)}, (60, 60, 360, 290)),
    ("coffee.png", {"points": [(280, 230)]}, (0, 0, 600, 400)),
]
EDGES = ("hair", "fur", "feathers", "veil", "glass", "motion")


def main() -> None:
    """Write the three figures."""
    matting = Matting.load(device="cpu")
    cutouts = draw_strip(matting)
    draw_failures(matting)
    draw_soft(cutouts)


def draw_strip(matting: Matting) -> list[Image.Image]:
    """Write docs/strip.jpg; returns the cut-outs, RGBA."""
    columns, cutouts = [], []
    prompts = json.loads((ROOT / "demo" / "examples" / "prompts.json").read_text("utf-8"))
    for name, background in ROWS.items():
        box = next((op["xy"] for op in prompts[name] if op["kind"] == "box"), None)
        clicks = [(*op["xy"], op["label"]) for op in prompts[name] if op["kind"] == "point"]
        scene = matting.open(ROOT / "demo" / "examples" / name)
        matte = scene.matte(box=box)
        for count in range(1, len(clicks) + 1):  # round by round, as on the page
            points, labels = [click[:2] for click in clicks[:count]], [label for *_, label in clicks[:count]]
            matte = scene.matte(box=box, points=points, labels=labels, previous=matte)
        if background == "blur":
            result = matte.over_blur(30)
        elif background.startswith("#"):
            result = matte.over(background)
        else:
            result = matte.over(Image.open(ROOT / "demo" / "backgrounds" / background))
        cells = [_draw_prompts(matte.photo.pixels, box, clicks), np.dstack([matte.alpha_uint8()] * 3), result]
        columns.append(np.concatenate([_resize(cell) for cell in cells]))
        cutouts.append(
            Image.fromarray(matte.cutout()).crop(
                Image.fromarray(matte.alpha_uint8()).point(lambda v: v > 64 and 255).getbbox()
            )
        )
    _join(columns, axis=1).save(ROOT / "docs" / "strip.jpg", quality=88)
    return cutouts


def draw_failures(matting: Matting) -> None:
    """Write docs/failures.jpg."""
    columns = []
    for name, prompt, part in FAILURES:
        matte = matting.open(ROOT / "demo" / "examples" / name).matte(**prompt)
        clicks = [(x, y, 1) for x, y in prompt.get("points", [])]
        cells = [
            _draw_prompts(matte.photo.pixels, prompt.get("box"), clicks),
            np.dstack([matte.alpha_uint8()] * 3),
            matte.over_checkerboard(),
        ]
        columns.append(np.concatenate([_resize(cell[part[1] : part[3], part[0] : part[2]]) for cell in cells]))
    _join(columns, axis=1).save(ROOT / "docs" / "failures.jpg", quality=88)


def draw_soft(cutouts: list[Image.Image]) -> None:
    """Write docs/soft.jpg."""
    rng = np.random.default_rng(4)
    backgrounds = [Image.open(file).convert("RGB") for file in sorted((ROOT / "demo" / "backgrounds").glob("*.jpg"))]
    cells = []
    for i, kind in enumerate([*EDGES, "grass", "twigs", "smoke", "net"]):
        background = backgrounds[i % len(backgrounds)].resize((640, 640))
        if kind in EDGES:
            cutout = cutouts[i % len(cutouts)].copy()
            cutout.thumbnail((440, 440))
            padded = Image.new("RGBA", (640, 640))
            padded.paste(cutout, ((640 - cutout.width) // 2, (640 - cutout.height) // 2))
            foreground = soften(rng, padded, kind)
        else:
            foreground = draw_foreground(rng, 640, lambda size: backgrounds[1].resize(size), kind)
        background.paste(foreground, (0, 640 - foreground.height), foreground)
        cells.append(_resize(np.asarray(background)))
    rows = [np.asarray(_join(part, axis=1)) for part in (cells[:5], cells[5:])]
    _join(rows, axis=0).save(ROOT / "docs" / "soft.jpg", quality=88)


def _draw_prompts(pixels: np.ndarray, box: Sequence[float] | None, clicks: list[tuple]) -> np.ndarray:
    """Return the photograph with its prompts drawn in."""
    marked = Image.fromarray(pixels)
    draw = ImageDraw.Draw(marked)
    if box is not None:
        draw.rectangle(box, outline=(9, 132, 227), width=4)
    radius = max(8, pixels.shape[0] // 50)
    for x, y, label in clicks:
        draw.ellipse(
            (x - radius, y - radius, x + radius, y + radius),
            fill=(38, 166, 91) if label else (214, 48, 49),
            outline="white",
            width=2,
        )
    return np.asarray(marked)


def _join(parts: list[np.ndarray], axis: int) -> Image.Image:
    """Side by side (axis 1) or one above the other (axis 0), with a white gap."""
    shape = list(parts[0].shape)
    shape[axis] = 6
    gap = np.full(shape, 255, np.uint8)
    return Image.fromarray(np.concatenate([piece for part in parts for piece in (part, gap)][:-1], axis=axis))


def _resize(pixels: np.ndarray) -> np.ndarray:
    width = round(pixels.shape[1] * HEIGHT / pixels.shape[0])
    return np.asarray(Image.fromarray(pixels).resize((width, HEIGHT), Image.Resampling.LANCZOS))


if __name__ == "__main__":
    main()
