"""Foregrounds with exact soft alpha where there are none: hair, fur, feathers, grass, twigs, smoke, veil, glass, text, blur.

Each maker takes a random generator and returns an RGBA picture whose colours reach beyond its alpha, so that soft edges
drag nothing else in. Shapes are drawn at twice their size and averaged down: that is what makes their alpha exact.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont
from scipy import ndimage

Texture = Callable[[tuple[int, int]], Image.Image]

# What happens to a cut-out, and how often.
_TREATMENTS = {
    "hair": 0.24,
    "fur": 0.2,
    "feathers": 0.06,
    "defocus": 0.14,
    "motion": 0.06,
    "veil": 0.04,
    "glass": 0.03,
    "sheer": 0.03,
    "edge": 0.2,
}
# Foregrounds that need no cut-out.
_MADE = {"grass": 0.26, "twigs": 0.3, "smoke": 0.2, "net": 0.12, "text": 0.12}


def soften(rng: np.random.Generator, cutout: Image.Image) -> Image.Image:
    """An RGBA cut-out with randomly softened edges and colours that reach beyond them, at the same size."""
    colours, alpha = extend_colours(cutout), cutout.getchannel("A")
    kind = rng.choice(list(_TREATMENTS), p=np.array(list(_TREATMENTS.values())))
    if kind in ("hair", "fur", "feathers"):
        colours, alpha = add_strands(rng, colours, alpha, kind)
    elif kind == "defocus":
        alpha = alpha.filter(ImageFilter.GaussianBlur(float(np.exp(rng.uniform(0, np.log(12))))))
    elif kind == "motion":
        steps, angle = int(rng.integers(1, 7)), rng.uniform(0, np.pi)
        colours, alpha = (_motion(image, steps, angle) for image in (colours, alpha))
    elif kind == "veil":
        colours, alpha = _add_veil(rng, colours, alpha)
    elif kind == "glass":
        colours, alpha = _as_glass(rng, colours, alpha)
    elif kind == "sheer":
        alpha = alpha.point(lambda v, share=rng.uniform(0.35, 0.9): v * share)
    colours.putalpha(alpha)
    return colours


def make(rng: np.random.Generator, side: int, texture: Texture) -> Image.Image:
    """A foreground of its own kind, RGBA, at most `side` pixels wide and high; `texture` gives colours of a (w, h)."""
    return _made(rng, rng.choice(list(_MADE), p=np.array(list(_MADE.values()))), side, texture)


def make_plant(rng: np.random.Generator, side: int, texture: Texture) -> Image.Image:
    """Grass or leafy twigs alone, as `make` draws them."""
    return _made(rng, rng.choice(["grass", "twigs"]), side, texture)


def _made(rng: np.random.Generator, kind: str, side: int, texture: Texture) -> Image.Image:
    size = (int(side * rng.uniform(0.5, 1)), int(side * rng.uniform(0.5, 1)))
    if kind == "smoke":
        shade = int(rng.integers(120, 256))
        colours, alpha = (
            Image.new("RGB", size, (shade, shade, min(255, shade + int(rng.integers(0, 12))))),
            _smoke(rng, size),
        )
    else:
        maker = {"grass": _grass, "twigs": _twigs, "net": _net, "text": _text}[kind]
        colours, alpha = _tinted(rng, texture(size), green=kind in ("grass", "twigs")), maker(rng, size)
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


def add_strands(
    rng: np.random.Generator, colours: Image.Image, alpha: Image.Image, kind: str
) -> tuple[Image.Image, Image.Image]:
    """Grow curved strands out of the contour, coloured like their roots: long hair on one side, short fur all round,
    or feathers, whose strands leave both sides of a quill.
    """
    mask = np.asarray(alpha.filter(ImageFilter.GaussianBlur(3)), np.float32) / 255
    gy, gx = np.gradient(ndimage.gaussian_filter(mask, 3))
    ys, xs = np.nonzero((mask > 0.3) & (mask < 0.7))
    if len(ys) < 20:
        return colours, alpha
    if kind == "hair" or rng.random() < 0.3:  # one side only, as a head has it
        angle = rng.uniform(0, 2 * np.pi)
        order = np.argsort(xs * np.cos(angle) + ys * np.sin(angle))[: max(20, len(xs) * int(rng.integers(2, 8)) // 10)]
        ys, xs = ys[order], xs[order]
    outward = np.arctan2(-gy[ys, xs], -gx[ys, xs])
    comb, combed = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.7)
    outward = np.angle((1 - combed) * np.exp(1j * outward) + combed * np.exp(1j * comb))

    if kind == "fur":
        count, length, width, curl = (
            int(min(2600, len(ys) * rng.uniform(0.8, 2.5))),
            rng.uniform(8, 36),
            rng.uniform(0.7, 1.8),
            0.05,
        )
    elif kind == "hair":
        count, length = int(min(1500, len(ys) * rng.uniform(0.15, 1.6))), np.exp(rng.uniform(np.log(20), np.log(130)))
        width, curl = rng.uniform(0.5, 2.2), rng.uniform(0.01, 0.09)
    else:
        count, length, width, curl = int(rng.integers(8, 40)), rng.uniform(30, 110), rng.uniform(1.2, 2.5), 0.02
    root = rng.integers(len(ys), size=count)
    start = np.stack([xs[root], ys[root]], 1).astype(float)
    paths = _curves(rng, start, outward[root] + rng.normal(0, 0.3, count), length * rng.uniform(0.3, 1.2, count), curl)
    if kind == "feathers":
        paths = np.concatenate([paths, *_barbs(rng, paths)])
        root = np.concatenate([root, np.tile(root, (len(paths) - count) // count)])

    palette = np.asarray(colours)
    inner = np.stack([xs[root] - 7 * np.cos(outward[root]), ys[root] - 7 * np.sin(outward[root])], 1).astype(int)
    inner = np.clip(inner, 0, (alpha.width - 1, alpha.height - 1))
    tones = np.clip(palette[inner[:, 1], inner[:, 0]] * rng.uniform(0.75, 1.25, (len(root), 1)), 0, 255).astype(int)
    fine = Image.new("L", (2 * alpha.width, 2 * alpha.height))
    thick = colours.copy()
    draw_alpha, draw_colour = ImageDraw.Draw(fine), ImageDraw.Draw(thick)
    opacities, widths = rng.integers(110, 256, len(paths)), 2 * width * rng.uniform(0.5, 1.4, len(paths))
    for path, tone, opacity, w in zip(paths, map(tuple, tones.tolist()), opacities.tolist(), widths):
        half = len(path) // 2  # strands get thinner towards their ends
        draw_alpha.line((2 * path[: half + 1]).ravel().tolist(), fill=opacity, width=max(1, round(w)))
        draw_alpha.line((2 * path[half:]).ravel().tolist(), fill=opacity, width=max(1, round(w * 0.6)))
        draw_colour.line(path.ravel().tolist(), fill=tone, width=max(2, round(w)))
    fine = fine.resize(alpha.size, Image.Resampling.BOX)
    return thick, ImageChops.lighter(alpha.filter(ImageFilter.GaussianBlur(0.8)), fine)


def _curves(
    rng: np.random.Generator, start: np.ndarray, heading: np.ndarray, length: np.ndarray, curl: float, steps: int = 12
) -> np.ndarray:
    """Paths (N, steps, 2) from (N, 2) starts, a little inside, that bend evenly and wander."""
    n = len(start)
    turns = rng.normal(0, curl, (n, 1)) + rng.normal(0, curl / 2, (n, steps)).cumsum(1) / 3
    angles = heading[:, None] + turns.cumsum(1)
    moves = (length / steps)[:, None, None] * np.stack([np.cos(angles), np.sin(angles)], 2)
    inside = 4 * np.stack([np.cos(heading), np.sin(heading)], 1)
    return (start - inside)[:, None] + moves.cumsum(1)


def _barbs(rng: np.random.Generator, quills: np.ndarray) -> list[np.ndarray]:
    """Short strands on both sides of each quill: per place along it, paths for all quills."""
    along = np.gradient(quills, axis=1)
    heading = np.arctan2(along[..., 1], along[..., 0])
    lengths = np.hypot(*along.transpose(2, 0, 1)).sum(1)
    barbs = []
    for place in np.linspace(2, quills.shape[1] - 1, 18):
        k = int(place)
        for side in (-1, 1):
            turn = heading[:, k] + side * rng.uniform(0.5, 0.9)
            reach = lengths * 0.3 * np.sin(np.pi * (k + 1) / (quills.shape[1] + 1)) * rng.uniform(0.7, 1.2, len(quills))
            barbs.append(_curves(rng, quills[:, k], turn, reach, 0.03))
    return barbs


def _add_veil(rng: np.random.Generator, colours: Image.Image, alpha: Image.Image) -> tuple[Image.Image, Image.Image]:
    """Hang a see-through cloth with folds over and around an object."""
    w, h = alpha.size
    solid = np.asarray(alpha, np.float32) / 255
    near = ndimage.gaussian_filter(solid[::4, ::4], rng.uniform(4, 14))
    near = np.asarray(Image.fromarray(near).resize((w, h), Image.Resampling.BILINEAR))
    edge = np.clip((near - rng.uniform(0.03, 0.2)) * 12, 0, 1)
    folds = _noise(rng, (w, h), (int(rng.integers(3, 8)), 2))
    cloth = edge * np.clip(rng.uniform(0.1, 0.35) + rng.uniform(0.2, 0.5) * folds, 0, 0.85)
    both = 1 - (1 - solid) * (1 - cloth)
    tone = np.float32(rng.uniform(150, 255) * np.array([1, rng.uniform(0.92, 1), rng.uniform(0.9, 1)]))
    # The cloth lies over the object: where both are, its colour covers by its own alpha.
    share = (cloth / np.maximum(both, 1e-3))[..., None]
    mixed = np.asarray(colours, np.float32) * (1 - share) + tone * (0.8 + 0.2 * folds[..., None]) * share
    return Image.fromarray(np.uint8(np.clip(mixed, 0, 255))), Image.fromarray(np.uint8(both * 255))


def _as_glass(rng: np.random.Generator, colours: Image.Image, alpha: Image.Image) -> tuple[Image.Image, Image.Image]:
    """Clear inside, denser towards the rim, with highlights."""
    solid = np.asarray(alpha, np.float32) / 255
    depth = ndimage.distance_transform_edt(solid[::2, ::2] > 0.5).astype(np.float32)
    depth = np.asarray(Image.fromarray(depth).resize(alpha.size, Image.Resampling.BILINEAR)) * 2
    rim = np.exp(-depth / (rng.uniform(0.01, 0.05) * max(alpha.size)))
    shine = np.clip((_noise(rng, alpha.size, (5, 5)) - 0.68) * 8, 0, 1)
    clear = rng.uniform(0.08, 0.4)
    through = np.clip(clear + (rng.uniform(0.5, 0.95) - clear) * rim, 0, 1)
    through = through + (0.9 - through) * shine
    tint = np.asarray(colours, np.float32) * rng.uniform(0.5, 1) + 60
    shown = tint * (1 - shine[..., None]) + 255 * shine[..., None]
    return Image.fromarray(np.uint8(np.clip(shown, 0, 255))), Image.fromarray(np.uint8(solid * through * 255))


def _smoke(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    w, h = size
    dense = _noise(rng, size, (4, 4)) * 0.55 + _noise(rng, size, (9, 9)) * 0.3 + _noise(rng, size, (22, 22)) * 0.15
    y, x = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
    envelope = np.clip(1.15 - np.hypot(x, y), 0, 1) ** rng.uniform(0.7, 1.5)
    return Image.fromarray(np.uint8(255 * np.clip((dense - 0.3) * rng.uniform(2, 4) * envelope, 0, 1)))


def _grass(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """Blades, wide at their roots, that lean and bend."""
    w, h = size
    count = int(rng.integers(40, 320))
    roots = np.stack([rng.normal(w / 2, w * rng.uniform(0.06, 0.3), count), np.full(count, h * 1.0)], 1)
    paths = _curves(
        rng, roots, rng.normal(-np.pi / 2, rng.uniform(0.1, 0.5), count), h * rng.uniform(0.3, 1, count), 0.08
    )
    return _blades(rng, size, paths, rng.uniform(2, 9))


def _twigs(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """A few branches that fork, with leaves."""
    w, h = size
    roots = np.stack([rng.uniform(0.3, 0.7, 3) * w, np.full(3, h * 1.0)], 1)
    level = _curves(rng, roots, rng.normal(-np.pi / 2, 0.35, 3), h * rng.uniform(0.6, 0.95, 3), 0.06)
    canvas = Image.new("L", (2 * w, 2 * h))
    draw = ImageDraw.Draw(canvas)
    width = rng.uniform(4, 12)
    leafy = rng.random() < 0.7
    for _ in range(3):
        for path in level:
            draw.line((2 * path).ravel().tolist(), fill=255, width=max(1, round(width)), joint="curve")
        at = rng.integers(3, level.shape[1], (len(level), 5))
        starts = level[np.arange(len(level))[:, None], at].reshape(-1, 2)
        towards = np.arctan2(*(level[:, -1] - level[:, 0]).T[::-1]).repeat(5)
        level = _curves(
            rng,
            starts,
            towards + rng.choice([-1, 1], len(starts)) * rng.uniform(0.4, 1.0, len(starts)),
            h * rng.uniform(0.08, 0.3, len(starts)) * (width / 12 + 0.4),
            0.07,
        )
        width *= 0.5
    if leafy:
        long = rng.uniform(12, 46)
        slim = rng.uniform(0.2, 0.55)
        for path in level[rng.random(len(level)) < rng.uniform(0.4, 1)]:
            x, y = 2 * path[-1]
            turn = rng.uniform(0, 2 * np.pi)
            t = np.linspace(0, 2 * np.pi, 14)
            leaf = np.stack([long * (1 + np.cos(t)), long * slim * np.sin(t) * np.abs(np.sin(t / 2))], 1)
            rotate = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
            draw.polygon((leaf @ rotate + (x, y)).ravel().tolist(), fill=255)
    return canvas.resize(size, Image.Resampling.BOX)


def _blades(rng: np.random.Generator, size: tuple[int, int], paths: np.ndarray, width: float) -> Image.Image:
    canvas = Image.new("L", (2 * size[0], 2 * size[1]))
    draw = ImageDraw.Draw(canvas)
    along = np.gradient(paths, axis=1)
    normal = np.stack([-along[..., 1], along[..., 0]], 2) / np.maximum(
        np.linalg.norm(along, axis=2, keepdims=True), 1e-6
    )
    taper = (
        width * (1 - np.linspace(0, 1, paths.shape[1]) ** 2)[None, :, None] * rng.uniform(0.4, 1, (len(paths), 1, 1))
    )
    outline = np.concatenate([paths + normal * taper / 2, (paths - normal * taper / 2)[:, ::-1]], 1)
    for blade in 2 * outline:
        draw.polygon(blade.ravel().tolist(), fill=255)
    return canvas.resize(size, Image.Resampling.BOX)


def _net(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """A mesh, warped like cloth."""
    w, h = size
    y, x = np.mgrid[:h, :w].astype(np.float32)
    x += rng.uniform(5, 40) * (_noise(rng, size, (4, 4)) - 0.5) * 2
    y += rng.uniform(5, 40) * (_noise(rng, size, (4, 4)) - 0.5) * 2
    turn, step = rng.uniform(0, np.pi / 2), rng.uniform(7, 30)
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    thread = rng.uniform(0.8, 2.5)
    lines = [np.clip(thread / 2 + 0.5 - np.abs((t + step / 2) % step - step / 2), 0, 1) for t in (u, v)]
    outline = np.clip((_noise(rng, size, (3, 3)) - 0.35) * 30, 0, 1)
    return Image.fromarray(np.uint8(255 * np.maximum(*lines) * outline))


def _text(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    canvas = Image.new("L", (2 * size[0], 2 * size[1]))
    letters = "".join(rng.choice(list("ABCDEFGHKLMNPRSTabcdefghkmnoprstuwyz0123456789&?"), int(rng.integers(2, 7))))
    font = ImageFont.load_default(size=2 * size[0] / max(2, len(letters)) * 1.3)
    ImageDraw.Draw(canvas).text((size[0], size[1]), letters, fill=255, font=font, anchor="mm")
    return canvas.resize(size, Image.Resampling.BOX).rotate(rng.uniform(-25, 25), Image.Resampling.BICUBIC)


def _tinted(rng: np.random.Generator, texture: Image.Image, green: bool) -> Image.Image:
    if not green or rng.random() < 0.3:
        return texture
    grey = np.asarray(texture.convert("L"), np.float32)[..., None] / 255
    tone = np.float32([rng.uniform(30, 150), rng.uniform(90, 200), rng.uniform(20, 90)])
    return Image.fromarray(np.uint8(np.clip(tone * (0.45 + grey), 0, 255)))


def _noise(rng: np.random.Generator, size: tuple[int, int], cells: tuple[int, int]) -> np.ndarray:
    """(h, w) float32 in [0, 1]: random values on a grid of so many cells, joined smoothly."""
    grid = Image.fromarray(rng.random((cells[1] + 1, cells[0] + 1), np.float32))
    return np.clip(np.asarray(grid.resize(size, Image.Resampling.BICUBIC)), 0, 1)


def _motion(image: Image.Image, steps: int, angle: float) -> Image.Image:
    """Average of the picture shifted along a line, about 3 pixels a step."""
    total = np.zeros_like(np.asarray(image, np.float32))
    shifts = range(-steps, steps + 1)
    for k in shifts:
        shift = (1, 0, 3 * k * np.cos(angle), 0, 1, 3 * k * np.sin(angle))
        total += np.asarray(
            image.transform(image.size, Image.Transform.AFFINE, shift, Image.Resampling.BILINEAR), np.float32
        )
    return Image.fromarray(np.uint8(total / len(shifts)))
