"""Make an alpha obey the clicks that it was computed for.

The mask already contradicts no click, but Mask-to-Matte may: it follows colours, and the clicked part can look like the
other side. So the part of the mask around such a click is set to what the click asks for.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

OPAQUE, CLEAR = 0.9, 0.1  # a foreground click asks for more than the first, a background click for less than the second
_SIMILAR = 28  # largest difference of a channel, of 255, within a part
_GRID = 256  # longest side in cells of the grid on which a part is found
_EDGE = 1.0  # radius in pixels of the blur at a part's edge


def obey_clicks(
    alpha: np.ndarray, pixels: np.ndarray, mask: np.ndarray, points: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """Correct the parts of an alpha that contradict clicks.

    The part of a click is connected and similar in colour to the clicked place; there, the alpha contradicts the click
    and the mask agrees with it. If the mask were not required to agree, a click beside an object of
    similar colour would take the object away.

    Args:
        alpha: (H, W) float32 in [0, 1].
        pixels: (H, W, 3) uint8, the image.
        mask: (H, W) bool, the mask that the alpha was made from.
        points: (N, 2) clicks, x and y in pixels of the image.
        labels: (N,) 1 foreground, 0 background; if clicks on one part contradict each other, the last one
            decides about the part, and the others only about their own pixels.

    Returns:
        (H, W) float32; `alpha` itself if it contradicts no click.
    """
    h, w = alpha.shape
    places = np.clip(points, 0, (w - 1, h - 1)).astype(int)
    clicks = list(zip(places.tolist(), labels.tolist(), strict=True))
    for (x, y), label in clicks:
        wrong = alpha < OPAQUE if label else alpha > CLEAR
        if not wrong[y, x]:
            continue
        part = _find_part(pixels, wrong & (mask == bool(label)), x, y)
        soft = Image.fromarray(part.astype(np.uint8) * 255).filter(ImageFilter.GaussianBlur(_EDGE))
        # The part itself is set entirely; the blur only softens its edge outwards.
        share = np.maximum(np.asarray(soft, np.float32) / 255, part)
        alpha = np.maximum(alpha, share) if label else np.minimum(alpha, 1 - share)
    for (x, y), label in clicks:  # a later click on the same part may have changed this pixel
        if alpha[y, x] < OPAQUE if label else alpha[y, x] > CLEAR:
            alpha[y, x] = label
    return alpha


def _find_part(pixels: np.ndarray, wrong: np.ndarray, x: int, y: int) -> np.ndarray:
    """(H, W) bool: the connected pixels around (x, y) that may be changed and are similar in colour."""
    h, w = wrong.shape
    near = pixels[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].reshape(-1, 3).mean(0)
    similar = wrong.copy()
    for channel in range(3):  # one by one, to save memory
        similar &= np.abs(pixels[..., channel] - np.float32(near[channel])) <= _SIMILAR
    similar[y, x] = True
    step = max(1, -(-max(h, w) // _GRID))
    rows, columns = -(-h // step), -(-w // step)
    padded = np.pad(similar, ((0, rows * step - h), (0, columns * step - w)))
    # A cell belongs to the part if half of it does, so that thin bridges do not connect one thing to the next.
    cells = padded.reshape(rows, step, columns, step).mean((1, 3)) >= 0.5
    part = np.zeros_like(cells)
    part[y // step, x // step] = cells[y // step, x // step] = True
    size = 0
    while size != (size := int(part.sum())):  # grow until nothing is added
        grown = Image.fromarray(part).convert("L").filter(ImageFilter.MaxFilter(3))
        part = (np.asarray(grown) > 0) & cells
    return np.repeat(np.repeat(part, step, 0), step, 1)[:h, :w] & similar
