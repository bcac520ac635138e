"""Thin curved shapes for synthetic alpha: strands of hair, fur and feathers on a contour, and blades of grass."""

from __future__ import annotations

from typing import Literal

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter
from scipy import ndimage

Strand = Literal["hair", "fur", "feathers"]


def add_strands(
    rng: np.random.Generator, colours: Image.Image, alpha: Image.Image, kind: Strand
) -> tuple[Image.Image, Image.Image]:
    """Grow curved strands out of a contour, coloured like the object at their roots.

    Args:
        rng: source of all randomness.
        colours: RGB of the object, continued beyond its edge.
        alpha: "L", of the same size.
        kind: long hair on one side; short fur, mostly all round; or feathers, with strands on both sides of a quill.

    Returns:
        RGB and alpha with the strands drawn in; both unchanged if there is hardly any contour.
    """
    contour = _find_contour(rng, alpha, one_sided=kind == "hair")
    if contour is None:
        return colours, alpha
    xs, ys, outward = contour
    count, length, width, curl = _draw_shape(rng, kind, len(ys))
    root = rng.integers(len(ys), size=count)
    start = np.stack([xs[root], ys[root]], 1).astype(float)
    headings = outward[root] + rng.normal(0, 0.3, count)
    paths = grow_curves(rng, start, headings, length * rng.uniform(0.3, 1.2, count), curl)
    if kind == "feathers":
        paths = np.concatenate([paths, *_grow_barbs(rng, paths)])
        root = np.concatenate([root, np.tile(root, (len(paths) - count) // count)])

    # Colours are taken a little inside the contour, where they are the object's own.
    inner = np.stack([xs[root] - 7 * np.cos(outward[root]), ys[root] - 7 * np.sin(outward[root])], 1).astype(int)
    inner = np.clip(inner, 0, (alpha.width - 1, alpha.height - 1))
    tones = np.asarray(colours)[inner[:, 1], inner[:, 0]] * rng.uniform(0.75, 1.25, (len(root), 1))
    return _draw_strands(rng, colours, alpha, paths, np.clip(tones, 0, 255).astype(int), width)


def grow_curves(
    rng: np.random.Generator, start: np.ndarray, heading: np.ndarray, length: np.ndarray, curl: float, steps: int = 12
) -> np.ndarray:
    """Paths (N, steps, 2) that bend evenly and waver; each begins 4 pixels behind its start.

    Args:
        rng: source of all randomness.
        start: (N, 2), x and y in pixels.
        heading: (N,) radians at the start.
        length: (N,) pixels.
        curl: standard deviation of the turn per step, radians.
        steps: points per path.
    """
    n = len(start)
    turns = rng.normal(0, curl, (n, 1)) + rng.normal(0, curl / 2, (n, steps)).cumsum(1) / 3
    angles = heading[:, None] + turns.cumsum(1)
    moves = (length / steps)[:, None, None] * np.stack([np.cos(angles), np.sin(angles)], 2)
    inside = 4 * np.stack([np.cos(heading), np.sin(heading)], 1)
    return (start - inside)[:, None] + moves.cumsum(1)


def draw_blades(rng: np.random.Generator, size: tuple[int, int], paths: np.ndarray, width: float) -> Image.Image:
    """Alpha, "L" of `size`, of blades along paths (N, steps, 2) that narrow from `width` pixels to nothing."""
    canvas = Image.new("L", (2 * size[0], 2 * size[1]))
    draw = ImageDraw.Draw(canvas)
    along = np.gradient(paths, axis=1)
    lengths = np.linalg.norm(along, axis=2, keepdims=True)
    normal = np.stack([-along[..., 1], along[..., 0]], 2) / np.maximum(lengths, 1e-6)
    taper = width * (1 - np.linspace(0, 1, paths.shape[1]) ** 2)[None, :, None]
    taper = taper * rng.uniform(0.4, 1, (len(paths), 1, 1))
    outlines = np.concatenate([paths + normal * taper / 2, (paths - normal * taper / 2)[:, ::-1]], 1)
    for blade in 2 * outlines:
        draw.polygon(blade.ravel().tolist(), fill=255)
    return canvas.resize(size, Image.Resampling.BOX)


def _find_contour(
    rng: np.random.Generator, alpha: Image.Image, one_sided: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Pixels x, y of a contour and the direction that strands grow in there; None if there are too few.

    The directions point outward, pulled more or less towards one common direction, as if combed.
    """
    mask = np.asarray(alpha.filter(ImageFilter.GaussianBlur(3)), np.float32) / 255
    smooth = ndimage.gaussian_filter(mask, 3)
    gy, gx = np.gradient(smooth, axis=0), np.gradient(smooth, axis=1)
    ys, xs = np.nonzero((mask > 0.3) & (mask < 0.7))
    if len(ys) < 20:
        return None
    if one_sided or rng.random() < 0.3:
        angle = rng.uniform(0, 2 * np.pi)
        order = np.argsort(xs * np.cos(angle) + ys * np.sin(angle))[: max(20, len(xs) * int(rng.integers(2, 8)) // 10)]
        ys, xs = ys[order], xs[order]
    outward = np.arctan2(-gy[ys, xs], -gx[ys, xs])
    comb, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.7)
    return xs, ys, np.angle((1 - strength) * np.exp(1j * outward) + strength * np.exp(1j * comb))


def _draw_shape(rng: np.random.Generator, kind: Strand, contour: int) -> tuple[int, float, float, float]:
    """Random count, length and width in pixels, and curl of strands on a contour of so many pixels."""
    if kind == "fur":
        count = int(min(2600, contour * rng.uniform(0.8, 2.5)))
        return count, rng.uniform(8, 36), rng.uniform(0.7, 1.8), 0.05
    if kind == "hair":
        count, length = int(min(1500, contour * rng.uniform(0.15, 1.6))), np.exp(rng.uniform(np.log(20), np.log(130)))
        return count, float(length), rng.uniform(0.5, 2.2), rng.uniform(0.01, 0.09)
    return int(rng.integers(8, 40)), rng.uniform(30, 110), rng.uniform(1.2, 2.5), 0.02


def _grow_barbs(rng: np.random.Generator, quills: np.ndarray) -> list[np.ndarray]:
    """Short strands on both sides of each quill: for each place along it, paths of all quills."""
    along = np.gradient(quills, axis=1)
    heading: np.ndarray = np.arctan2(along[..., 1], along[..., 0])
    lengths: np.ndarray = np.hypot(*along.transpose(2, 0, 1)).sum(1)
    barbs = []
    for place in np.linspace(2, quills.shape[1] - 1, 18):
        k = int(place)
        for side in (-1, 1):
            turned = heading[:, k] + side * rng.uniform(0.5, 0.9)
            reach = lengths * 0.3 * np.sin(np.pi * (k + 1) / (quills.shape[1] + 1)) * rng.uniform(0.7, 1.2, len(quills))
            barbs.append(grow_curves(rng, quills[:, k], turned, reach, 0.03))
    return barbs


def _draw_strands(
    rng: np.random.Generator,
    colours: Image.Image,
    alpha: Image.Image,
    paths: np.ndarray,
    tones: np.ndarray,
    width: float,
) -> tuple[Image.Image, Image.Image]:
    """Draw strands along (N, steps, 2) paths in (N, 3) RGB tones; they get thinner towards their ends."""
    fine = Image.new("L", (2 * alpha.width, 2 * alpha.height))
    thick = colours.copy()
    draw_alpha, draw_colour = ImageDraw.Draw(fine), ImageDraw.Draw(thick)
    opacities, widths = rng.integers(110, 256, len(paths)), 2 * width * rng.uniform(0.5, 1.4, len(paths))
    for path, (r, g, b), opacity, w in zip(paths, tones.tolist(), opacities.tolist(), widths.tolist(), strict=True):
        half = len(path) // 2
        draw_alpha.line((2 * path[: half + 1]).ravel().tolist(), fill=opacity, width=max(1, round(w)))
        draw_alpha.line((2 * path[half:]).ravel().tolist(), fill=opacity, width=max(1, round(w * 0.6)))
        draw_colour.line(path.ravel().tolist(), fill=(r, g, b), width=max(2, round(w)))
    fine = fine.resize(alpha.size, Image.Resampling.BOX)
    return thick, ImageChops.lighter(alpha.filter(ImageFilter.GaussianBlur(0.8)), fine)
