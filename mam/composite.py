"""From a picture and its alpha to what people want: clean foreground colours, cut-outs, new backgrounds."""

from __future__ import annotations

import functools
import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor, ImageFilter, ImageOps

from mam.boxes import mask_bounds, padded_box
from mam.errors import InputError

Background = str | Sequence[int] | np.ndarray | Image.Image

_CONTEXT = 16  # pixels around soft edges that their colours are estimated from


@functools.cache
def _estimator() -> Callable[..., np.ndarray]:
    """Pymatting's `estimate_foreground_ml`, from its own file.

    `import pymatting` compiles every algorithm of the package, which takes a minute on a fresh machine; this one takes a few
    seconds, once, and only when colours are first wanted.
    """
    package = importlib.util.find_spec("pymatting")
    file = Path(package.origin).parent / "foreground" / "estimate_foreground_ml.py"
    spec = importlib.util.spec_from_file_location(f"{__name__}_pymatting", file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.estimate_foreground_ml


def foreground_colours(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The object's own colours, without the old background that shines through at its edges.

    Args:
        pixels: (H, W, 3) uint8.
        alpha: (H, W) float32 in [0, 1].

    Returns:
        (H, W, 3) uint8; where alpha is 1 the picture's pixels, where it is 0 the picture's pixels too.

    Source: Germer et al. 2020, "Fast Multi-Level Foreground Estimation", in pymatting.
    """
    soft = (alpha > 0) & (alpha < 1)
    bounds = mask_bounds(soft)
    if bounds is None:
        return pixels
    # Colours are only unknown where alpha is fractional; some pixels around it are what they are estimated from.
    x0, y0, x1, y1 = padded_box(bounds, _CONTEXT, alpha.shape)
    window = slice(y0, y1), slice(x0, x1)
    part = _estimator()(pixels[window] / 255.0, alpha[window].astype(np.float64))
    colours = pixels.copy()
    estimated = np.uint8(np.clip(part, 0, 1) * 255 + 0.5)
    colours[window] = np.where(soft[window][..., None], estimated, pixels[window])
    return colours


def to_uint8(alpha: np.ndarray) -> np.ndarray:
    """Floats in [0, 1] -> uint8, rounded."""
    return (alpha * 255 + 0.5).astype(np.uint8)


def shrunk(pixels: np.ndarray, longest: int) -> np.ndarray:
    """An image or an alpha with at most `longest` pixels on its longest side, averaged; unchanged if it is small enough.

    Args:
        pixels: (H, W), (H, W, 3) or (H, W, 4) uint8, or (H, W) float32.
        longest: in pixels.
    """
    h, w = pixels.shape[:2]
    scale = longest / max(h, w)
    if scale >= 1:
        return pixels
    size = max(1, round(w * scale)), max(1, round(h * scale))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))


def over(foreground: np.ndarray, alpha: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Lay (H, W, 3) uint8 colours with (H, W) alpha over (H, W, 3) uint8 -> (H, W, 3) uint8."""
    a = alpha[..., None].astype(np.float32)
    return np.uint8(foreground * a + background * (1 - a) + 0.5)


def background_pixels(
    background: Background,
    size: tuple[int, int],
    *,
    whole: bool = False,
    centre: tuple[float, float] = (0.5, 0.5),
) -> np.ndarray:
    """A background of (H, W) as (H, W, 3) uint8.

    Args:
        background: a colour ("white", "#20a0ff", (32, 160, 255)), or a picture (PIL or (h, w, 3) uint8), which is scaled to
            cover the size and cut.
        size: (H, W).
        whole: show the whole picture instead, on a blurred copy of itself.
        centre: where the picture is cut, or where it stands: (x, y) from 0, left or top, to 1.

    Raises:
        InputError: neither a colour nor a picture.
    """
    h, w = size
    if isinstance(background, Image.Image) or (isinstance(background, np.ndarray) and background.ndim == 3):
        picture = background if isinstance(background, Image.Image) else Image.fromarray(background)
        picture = picture.convert("RGB")
        covering = ImageOps.fit(picture, (w, h), Image.Resampling.LANCZOS, centering=centre)
        if whole:
            scale = min(w / picture.width, h / picture.height)
            size_in = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
            inner = picture.resize(size_in, Image.Resampling.LANCZOS)
            covering = covering.filter(ImageFilter.GaussianBlur(max(w, h) / 40))
            covering.paste(inner, (round((w - inner.width) * centre[0]), round((h - inner.height) * centre[1])))
        return np.asarray(covering)
    return np.broadcast_to(np.uint8(_colour(background)), (h, w, 3))


def gradient(top: str | Sequence[int], bottom: str | Sequence[int], size: tuple[int, int]) -> np.ndarray:
    """One colour that turns into another from top to bottom, (H, W, 3) uint8.

    Raises:
        InputError: one of them is no colour.
    """
    h, w = size
    share = np.linspace(0, 1, h)[:, None]
    column = np.asarray(_colour(top)) * (1 - share) + np.asarray(_colour(bottom)) * share
    return np.broadcast_to(np.uint8(column + 0.5)[:, None], (h, w, 3))


def _colour(colour: str | Sequence[int]) -> tuple[int, ...]:
    try:
        values = ImageColor.getrgb(colour)[:3] if isinstance(colour, str) else tuple(map(int, colour))
        if len(values) != 3 or not all(0 <= v <= 255 for v in values):
            raise ValueError("three values from 0 to 255 are needed")
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the background {colour!r} is neither a picture nor a colour ({error}); "
            "expected a name like 'white', a code like '#20a0ff', three values 0..255, or a picture."
        ) from None
    return values


def shadowed(background: np.ndarray, alpha: np.ndarray, strength: float = 0.5) -> np.ndarray:
    """A background with the object's soft shadow on it, a little to the right and below.

    Args:
        background: (H, W, 3) uint8.
        alpha: (H, W) float32.
        strength: 0 for none, 1 for black.
    """
    h, w = alpha.shape
    reach = 0.02 * max(h, w)
    cast = Image.new("L", (w, h))
    cast.paste(Image.fromarray(np.uint8(alpha * 255 + 0.5)), (round(reach / 2), round(reach)))
    dark = np.asarray(cast.filter(ImageFilter.GaussianBlur(reach)), np.float32)[..., None] / 255
    return np.uint8(background * (1 - strength * dark) + 0.5)


def together(alphas: Sequence[np.ndarray]) -> np.ndarray:
    """One alpha of several objects of a picture, each (H, W) float32: opaque where one of them is."""
    total = alphas[0]
    for alpha in alphas[1:]:
        total = total + alpha - total * alpha
    return total


def adjusted(alpha: np.ndarray, *, softness: float = 0.0, grow: float = 0.0) -> np.ndarray:
    """An alpha with other edges, (H, W) float32 in [0, 1].

    Args:
        alpha: (H, W) float32 in [0, 1].
        softness: from -1, hard, over 0, as it is, to 1, soft.
        grow: how far the edge moves out, or in if negative, in thousandths of the longest side.
    """
    longest = max(alpha.shape)
    reach = round(abs(grow) / 1000 * longest)
    if reach:
        alpha = _spread(alpha, reach) if grow > 0 else 1 - _spread(1 - alpha, reach)
    if softness > 0:
        image = Image.fromarray(np.uint8(alpha * 255 + 0.5)).filter(
            ImageFilter.GaussianBlur(softness * 0.006 * longest)
        )
        alpha = np.asarray(image, np.float32) / 255
    if softness < 0:
        alpha = np.clip((alpha - 0.5) / (1 + 0.95 * softness) + 0.5, 0, 1)
    return alpha


def _spread(values: np.ndarray, reach: int) -> np.ndarray:
    """The largest value within `reach` rows and columns of each pixel, by windows that double."""
    for axis in (0, 1):
        room = [(0, 0), (0, 0)]
        room[axis] = (reach, reach)
        running, width, wanted = np.moveaxis(np.pad(values, room, mode="edge"), axis, 0), 1, 2 * reach + 1
        while 2 * width <= wanted:
            running, width = np.maximum(running[:-width], running[width:]), 2 * width
        count = values.shape[axis]
        values = np.moveaxis(np.maximum(running[:count], running[wanted - width : wanted - width + count]), 0, axis)
    return values


def blurred(pixels: np.ndarray, alpha: np.ndarray, strength: float) -> np.ndarray:
    """The picture behind the object, out of focus; the object's own colours do not smear into it.

    Args:
        pixels: (H, W, 3) uint8.
        alpha: (H, W) float32.
        strength: radius in thousandths of the longest side; 10 is a gentle blur, 40 a strong one.
    """
    radius = strength / 1000 * max(alpha.shape)
    behind = np.dstack([pixels * (1 - alpha[..., None]), 255 * (1 - alpha)]) + 0.5
    soft = np.asarray(Image.fromarray(np.uint8(behind), "RGBA").filter(ImageFilter.GaussianBlur(radius)), np.float32)
    weight = soft[..., 3:] / 255
    # Deep inside the object nothing of the background is near; what is there is covered by the object anyway.
    return np.uint8(np.clip(np.where(weight > 0.02, soft[..., :3] / np.maximum(weight, 0.02), soft[..., :3]), 0, 255))


def checkerboard(size: tuple[int, int], cell: int | None = None) -> np.ndarray:
    """The usual sign for transparency, white and light grey squares.

    Args:
        size: (H, W).
        cell: side of a square in pixels; None for 1/64 of the longest side, at least 8.

    Returns:
        (H, W, 3) uint8.
    """
    cell = cell or max(8, max(size) // 64)
    rows, columns = np.indices(size) // cell
    return np.where(((rows + columns) % 2 == 0)[..., None], np.uint8([255] * 3), np.uint8([214] * 3))
