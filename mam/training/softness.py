"""Foregrounds with exact soft alpha, made out of hard cut-outs: defocus, motion blur, strands of hair and fur."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


def soften(rng: np.random.Generator, cutout: Image.Image) -> Image.Image:
    """An RGBA cut-out with randomly softened edges and colours that reach beyond them, at the same size."""
    colours, alpha = extend_colours(cutout), cutout.getchannel("A")
    draw = rng.random()
    if draw < 0.45:
        colours, alpha = add_strands(rng, colours, alpha)
    elif draw < 0.6:
        alpha = alpha.filter(ImageFilter.GaussianBlur(float(np.exp(rng.uniform(0, np.log(10))))))
    elif draw < 0.7:
        colours, alpha = (_motion(image, int(rng.integers(1, 6)), rng.uniform(0, np.pi)) for image in (colours, alpha))
    elif draw < 0.78:  # glass, smoke, veil: see-through all over
        alpha = alpha.point(lambda v, share=rng.uniform(0.3, 0.9): v * share)
    colours.putalpha(alpha)
    return colours


def extend_colours(cutout: Image.Image) -> Image.Image:
    """RGB of a cut-out, continued beyond its edge, so that softer edges don't drag in black."""
    rgba = np.asarray(cutout, np.float32)
    alpha = rgba[..., 3:] / 255
    premultiplied = Image.fromarray(np.uint8(np.dstack([rgba[..., :3] * alpha, rgba[..., 3:]])), "RGBA")
    spread = np.zeros_like(rgba)
    for radius in (2, 8, 32):  # the finest that reaches a pixel decides its colour
        blurred = np.asarray(premultiplied.filter(ImageFilter.BoxBlur(radius)), np.float32)
        spread = np.where(spread[..., 3:] > 4, spread, blurred)
    outside = spread[..., :3] / np.maximum(spread[..., 3:] / 255, 0.01)
    solid = alpha > 0.95
    return Image.fromarray(np.uint8(np.clip(np.where(solid, rgba[..., :3], outside), 0, 255)))


def add_strands(rng: np.random.Generator, colours: Image.Image, alpha: Image.Image) -> tuple[Image.Image, Image.Image]:
    """Grow curved strands out of some part of the contour, coloured like their roots, drawn at twice the size."""
    mask = np.asarray(alpha.filter(ImageFilter.GaussianBlur(3)), np.float32) / 255
    gy, gx = np.gradient(mask)
    ys, xs = np.nonzero((mask > 0.35) & (mask < 0.65))
    if len(ys) < 20:
        return colours, alpha
    if rng.random() < 0.6:  # one side only, as a head has it
        angle = rng.uniform(0, 2 * np.pi)
        order = np.argsort(xs * np.cos(angle) + ys * np.sin(angle))[: max(20, len(xs) * rng.integers(2, 8) // 10)]
        ys, xs = ys[order], xs[order]
    count = int(min(2500, len(ys) * rng.uniform(0.4, 2.0)))
    length = np.exp(rng.uniform(np.log(8), np.log(90)))
    comb, straight = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 1.0)
    width = rng.uniform(1.0, 3.2)
    fine, thick = Image.new("L", (2 * alpha.width, 2 * alpha.height)), colours.resize((2 * alpha.width, 2 * alpha.height))
    draw_alpha, draw_colour = ImageDraw.Draw(fine), ImageDraw.Draw(thick)
    palette = np.asarray(colours)
    for k in rng.integers(len(ys), size=count):
        y, x = float(ys[k]), float(xs[k])
        out = np.arctan2(-gy[ys[k], xs[k]], -gx[ys[k], xs[k]])
        heading = out + rng.normal(0, 0.35)
        bend = rng.normal(0, 0.06) + 0.05 * np.sin(comb - heading)
        steps = max(3, int(length * rng.uniform(0.4, 1.2) / 4))
        x, y = x - 5 * np.cos(heading), y - 5 * np.sin(heading)
        points = []
        for _ in range(steps):
            points.append((2 * x, 2 * y))
            x, y = x + 4 * np.cos(heading), y + 4 * np.sin(heading)
            heading += bend + rng.normal(0, 0.08 * (1.1 - straight))
        root = palette[min(max(int(ys[k] - 6 * np.sin(out)), 0), alpha.height - 1), min(max(int(xs[k] - 6 * np.cos(out)), 0), alpha.width - 1)]
        colour = tuple(int(c) for c in np.clip(root * rng.uniform(0.75, 1.25), 0, 255))
        opacity = int(255 * rng.uniform(0.5, 1.0))
        draw_alpha.line(points, fill=opacity, width=max(1, round(width * rng.uniform(0.6, 1.3))))
        draw_colour.line(points, fill=colour, width=max(2, round(width * 2)))
    fine = fine.resize(alpha.size, Image.Resampling.BOX)
    inside = np.asarray(alpha.filter(ImageFilter.GaussianBlur(1)), np.uint8)
    grown = Image.fromarray(np.maximum(inside, np.asarray(fine)))
    return thick.resize(alpha.size, Image.Resampling.BOX), grown


def _motion(image: Image.Image, steps: int, angle: float) -> Image.Image:
    """Average of the picture shifted along a line, about 3 pixels a step."""
    total = np.zeros_like(np.asarray(image, np.float32))
    shifts = range(-steps, steps + 1)
    for k in shifts:
        shift = (1, 0, 3 * k * np.cos(angle), 0, 1, 3 * k * np.sin(angle))
        total += np.asarray(image.transform(image.size, Image.Transform.AFFINE, shift, Image.Resampling.BILINEAR), np.float32)
    return Image.fromarray(np.uint8(total / len(shifts)))
