"""SAM's answer to one prompt, before it becomes a matte."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Segment:
    """SAM's answer to one prompt.

    Attributes:
        mask: (H, W) bool, the chosen candidate in the original frame.
        chosen: its index, 0 to 3.
        low_res_masks: (4, 256, 256) float32 logits of all candidates, in the input frame of `crop`.
        scores: (4,) float32, the IoU that SAM predicts for each.
        crop: (x0, y0, x1, y1), the part of the original picture that was looked at.
    """

    mask: np.ndarray
    chosen: int
    low_res_masks: np.ndarray
    scores: np.ndarray
    crop: tuple[int, int, int, int]

    @property
    def logits(self) -> np.ndarray:
        """(256, 256) float32 of the chosen candidate, in the input frame of `crop`."""
        return self.low_res_masks[self.chosen]

    @property
    def score(self) -> float:
        """Predicted IoU of the chosen candidate."""
        return float(self.scores[self.chosen])
