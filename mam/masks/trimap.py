"""Better mattes by another network: make a trimap from an alpha, and let the network compute what is unknown in it."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from mam.images.boxes import PixelBox, mask_bounds
from mam.images.resize import to_uint8
from mam.masks.crops import place_on_canvas
from mam.model.frames import SIDE, Frame
from mam.model.matte_network import BACKGROUND, FOREGROUND, UNKNOWN, MatteNetwork

_MARGIN = 0.1  # space around the object, as a fraction of its longest side
_FAINT = 3  # of 255; an alpha that is nearer to 0 and 1 is not soft
_LEAST = 7  # side of the window, in pixels, in which everything around a soft pixel is unknown
_RADII = (8, 16, 32)  # of the larger windows
_PART = 1 / 3  # of a larger window that has to be soft


def refine_edges(
    network: MatteNetwork, alpha: np.ndarray, pixels: np.ndarray, mask: np.ndarray, unknown: np.ndarray
) -> np.ndarray:
    """Compute an alpha again, in a crop around the object: its uncertain parts by ViTMatte, all of it by SEMat.

    Args:
        network: that computes it.
        alpha: (H, W) float32 in [0, 1].
        pixels: (H, W, 3) uint8, the image.
        mask: (H, W) bool, the mask that the alpha was made from.
        unknown: (H, W) bool, pixels to compute again in any case.

    Returns:
        (H, W) float32 in [0, 1]; `alpha` itself if the network cannot answer its trimap.
    """
    h, w = alpha.shape
    bounds = mask_bounds((to_uint8(alpha) > 0) | mask | unknown)
    if bounds is None:
        return alpha
    crop = x0, y0, x1, y1 = _surround(bounds, (h, w))
    part = slice(y0, y1), slice(x0, x1)
    size = Frame.of(crop).input_size
    trimap = make_trimap(*(_resize(values[part].astype(np.float32), size) for values in (alpha, mask, unknown)))
    found = network.run(np.ascontiguousarray(pixels[part]), trimap)
    if found is None:
        return alpha
    return place_on_canvas(_resize(found, (y1 - y0, x1 - x0)), crop, (h, w))


def make_trimap(alpha: np.ndarray, mask: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    """Make a trimap whose unknown band is wider where the edge is softer.

    A pixel is soft if its alpha is neither 0 nor 1, or if it lies beside a hard edge. The pixels around soft ones are
    unknown. So is the centre of a larger window if a third of the window is soft, as in hair, or contradicts the mask,
    which has a quarter of the resolution.

    Args:
        alpha: (h, w) float32 in [0, 1].
        mask: (h, w) float32 in [0, 1], the mask that the alpha was made from.
        unknown: (h, w) float32; pixels above 0 are unknown in any case.

    Returns:
        (h, w) uint8: `BACKGROUND`, `UNKNOWN` or `FOREGROUND`.
    """
    image = Image.fromarray(to_uint8(alpha))
    contrast = np.asarray(image.filter(ImageFilter.MaxFilter(3))) - np.asarray(image.filter(ImageFilter.MinFilter(3)))
    soft = (np.abs(alpha - 0.5) <= 0.5 - _FAINT / 255) | (contrast > 127)
    near = Image.fromarray(soft).convert("L").filter(ImageFilter.MaxFilter(_LEAST))
    is_unknown = (np.asarray(near) > 0) | (unknown > 0)
    around = _RADII[-1]
    # The filter would repeat its last pixels beyond the image.
    padded = Image.fromarray(np.pad(soft | (np.abs(alpha - mask) > 0.5), around, "symmetric")).convert("L")
    for radius in _RADII:
        windows = np.asarray(padded.filter(ImageFilter.BoxBlur(radius)))
        is_unknown |= windows[around:-around, around:-around] > _PART * 255
    known = np.where(alpha > 0.5, FOREGROUND, BACKGROUND)
    return np.where(is_unknown, UNKNOWN, known).astype(np.uint8)


def _surround(bounds: PixelBox, size: tuple[int, int]) -> PixelBox:
    """Return a box around an object, moved to lie inside an image of this (H, W).

    Small objects get the pixels around them rather than being enlarged.
    """
    x0, y0, x1, y1 = bounds
    side = max(SIDE, round(max(x1 - x0, y1 - y0) * (1 + 2 * _MARGIN)))
    (left, right), (top, bottom) = (
        (start := max(0, min((low + high - side) // 2, length - side)), min(length, start + side))
        for low, high, length in ((x0, x1, size[1]), (y0, y1, size[0]))
    )
    return left, top, right, bottom


def _resize(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize (h, w) float32 bilinearly."""
    return np.asarray(Image.fromarray(values).resize(size[::-1], Image.Resampling.BILINEAR))
