"""The object's colours at soft edges, without the background that shows through.

Source: Germer et al. 2020, "Fast Multi-Level Foreground Estimation". This is the algorithm of pymatting's
`estimate_foreground_ml` in numpy: pymatting's kernels are compiled by numba, which does not survive a fork, needs a
writable folder for its cache, and takes seconds at the first call.

Large images are solved at a smaller size, because Mask-to-Matte's frame gives their alphas no finer detail; one last
step at full size fits the colours to each pixel.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageFilter

from mam.images.boxes import mask_bounds, pad_box
from mam.images.resize import downsample, to_uint8

_LARGE = 1536  # pixels of the longest side, above which images are solved at a smaller size
_SOLVED = 768  # their longest side then
_ROWS = 256  # that are fitted at a time, to save memory
_BILINEAR = Image.Resampling.BILINEAR
_CONTEXT = 16  # pixels around soft edges from which the edges' colours are estimated
_REGULARIZATION = np.float32(1e-5)
_SMALL_SIDE, _SMALL_ITERATIONS, _ITERATIONS = 32, 10, 2
_DENSE_PIXELS = 1 << 16  # larger levels are solved only near soft edges
_NEAR = 5  # side of the window that defines "near", in pixels of a level


def foreground_colours(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Estimate the object's colours without the background that shows through at soft edges.

    Args:
        pixels: (H, W, 3) uint8 RGB, the image.
        alpha: (H, W) float32 in [0, 1].

    Returns:
        (H, W, 3) uint8; the image's own pixels where alpha is 0 or 1.
    """
    alpha = to_uint8(alpha)  # as it is stored; fainter than that, nothing is to be cleaned
    soft = (alpha > 0) & (alpha < 255)
    bounds = mask_bounds(soft)
    if bounds is None:
        return pixels
    # Colours are unknown only where alpha is fractional; they are estimated from the pixels around.
    x0, y0, x1, y1 = pad_box(bounds, _CONTEXT, (alpha.shape[0], alpha.shape[1]))
    window = slice(y0, y1), slice(x0, x1)
    image, alpha, soft = pixels[window], alpha[window], soft[window]
    longest = _SOLVED if max(image.shape) > _LARGE else _LARGE
    small = downsample(image, longest), downsample(alpha, longest)
    front, back = (to_uint8(layer) for layer in _estimate(*(values / np.float32(255) for values in small)))
    colours = pixels.copy()
    if longest == _LARGE:
        colours[window][soft] = front[soft]
        return colours
    h, w = soft.shape
    front, back = (np.asarray(Image.fromarray(layer).resize((w, h), _BILINEAR)) for layer in (front, back))
    for top in range(0, h, _ROWS):
        y, x = soft[top : top + _ROWS].nonzero()
        y += top
        a, *around = (
            alpha[rows, columns] / np.float32(255)
            for rows, columns in (
                (y, x),
                (np.maximum(y - 1, 0), x),
                (np.minimum(y + 1, h - 1), x),
                (y, np.maximum(x - 1, 0)),
                (y, np.minimum(x + 1, w - 1)),
            )
        )
        weight = sum((np.abs(a - neighbour) for neighbour in around), np.zeros_like(a))
        colours[window][y, x] = _fit(image[y, x], a, weight, front[y, x], back[y, x])
    return colours


