"""From the map of a name to boxes: one per connected region around a peak."""

from __future__ import annotations

import numpy as np
from PIL import Image

from mam.images.boxes import mask_bounds
from mam.masks.components import label_regions
from mam.text.boxes import FoundBox

_STEP = 4  # places per place of the map, in both directions
_EXTENT = 0.1  # a region ends where the probability falls below this share of the map's peak


def boxes_of(logs: np.ndarray, name: str, size: tuple[int, int], *, threshold: float) -> tuple[list[FoundBox], float]:
    """Find the objects of a name.

    Args:
        logs: (h, w) float32, the logarithm of the probability at each place of the image.
        name: the phrase of the boxes.
        size: (H, W) of the image.
        threshold: regions with a peak up to this probability are left out.

    Returns:
        The boxes, best first, with the probabilities at their peaks as scores; and the map's peak.
    """
    h, w = logs.shape
    fine = Image.fromarray(logs.astype(np.float32)).resize((_STEP * w, _STEP * h), Image.Resampling.BILINEAR)
    probability = np.exp(np.asarray(fine))
    peak = float(probability.max())
    regions = label_regions(probability >= _EXTENT * peak)
    scale = np.array([size[1] / (_STEP * w), size[0] / (_STEP * h)] * 2)
    found = []
    for number in range(1, regions.max() + 1):
        region = regions == number
        bounds, inside = mask_bounds(region), np.where(region, probability, 0)
        row, column = np.unravel_index(inside.argmax(), inside.shape)
        score = float(inside[row, column])
        if bounds is not None and score > threshold:
            x0, y0, x1, y1 = (np.array(bounds) * scale).tolist()
            point = (float(column) + 0.5) * scale[0], (float(row) + 0.5) * scale[1]
            found.append(FoundBox((x0, y0, x1, y1), score, name, (float(point[0]), float(point[1]))))
    return sorted(found, key=lambda box: -box.score), peak
