"""Mask refinement by soft colour histograms, prompts and the decoder's features, in the spirit of GrabCut.

Soft colour histograms of foreground and background are counted by the mask, in bins around evenly spaced pixels of the
image itself. A small U-Net corrects the mask's logits from them, the prompts and the features of SAM's decoder. Where a
box separates the colours inside from those outside, these colours correct the logits too.

Source: after Rother, Kolmogorov and Blake 2004, "GrabCut".
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mam.frames import SIDE
from mam.nets.likeness import NARROW, in_steps, likeness, palette
from mam.variants import Evidence

_CLEAR = 16.0  # logits beyond it say no more
_SURE = 8.0  # how decidedly likeness sorts what is in a box
_BOX_EDGE = 8.0  # how sharply a box ends, in pixels of the input frame


class ColourEvidence(nn.Module):
    """See the module's docstring.

    Args:
        config: sizes.
    """

    def __init__(self, config: Evidence) -> None:
        super().__init__()
        self.config = config
        self.weigh = Weigh(4 + len(config.bins) + 5 + 3, config.widths)

    def forward(
        self,
        mask: Tensor,
        quality: Tensor,
        picture: Tensor,
        features: Tensor,
        point_coords: Tensor,
        point_labels: Tensor,
    ) -> Tensor:
        """Refine masks: with a box all of them, without a box those of a high predicted IoU.

        Args:
            mask: (B, 1, 4h, 4w) logits.
            quality: (B, 1), the IoU that SAM predicts; without a box, masks of a low one stay as they are.
            picture: (B or 1, 3, 4h, 4w), normalised, exactly zero where there is none.
            features: (B, 256, h, w), what SAM's decoder made of picture and prompts.
            point_coords: (B, N, 2); see `mam.nets.sam.Sam.embed_prompts`.
            point_labels: (B, N); likewise.

        Returns:
            (B, 1, 4h, 4w) logits.
        """
        picture = F.avg_pool2d(picture, 2)
        placed = _placed(picture)
        bins = torch.stack([self._bins(placed, *scales) for scales in self.config.bins], 1)
        there = (picture != 0).any(1, keepdim=True).to(picture.dtype)
        said, features = prompt_maps(point_coords, point_labels, picture.shape[-1]), self.weigh.features(features)
        if self.training:
            mask, features = _worsened(mask), features * (torch.rand(mask.shape[0], 1, 1, 1, device=mask.device) < 0.75)
        mended = mask
        for _ in range(self.config.rounds):
            object_ = F.avg_pool2d(mended, 2).sigmoid()
            seen = [
                F.pixel_unshuffle(mended.clamp(-_CLEAR, _CLEAR) / 4, 2),
                _likeness(object_, 1 - object_, bins, there),
                placed.expand(mask.shape[0], -1, -1, -1),
                said,
            ]
            mended = mended + F.pixel_shuffle(self.weigh(torch.cat(seen, 1), features), 2)
        if self.training:  # only in use it matters which masks are worth mending
            return mended
        low, high = self.config.trusted
        boxed = _boxed(point_labels)
        trust = torch.maximum(((quality - low) / (high - low)).clamp(0, 1)[..., None, None], boxed)
        mended = mask + self.config.share * trust * (mended - mask)
        return mended + boxed * _double(self._told_by_box(placed, said, there))

    def recounted(self, outlined: Tensor, picture: Tensor, point_labels: Tensor) -> Tensor:
        """Correct logits by colour histograms in narrow bins, counted by a mask that ends at edges; zero without a box.

        Args:
            outlined: (B, 1, 4h, 4w) logits.
            picture: as for `forward`.
            point_labels: as for `forward`.

        Returns:
            (B, 1, 4h, 4w), corrections of logits.
        """
        small, mask = F.avg_pool2d(in_steps(picture), 2), F.avg_pool2d(outlined.sigmoid(), 2)
        looks = _double(likeness(small, *palette(small, mask, *NARROW)))
        gain, loss = self.config.recount
        return _boxed(point_labels) * (gain * looks.clamp(min=0) + loss * looks.clamp(max=0))

    def _told_by_box(self, placed: Tensor, said: Tensor, there: Tensor) -> Tensor:
        """Correct logits by the colours inside and outside of boxes, where these differ, as GrabCut's first step does.

        Args:
            placed: from `_placed`.
            said: from `prompt_maps`.
            there: as in `_likeness`.

        Returns:
            (B, 1, 2h, 2w), corrections of logits, without meaning where there is no box.
        """
        bins = self._bins(placed, *self.config.box_bins).unsqueeze(1)
        within = (1 + said[:, 2:]) / 2 * (1 - said[:, 1:2])  # a click beside the object is surroundings inside the box
        beyond = 1 - within
        unlike = _likeness(within, beyond, bins, there)
        told = _mean(unlike, within * there) - _mean(unlike, beyond * there)
        low, high = self.config.box_separation
        # Of what is in the box, what looks like the surroundings belongs to these.
        object_ = within * (_SURE * unlike).sigmoid()
        return (
            self.config.box_influence
            * ((told - low) / (high - low)).clamp(0, 1)
            * within
            * _likeness(object_, 1 - object_, bins, there)
        )

    def _bins(self, placed: Tensor, colour: float, place: float) -> Tensor:
        """How far each of N pixels falls into each of M bins, (b, N, M), sums over M are 1.

        Args:
            placed: from `_placed`.
            colour: how fast likeness falls with the distance of colours.
            place: how fast it falls with the distance of places.
        """
        features = torch.cat([colour * placed[:, :3], place * placed[:, 3:]], 1)
        step = features.shape[-1] // self.config.side
        middles = features[..., step // 2 :: step, step // 2 :: step].flatten(2)
        # Less half the squared distance, but for what is the same in all bins.
        likeness = features.flatten(2).transpose(1, 2) @ middles - (middles * middles).sum(1, keepdim=True) / 2
        return likeness.softmax(-1)


class Weigh(nn.Module):
    """A small U-Net at the scales of the embedding's image, of its cells, and of twice these.

    Args:
        seen: channels of what is weighed.
        widths: channels at the three scales.
    """

    def __init__(self, seen: int, widths: tuple[int, int, int]) -> None:
        super().__init__()
        fine, middle, coarse = widths
        self.features = nn.Conv2d(256, middle, 1)
        self.enter = _conv(seen, fine)
        self.down = _conv(fine, middle, stride=2)
        self.before = _conv(middle, middle)
        self.deep = nn.Sequential(
            _conv(middle, coarse, stride=2),
            nn.ReLU(),
            _conv(coarse, coarse),
            nn.ReLU(),
            _conv(coarse, coarse, dilation=2),
            nn.ReLU(),
            nn.Conv2d(coarse, middle, 1),
        )
        self.after = _conv(middle, middle)
        self.up = nn.Conv2d(middle, fine, 1)
        self.leave = nn.Sequential(_conv(fine, fine), nn.ReLU(), _conv(fine, 4))
        for parameter in self.leave[-1].parameters():  # masks start as they are
            nn.init.zeros_(parameter)

    def forward(self, seen: Tensor, features: Tensor) -> Tensor:
        """(B, seen, 2h, 2w) and `features` (B, middle, h, w) -> (B, 4, 2h, 2w), corrections of 2 x 2 logits each."""
        x = F.relu(self.enter(seen))
        y = F.relu(self.before(F.relu(self.down(x) + features)))
        y = F.relu(self.after(y + _double(self.deep(y))))
        return self.leave(F.relu(x + _double(self.up(y))))


def _conv(cin: int, cout: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(cin, cout, 3, stride, padding=dilation, dilation=dilation)


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def _placed(picture: Tensor) -> Tensor:
    """(b, 3, h, w) -> (b, 5, h, w): the colours and where they are, x and y from -1 to 1."""
    b, _, h, w = picture.shape
    y = torch.linspace(-1, 1, h, device=picture.device, dtype=picture.dtype).reshape(1, 1, h, 1).expand(b, 1, h, w)
    x = torch.linspace(-1, 1, w, device=picture.device, dtype=picture.dtype).reshape(1, 1, 1, w).expand(b, 1, h, w)
    return torch.cat([picture, x, y], 1)


def prompt_maps(coords: Tensor, labels: Tensor, side: int, reach: float = 24.0) -> Tensor:
    """Draw prompts, (B, N, 2) in the input frame and (B, N), as images (B, 3, side, side).

    The channels are foreground clicks, background clicks and the box, 1 inside and -1 outside; 0 without such a prompt.
    `reach` is the radius of a click in pixels of the input frame.
    """
    at = (torch.arange(side, device=coords.device, dtype=coords.dtype) + 0.5) * (SIDE / side)
    offset = at - coords.unsqueeze(-1)  # (B, N, 2, side)
    near = torch.exp(-((offset / reach) ** 2) / 2)
    x, y = near[:, :, 0], near[:, :, 1]
    clicks = [(y * (labels == kind).unsqueeze(-1)).transpose(1, 2) @ x for kind in (1, 0)]
    first, last = ((offset * (labels == kind)[..., None, None]).sum(1) for kind in (2, 3))
    inside = torch.sigmoid(first / _BOX_EDGE) * torch.sigmoid(-last / _BOX_EDGE)  # (B, 2, side)
    box = (2 * inside[:, 1, :, None] * inside[:, 0, None, :] - 1) * (labels == 2).any(1)[:, None, None]
    return torch.stack([*(c.clamp(max=1) for c in clicks), box], 1)


def _worsened(mask: Tensor) -> Tensor:
    """Perturb logits (B, 1, h, w) for training, because SAM's masks of its training images are too good."""
    b, _, h, w = mask.shape

    def draw(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(b, 1, 1, 1, device=mask.device)

    cells = int(torch.randint(2, 20, ()))
    waves = F.interpolate(torch.randn(b, 1, cells, cells, device=mask.device), (h, w), mode="bilinear")
    return mask * draw(0.2, 1) + waves * draw(-1.5, 3).clamp(min=0)


def _shares(weights: Tensor, bins: Tensor) -> Tensor:
    """Count weights (B, 1, N) in bins (b, kinds, N, M) -> (B, kinds, 1, M), as positive fractions of all weight."""
    return (weights.unsqueeze(1) @ bins + 0.02) / (weights.sum(-1)[:, None, :, None] + 1)


def _likeness(object_: Tensor, surroundings: Tensor, bins: Tensor, there: Tensor) -> Tensor:
    """How much each pixel looks like the one rather than like the other, were both equally large.

    Args:
        object_: (B, 1, 2h, 2w), from 0 to 1.
        surroundings: (B, 1, 2h, 2w), from 0 to 1.
        bins: (b, kinds, N, M) with N = 2h * 2w pixels.
        there: (b, 1, 2h, 2w), 0 where there is no image.

    Returns:
        (B, kinds, 2h, 2w) from -1 to 1.
    """
    inside, outside = (_shares((weights * there).flatten(2), bins) for weights in (object_, surroundings))
    looks = 2 * (inside / (inside + outside) @ bins.transpose(2, 3)) - 1
    return looks.reshape(-1, bins.shape[1], *object_.shape[2:])


def _boxed(point_labels: Tensor) -> Tensor:
    """(B, N) -> (B, 1, 1, 1), 1 where a box is among the prompts, else 0."""
    return (point_labels == 2).any(1)[:, None, None, None].to(point_labels.dtype)


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    """(B, 1, h, w) -> (B, 1, 1, 1); towards 0 where hardly anything weighs."""
    return (values * weights).sum((2, 3), keepdim=True) / (weights.sum((2, 3), keepdim=True) + 64)
