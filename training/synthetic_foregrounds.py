"""Synthetic foregrounds with exact soft alpha: cut-outs with softened edges, and drawn plants, smoke, nets and letters.

The training photographs have no true soft alpha, so it is synthesised. Every foreground is an RGBA image; its colours
continue beyond its alpha, so that a soft edge shows no colour of its old background. Shapes are drawn at twice their
size and averaged down, which makes their alpha exact.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from scipy import ndimage

from training.strands import add_strands, draw_blades, grow_curves

# Gives an RGB image of a (width, height) to colour a foreground with.
Texture = Callable[[tuple[int, int]], Image.Image]
Edge = Literal["hair", "fur", "feathers", "defocus", "motion", "veil", "glass", "sheer", "edge"]
Kind = Literal["grass", "twigs", "smoke", "net", "text"]

# How often each is drawn, in the order of `Edge` and of `Kind`. "edge" leaves a cut-out's own edge as it is.
_EDGE_WEIGHTS = (0.24, 0.2, 0.06, 0.14, 0.06, 0.04, 0.03, 0.03, 0.2)
_KIND_WEIGHTS = (0.26, 0.3, 0.2, 0.12, 0.12)


def soften(rng: np.random.Generator, cutout: Image.Image, edge: Edge | None = None) -> Image.Image:
    """Give a cut-out soft edges, or make all of it transparent.

    Args:
        rng: source of all randomness.
        cutout: RGBA.
        edge: what to do; None draws it by weight.

    Returns:
        RGBA of the same size; its colours continue beyond its alpha.
    """
    colours, alpha = extend_colours(cutout), cutout.getchannel("A")
    if edge is None:
        edge = rng.choice(get_args(Edge), p=_EDGE_WEIGHTS)
    if edge in ("hair", "fur", "feathers"):
        colours, alpha = add_strands(rng, colours, alpha, edge)
    elif edge == "defocus":
        alpha = alpha.filter(ImageFilter.GaussianBlur(float(np.exp(rng.uniform(0, np.log(12))))))
    elif edge == "motion":
        steps, angle = int(rng.integers(1, 7)), float(rng.uniform(0, np.pi))
        colours, alpha = _blur_motion(colours, steps, angle), _blur_motion(alpha, steps, angle)
    elif edge == "veil":
        colours, alpha = _add_veil(rng, colours, alpha)
    elif edge == "glass":
        colours, alpha = _make_glass(rng, colours, alpha)
    elif edge == "sheer":
        opacity = rng.uniform(0.35, 0.9)
        alpha = alpha.point(lambda value: value * opacity)
    colours.putalpha(alpha)
    return colours


def draw_foreground(rng: np.random.Generator, side: int, texture: Texture, kind: Kind | None = None) -> Image.Image:
    """Draw a foreground that needs no cut-out.

    Args:
        rng: source of all randomness.
        side: largest width and height in pixels.
        texture: where its colours come from.
        kind: what to draw; None draws it by weight.

    Returns:
        RGBA, at most `side` pixels wide and high.
    """
    if kind is None:
        kind = rng.choice(get_args(Kind), p=_KIND_WEIGHTS)
    size = (int(side * rng.uniform(0.5, 1)), int(side * rng.uniform(0.5, 1)))
    if kind == "smoke":
        shade = int(rng.integers(120, 256))
        colours = Image.new("RGB", size, (shade, shade, min(255, shade + int(rng.integers(0, 12)))))
        alpha = _draw_smoke(rng, size)
    else:
        draw = {"grass": _draw_grass, "twigs": _draw_twigs, "net": _draw_net, "text": _draw_text}[kind]
        colours, alpha = _tint(rng, texture(size), green=kind in ("grass", "twigs")), draw(rng, size)
    colours.putalpha(alpha)
    return colours


def draw_plant(rng: np.random.Generator, side: int, texture: Texture) -> Image.Image:
    """Draw grass or leafy twigs; arguments and result as for `draw_foreground`."""
    return draw_foreground(rng, side, texture, rng.choice(["grass", "twigs"]))


def extend_colours(cutout: Image.Image) -> Image.Image:
    """RGB of an RGBA cut-out, continued beyond its edge, so that a softer edge does not bring in black."""
    small = cutout.convert("RGBa").reduce(4)  # premultiplied
    spread = np.zeros((small.height, small.width, 4), np.float32)
    for radius in (1, 2, 8):  # the finest blur that reaches a pixel decides its colour
        blurred = np.asarray(small.filter(ImageFilter.BoxBlur(radius)), np.float32)
        spread = np.where(spread[..., 3:] > 4, spread, blurred)
    outside = spread[..., :3] / np.maximum(spread[..., 3:] / 255, 0.01)
    extended = Image.fromarray(np.clip(outside, 0, 255).astype(np.uint8)).resize(cutout.size, Image.Resampling.BILINEAR)
    extended.paste(cutout.convert("RGB"), mask=cutout.getchannel("A").point(lambda value: 255 * (value > 242)))
    return extended


def _add_veil(rng: np.random.Generator, colours: Image.Image, alpha: Image.Image) -> tuple[Image.Image, Image.Image]:
    """Hang a see-through cloth with folds over and around an object."""
    w, h = alpha.size
    solid = np.asarray(alpha, np.float32) / 255
    near = ndimage.gaussian_filter(solid[::4, ::4], rng.uniform(4, 14))
    near = np.asarray(Image.fromarray(near).resize((w, h), Image.Resampling.BILINEAR))
    edge = np.clip((near - rng.uniform(0.03, 0.2)) * 12, 0, 1)
    folds = _smooth_noise(rng, (w, h), (int(rng.integers(3, 8)), 2))
    cloth = edge * np.clip(rng.uniform(0.1, 0.35) + rng.uniform(0.2, 0.5) * folds, 0, 0.85)
    both = 1 - (1 - solid) * (1 - cloth)
    tone = (rng.uniform(150, 255) * np.array([1, rng.uniform(0.92, 1), rng.uniform(0.9, 1)])).astype(np.float32)
    # The cloth lies over the object: where both are, its colour covers by its own alpha.
    share = (cloth / np.maximum(both, 1e-3))[..., None]
    mixed = np.asarray(colours, np.float32) * (1 - share) + tone * (0.8 + 0.2 * folds[..., None]) * share
    return (
        Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8)),
        Image.fromarray((both * 255).astype(np.uint8)),
    )


def _make_glass(rng: np.random.Generator, colours: Image.Image, alpha: Image.Image) -> tuple[Image.Image, Image.Image]:
    """Make an object clear inside and denser towards its rim, with highlights."""
    solid = np.asarray(alpha, np.float32) / 255
    depth = ndimage.distance_transform_edt(solid[::2, ::2] > 0.5).astype(np.float32)
    depth = np.asarray(Image.fromarray(depth).resize(alpha.size, Image.Resampling.BILINEAR)) * 2
    rim = np.exp(-depth / (rng.uniform(0.01, 0.05) * max(alpha.size)))
    shine = np.clip((_smooth_noise(rng, alpha.size, (5, 5)) - 0.68) * 8, 0, 1)
    clear = rng.uniform(0.08, 0.4)
    opacity = np.clip(clear + (rng.uniform(0.5, 0.95) - clear) * rim, 0, 1)
    opacity = opacity + (0.9 - opacity) * shine
    tint = np.asarray(colours, np.float32) * rng.uniform(0.5, 1) + 60
    shown = tint * (1 - shine[..., None]) + 255 * shine[..., None]
    return (
        Image.fromarray(np.clip(shown, 0, 255).astype(np.uint8)),
        Image.fromarray((solid * opacity * 255).astype(np.uint8)),
    )


def _blur_motion(image: Image.Image, steps: int, angle: float) -> Image.Image:
    """Average an image shifted along a line by up to `steps` steps of 3 pixels both ways."""
    total = np.zeros_like(np.asarray(image, np.float32))
    shifts = range(-steps, steps + 1)
    for k in shifts:
        shift = (1, 0, 3 * k * np.cos(angle), 0, 1, 3 * k * np.sin(angle))
        moved = image.transform(image.size, Image.Transform.AFFINE, shift, Image.Resampling.BILINEAR)
        total += np.asarray(moved, np.float32)
    return Image.fromarray((total / len(shifts)).astype(np.uint8))


def _draw_smoke(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """Alpha of a cloud: noise on three scales that fades towards the sides."""
    w, h = size
    density = (
        _smooth_noise(rng, size, (4, 4)) * 0.55
        + _smooth_noise(rng, size, (9, 9)) * 0.3
        + _smooth_noise(rng, size, (22, 22)) * 0.15
    )
    y, x = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
    envelope = np.clip(1.15 - np.hypot(x, y), 0, 1) ** rng.uniform(0.7, 1.5)
    return Image.fromarray((255 * np.clip((density - 0.3) * rng.uniform(2, 4) * envelope, 0, 1)).astype(np.uint8))


def _draw_grass(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """Alpha of blades, wide at their roots, that lean and bend."""
    w, h = size
    count = int(rng.integers(40, 320))
    roots = np.stack([rng.normal(w / 2, w * rng.uniform(0.06, 0.3), count), np.full(count, h * 1.0)], 1)
    headings = rng.normal(-np.pi / 2, rng.uniform(0.1, 0.5), count)
    paths = grow_curves(rng, roots, headings, h * rng.uniform(0.3, 1, count), 0.08)
    return draw_blades(rng, size, paths, rng.uniform(2, 9))


def _draw_twigs(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """Alpha of three branches that fork twice, mostly with leaves at their ends."""
    w, h = size
    roots = np.stack([rng.uniform(0.3, 0.7, 3) * w, np.full(3, h * 1.0)], 1)
    branches = grow_curves(rng, roots, rng.normal(-np.pi / 2, 0.35, 3), h * rng.uniform(0.6, 0.95, 3), 0.06)
    canvas = Image.new("L", (2 * w, 2 * h))
    draw = ImageDraw.Draw(canvas)
    width = rng.uniform(4, 12)
    has_leaves = rng.random() < 0.7
    for _ in range(3):
        for path in branches:
            draw.line((2 * path).ravel().tolist(), fill=255, width=max(1, round(width)), joint="curve")
        at = rng.integers(3, branches.shape[1], (len(branches), 5))
        starts = branches[np.arange(len(branches))[:, None], at].reshape(-1, 2)
        headings = np.arctan2(*(branches[:, -1] - branches[:, 0]).T[::-1]).repeat(5)
        headings = headings + rng.choice([-1, 1], len(starts)) * rng.uniform(0.4, 1.0, len(starts))
        lengths = h * rng.uniform(0.08, 0.3, len(starts)) * (width / 12 + 0.4)
        branches = grow_curves(rng, starts, headings, lengths, 0.07)
        width *= 0.5
    if has_leaves:
        _draw_leaves(rng, draw, branches)
    return canvas.resize(size, Image.Resampling.BOX)


def _draw_leaves(rng: np.random.Generator, draw: ImageDraw.ImageDraw, branches: np.ndarray) -> None:
    """Draw leaves of one shape at the ends of some branches, (N, steps, 2), on a canvas of twice the size."""
    length, slimness = rng.uniform(12, 46), rng.uniform(0.2, 0.55)
    for path in branches[rng.random(len(branches)) < rng.uniform(0.4, 1)]:
        x, y = 2 * path[-1]
        turn = rng.uniform(0, 2 * np.pi)
        t = np.linspace(0, 2 * np.pi, 14)
        leaf = np.stack([length * (1 + np.cos(t)), length * slimness * np.sin(t) * np.abs(np.sin(t / 2))], 1)
        rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        draw.polygon((leaf @ rotation + (x, y)).ravel().tolist(), fill=255)


def _draw_net(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """Alpha of a mesh, warped like cloth."""
    w, h = size
    y, x = np.mgrid[:h, :w].astype(np.float32)
    x += rng.uniform(5, 40) * (_smooth_noise(rng, size, (4, 4)) - 0.5) * 2
    y += rng.uniform(5, 40) * (_smooth_noise(rng, size, (4, 4)) - 0.5) * 2
    turn, step = rng.uniform(0, np.pi / 2), rng.uniform(7, 30)
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    thread = rng.uniform(0.8, 2.5)
    lines = [np.clip(thread / 2 + 0.5 - np.abs((t + step / 2) % step - step / 2), 0, 1) for t in (u, v)]
    outline = np.clip((_smooth_noise(rng, size, (3, 3)) - 0.35) * 30, 0, 1)
    return Image.fromarray((255 * np.maximum(*lines) * outline).astype(np.uint8))


def _draw_text(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """Alpha of two to six letters, rotated a little."""
    canvas = Image.new("L", (2 * size[0], 2 * size[1]))
    letters = "".join(rng.choice(list("ABCDEFGHKLMNPRSTabcdefghkmnoprstuwyz0123456789&?"), int(rng.integers(2, 7))))
    font = ImageFont.load_default(size=2 * size[0] / max(2, len(letters)) * 1.3)
    ImageDraw.Draw(canvas).text((size[0], size[1]), letters, fill=255, font=font, anchor="mm")
    return canvas.resize(size, Image.Resampling.BOX).rotate(rng.uniform(-25, 25), Image.Resampling.BICUBIC)


def _tint(rng: np.random.Generator, texture: Image.Image, green: bool) -> Image.Image:
    """Colour a texture like a plant in seven of ten cases, if `green`."""
    if not green or rng.random() < 0.3:
        return texture
    grey = np.asarray(texture.convert("L"), np.float32)[..., None] / 255
    tone = np.array([rng.uniform(30, 150), rng.uniform(90, 200), rng.uniform(20, 90)], np.float32)
    return Image.fromarray(np.clip(tone * (0.45 + grey), 0, 255).astype(np.uint8))


def _smooth_noise(rng: np.random.Generator, size: tuple[int, int], cells: tuple[int, int]) -> np.ndarray:
    """(h, w) float32 in [0, 1]: random values on a grid of so many cells, interpolated."""
    grid = Image.fromarray(rng.random((cells[1] + 1, cells[0] + 1), np.float32))
    return np.clip(np.asarray(grid.resize(size, Image.Resampling.BICUBIC)), 0, 1)
