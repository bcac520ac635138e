"""The mask decoder's answer to one prompt."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from mam.images.boxes import Patch, PixelBox
from mam.model.frames import Frame

_UNCERTAIN = 2.0  # absolute value of a logit
_BIAS, _OF_SCORE, _OF_UNCERTAIN, _WITHOUT_MASK = 11.69, -14.59, 3.71, -2.23  # of the regression
_DOUBTFUL = 0.3


@dataclass(frozen=True, eq=False)
class Segment:
    """The mask decoder's answer to one prompt.

    Attributes:
        stored_mask: the chosen candidate, original frame.
        chosen: its index, 0 to 3.
        logits: (256, 256) float32 of the chosen candidate, in the input frame of `frame`.
        low_res_masks: (4, 256, 256) float16, the same of all candidates.
        scores: (4,) float32 in [0, 1], the predicted IoU of each of these masks.
        frame: the part of the original image that was encoded, and its place in the input frame.
        points: (N, 2) clicks and points of scribbles that were answered, x and y in pixels of the original image.
        labels: (N,) 1 foreground, 0 background.
        from_mask: whether the decoder started from a mask, an earlier answer's or a given one; its logits are then
            farther from zero.
    """

    stored_mask: Patch
    chosen: int
    logits: np.ndarray
    low_res_masks: np.ndarray
    scores: np.ndarray
    frame: Frame
    points: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    labels: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    from_mask: bool = field(default=False, kw_only=True)

    @classmethod
    def of(
        cls,
        mask: np.ndarray,
        chosen: int,
        low_res_masks: np.ndarray,
        scores: np.ndarray,
        frame: Frame,
        points: np.ndarray | None = None,
        labels: np.ndarray | None = None,
    ) -> Segment:
        """Store an (H, W) bool mask and the others as above; logits of any float type."""
        logits = low_res_masks[chosen].astype(np.float32)
        answer = cls(Patch.of(mask), chosen, logits, low_res_masks.astype(np.float16), scores, frame)
        return answer if points is None or labels is None else replace(answer, points=points, labels=labels)

    @property
    def crop(self) -> PixelBox:
        """(x0, y0, x1, y1), the part of the original image that was encoded."""
        return self.frame.box

    @property
    def mask(self) -> np.ndarray:
        """(H, W) bool, the chosen candidate, original frame; a new array each time."""
        return self.stored_mask.full()

    @property
    def is_empty(self) -> bool:
        """Whether the mask has no pixel."""
        return self.stored_mask.values.size == 0

    @property
    def nbytes(self) -> int:
        """Memory that the masks take."""
        return self.stored_mask.nbytes + self.logits.nbytes + self.low_res_masks.nbytes

    def __repr__(self) -> str:
        return f"Segment(candidate {self.chosen}, score {self.score:.2f}, {self.mask.mean():.1%} of the image)"

    @property
    def score(self) -> float:
        """Predicted IoU of the chosen candidate."""
        return float(self.scores[self.chosen])

    @property
    def doubt(self) -> float:
        """The estimated probability that the mask's IoU with the object is under 0.8.

        It is computed from the score, from how much of the mask is uncertain, with logits under 2 on either side of
        the edge, and from `from_mask`. Logistic regression on 1,022 answers to boxes, clicks and no prompt on 333
        photographs; fitted to `tiny`.
        """
        h, w = map(math.ceil, self.frame.mask_size)
        logits = self.logits[:h, :w]
        uncertain = (np.abs(logits) < _UNCERTAIN).sum() / max(1, (logits > 0).sum())
        bias = _BIAS if self.from_mask else _BIAS + _WITHOUT_MASK
        return float(1 / (1 + np.exp(-(bias + _OF_SCORE * self.score + _OF_UNCERTAIN * uncertain))))

    @property
    def is_doubtful(self) -> bool:
        """Whether a person should look at the mask."""
        return self.is_empty or self.doubt > _DOUBTFUL
