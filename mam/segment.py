"""`Segment`, the mask that SAM gives for one prompt and that a matte is refined from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Segment:
    """SAM's masks for one prompt, of which one is chosen.

    Attributes:
        mask: (H, W) bool, the chosen candidate in the original frame.
        chosen: index of the chosen candidate, 0 to 3.
        low_res_masks: (4, 256, 256) float32 logits of all candidates, in the input frame of `crop`.
        scores: (4,) float32, the IoU that SAM predicts for each candidate.
        crop: (x0, y0, x1, y1), the part of the original image that was encoded.
    """

    mask: np.ndarray
    chosen: int
    low_res_masks: np.ndarray
    scores: np.ndarray
    crop: tuple[int, int, int, int]

    @property
    def logits(self) -> np.ndarray:
        """Logits of the chosen candidate, (256, 256) float32, in the input frame of `crop`."""
        return self.low_res_masks[self.chosen]

    @property
    def score(self) -> float:
        """IoU that SAM predicts for the chosen candidate."""
        return float(self.scores[self.chosen])
