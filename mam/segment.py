"""The mask decoder's answer to one prompt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Segment:
    """The mask decoder's answer to one prompt.

    Attributes:
        mask: (H, W) bool, the chosen candidate, original frame.
        chosen: its index, 0 to 3.
        low_res_masks: (4, 256, 256) float32 logits of all candidates, in the input frame of `crop`.
        scores: (4,) float32 in [0, 1], the predicted IoU of each of these masks.
        crop: (x0, y0, x1, y1), the part of the original image that was encoded.
    """

    mask: np.ndarray
    chosen: int
    low_res_masks: np.ndarray
    scores: np.ndarray
    crop: tuple[int, int, int, int]

    def __repr__(self) -> str:
        return f"Segment(candidate {self.chosen}, score {self.score:.2f}, {self.mask.mean():.1%} of the image)"

    @property
    def logits(self) -> np.ndarray:
        """(256, 256) float32 of the chosen candidate, in the input frame of `crop`."""
        return self.low_res_masks[self.chosen]

    @property
    def score(self) -> float:
        """Predicted IoU of the chosen candidate."""
        return float(self.scores[self.chosen])