def _fit(image: np.ndarray, alpha: np.ndarray, weight: np.ndarray, front: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Return the F of N pixels for which alpha F + (1 - alpha) B is nearest to the image, and F and B to an estimate.

    It is one step of `_relax`, with the estimate in place of the neighbours.

    Args:
        image: (N, 3) uint8.
        alpha: (N,) float32 in [0, 1].
        weight: (N,) float32, of the estimate.
        front: (N, 3) uint8, the estimate of F.
        back: (N, 3) uint8, the estimate of B.

    Returns:
        (N, 3) uint8.
    """
    a = alpha[:, None]
    missing = image - a * front - (1 - a) * back
    return (np.clip(front + a / (a * a + (1 - a) ** 2 + weight[:, None]) * missing, 0, 255) + 0.5).astype(np.uint8)


def _estimate(image: np.ndarray, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Estimate F and B of (h, w, 3) float32 in [0, 1] from coarse to fine; they are exact only near soft alphas."""
    height, width = alpha.shape
    front, back = _mean_colour(image, alpha > 0.9), _mean_colour(image, alpha < 0.1)
    levels = math.ceil(math.log2(max(width, height, 2)))
    for level in range(levels + 1):
        w, h = (round(side ** (level / levels)) for side in (width, height))
        image_here, alpha_here = _resize_nearest(image, h, w), _resize_nearest(alpha, h, w)
        front, back = _resize_nearest(front, h, w), _resize_nearest(back, h, w)
        iterations = _SMALL_ITERATIONS if max(h, w) <= _SMALL_SIDE else _ITERATIONS
        if h * w <= _DENSE_PIXELS:
            wanted = np.ones((h, w), bool)
        else:
            soft = Image.fromarray((alpha_here > 0) & (alpha_here < 1)).convert("L")
            wanted = np.asarray(soft.filter(ImageFilter.MaxFilter(_NEAR))) > 0
            front = np.where((alpha_here == 1)[..., None], image_here, front)
            back = np.where((alpha_here == 0)[..., None], image_here, back)
        _relax(image_here, alpha_here, front, back, wanted, iterations)
    return front, back


def _relax(
    image: np.ndarray, alpha: np.ndarray, front: np.ndarray, back: np.ndarray, wanted: np.ndarray, iterations: int
) -> None:
    """Improve `front` and `back`, (h, w, 3), in place: at the wanted pixels, by red-black Gauss-Seidel iterations.

    At each pixel, alpha F + (1 - alpha) B should be the image, and F and B should equal those of the four neighbours,
    the more so the more alpha differs there.
    """
    h, w = alpha.shape
    rows, columns = wanted.nonzero()
    alpha, image = alpha.reshape(-1), image.reshape(-1, 3)
    front, back = front.reshape(-1, 3), back.reshape(-1, 3)  # views, as both are contiguous
    systems = []
    for colour in (0, 1):
        chosen = (rows + columns) % 2 == colour
        y, x = rows[chosen], columns[chosen]
        here = y * w + x
        around = [
            np.maximum(y - 1, 0) * w + x,
            np.minimum(y + 1, h - 1) * w + x,
            y * w + np.maximum(x - 1, 0),
            y * w + np.minimum(x + 1, w - 1),
        ]
        a = alpha[here]
        weights = [_REGULARIZATION + np.abs(a - alpha[there]) for there in around]
        total = weights[0] + weights[1] + weights[2] + weights[3]
        a00, a01, a11 = a * a + total, a * (1 - a), (1 - a) ** 2 + total
        systems.append((here, around, [v[:, None] for v in (a, a00, a01, a11, a00 * a11 - a01 * a01, *weights)]))
    for _ in range(iterations):
        for here, around, (a, a00, a01, a11, determinant, *weights) in systems:
            b0, b1 = a * image[here], (1 - a) * image[here]
            for there, weight in zip(around, weights, strict=True):
                b0 += weight * front[there]
                b1 += weight * back[there]
            front[here] = np.clip((a11 * b0 - a01 * b1) / determinant, 0, 1)
            back[here] = np.clip((a00 * b1 - a01 * b0) / determinant, 0, 1)


def _mean_colour(image: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Mean of the pixels at `where`, black if there are none, (1, 1, 3)."""
    return (image[where].sum(0) / max(1, where.sum())).astype(np.float32).reshape(1, 1, 3)


def _resize_nearest(values: np.ndarray, h: int, w: int) -> np.ndarray:
    rows = np.arange(h) * values.shape[0] // h
    columns = np.arange(w) * values.shape[1] // w
    return values[rows[:, None], columns]
