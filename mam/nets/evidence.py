"""What the colours of a picture say about a mask: GrabCut's idea as a small network that mends SAM's masks.

A mask sorts the pixels into object and surroundings. What looks like the one or the other, wherever it lies, is evidence for
what the mask missed or took too much of; a few convolutions weigh it. Pixels that look alike are counted together in soft
bins, which each picture provides itself: some of its own pixels, evenly spread.

Source: after Rother, Kolmogorov and Blake 2004, "GrabCut".
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mam.variants import Evidence

_CLEAR = 16.0  # logits beyond it say no more


class ColourEvidence(nn.Module):
    """See the module's docstring.

    Args:
        config: sizes.
    """

    def __init__(self, config: Evidence) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.weigh = nn.Sequential(
            nn.Conv2d(4 + len(config.bins) + 3 + 2, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=2, dilation=2),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=4, dilation=4),
            nn.ReLU(),
            nn.Conv2d(width, 4, 3, padding=1),
        )
        nn.init.zeros_(self.weigh[-1].weight)  # masks start as they are
        nn.init.zeros_(self.weigh[-1].bias)

    def forward(self, mask: Tensor, quality: Tensor, picture: Tensor) -> Tensor:
        """Mend masks that are good enough to sort colours by.

        Args:
            mask: (B, 1, 4h, 4w) logits.
            quality: (B, 1), the IoU that SAM predicts; low ones, as of a click that could mean many things, stay as they are.
            picture: (B or 1, 3, 2h, 2w), normalised, exactly zero where there is none.

        Returns:
            (B, 1, 4h, 4w) logits.
        """
        placed = _placed(picture)
        bins = torch.stack([self._bins(placed, *scales) for scales in self.config.bins], 1)
        there = (picture != 0).any(1).flatten(1)[:, None].to(picture.dtype)
        mended = mask
        for _ in range(self.config.rounds):
            mended = mended + self._correction(mended, placed, bins, there)
        low, high = self.config.trusted
        trust = ((quality.detach() - low) / (high - low)).clamp(0, 1)
        return mask + trust[..., None, None] * (mended - mask)

    def _bins(self, placed: Tensor, colour: float, place: float) -> Tensor:
        """How far each of N pixels falls into each of M bins, (b, N, M), sums over M are 1.

        Args:
            placed: from `_placed`.
            colour, place: how fast likeness falls with the distance of colours and of places.
        """
        features = torch.cat([colour * placed[:, :3], place * placed[:, 3:]], 1)
        step = features.shape[-1] // self.config.side
        middles = features[..., step // 2 :: step, step // 2 :: step].flatten(2)
        # Less half the squared distance, but for what is the same in all bins.
        likeness = features.flatten(2).transpose(1, 2) @ middles - (middles * middles).sum(1, keepdim=True) / 2
        return likeness.softmax(-1)

    def _correction(self, mask: Tensor, placed: Tensor, bins: Tensor, there: Tensor) -> Tensor:
        object_ = F.avg_pool2d(mask, 2).sigmoid().flatten(2)
        inside, outside = _shares(object_ * there, bins), _shares((1 - object_) * there, bins)
        # (B, kinds, 1, M): how likely a pixel of each bin belongs to the object, were both equally large.
        likely = inside / (inside + outside)
        evidence = likely @ bins.transpose(2, 3)
        seen = [
            F.pixel_unshuffle(mask.clamp(-_CLEAR, _CLEAR) / 4, 2),
            2 * evidence.reshape(-1, len(self.config.bins), *placed.shape[2:]) - 1,
            placed.expand(mask.shape[0], -1, -1, -1),
        ]
        return F.pixel_shuffle(self.weigh(torch.cat(seen, 1)), 2)


def _placed(picture: Tensor) -> Tensor:
    """(b, 3, h, w) -> (b, 5, h, w): the colours and where they are, x and y from -1 to 1."""
    b, _, h, w = picture.shape
    y = torch.linspace(-1, 1, h, device=picture.device, dtype=picture.dtype).reshape(1, 1, h, 1).expand(b, 1, h, w)
    x = torch.linspace(-1, 1, w, device=picture.device, dtype=picture.dtype).reshape(1, 1, 1, w).expand(b, 1, h, w)
    return torch.cat([picture, x, y], 1)


def _shares(weights: Tensor, bins: Tensor) -> Tensor:
    """(B, 1, N) weights counted in bins (b, kinds, N, M) -> (B, kinds, 1, M), in parts of all weight; never quite zero."""
    return (weights.unsqueeze(1) @ bins + 0.02) / (weights.sum(-1)[:, None, :, None] + 1)
