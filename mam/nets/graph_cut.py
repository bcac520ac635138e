"""A mask that ends where the picture has edges: the smoothness of GrabCut, laid over the logits of any mask.

The minimum cut weighs the logits against the length of the outline, which costs less where neighbours differ in colour.
It is computed as the minimum of the convex relaxation, by sums and limits alone, so that any ONNX runtime can run it.

Source: Rother, Kolmogorov and Blake 2004, "GrabCut", equations 4, 5 and 11; Chambolle and Pock 2011, algorithm 1.
"""

from __future__ import annotations

import torch
from torch import Tensor, cat

from mam.nets.evidence import prompt_maps

_CERTAIN = 32.0  # what a click adds to logits that agree with it, before the cut,
_REACH = 8.0  # in so many pixels of the input frame around it
_BEYOND = 2.0  # what lying beyond the box takes from logits before the cut
_SETTLED = 6.0  # logits after the cut
_STEPS = 20
_BEGIN = 20.0  # per logit: the cut begins with what the logits say, but no pixel hangs on the rounding of its own
_LENGTH = 8.0  # logits that one pixel of outline costs where colours are alike
_RISE, _MOVE = 2**0.5, 2**-3.5  # the two kinds of steps; their product may be 1/8


def settle(logits: Tensor, picture: Tensor, point_coords: Tensor, point_labels: Tensor) -> Tensor:
    """Move the outlines of masks to edges of the image; clicks that contradict a mask are ignored.

    Args:
        logits: (B, 1, h, w).
        picture: as for `graph_cut`.
        point_coords: (B, N, 2); see `mam.nets.sam.Sam.embed_prompts`.
        point_labels: (B, N); likewise.

    Returns:
        (B, 1, h, w) logits.
    """
    on, beside, box = prompt_maps(point_coords, point_labels, logits.shape[-1], _REACH).split(1, 1)
    beyond = (1 - box) / 2 * (point_labels == 2).any(1)[:, None, None, None]
    heard = on * (logits > 0) - beside * (logits < 0)
    certain = logits + _CERTAIN * heard - _BEYOND * beyond
    return _SETTLED * (2 * graph_cut(certain, picture) - 1)


def graph_cut(logits: Tensor, picture: Tensor) -> Tensor:
    """The share of the object in each pixel, nearly everywhere 0 or 1.

    Args:
        logits: (B, 1, h, w), positive inside.
        picture: (B or 1, 3, h, w) in any units, exactly zero where there is none.

    Returns:
        (B, 1, h, w) from 0 to 1.
    """
    across, down = (_LENGTH / _RISE * likeness for likeness in _likeness(picture))
    object_ = (0.5 + _BEGIN * logits).clamp(0, 1)
    ahead, to_right, to_below = object_, torch.zeros_like(object_[..., :-1]), torch.zeros_like(object_[..., :-1, :])
    column, row = (
        torch.zeros_like(object_[..., :1]),
        torch.zeros_like(object_[..., :1, :]),
    )  # nothing flows across the frame
    for _ in range(_STEPS):
        to_right = _within(to_right + ahead[..., 1:] - ahead[..., :-1], across)
        to_below = _within(to_below + ahead[..., 1:, :] - ahead[..., :-1, :], down)
        come = (
            cat([to_right, column], 3) - cat([column, to_right], 3) + cat([to_below, row], 2) - cat([row, to_below], 2)
        )
        before, object_ = object_, (object_ + _MOVE * _RISE * come + _MOVE * logits).clamp(0, 1)
        ahead = 2 * object_ - before
    return object_


def _likeness(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Similarity of pixels to the next one to the right, (b, 1, h, w - 1), and below, (b, 1, h - 1, w), from 0 to 1.

    Differences are relative to the mean difference in the image.
    """
    there = (picture != 0).any(1, keepdim=True).to(picture.dtype)
    both = there[..., 1:] * there[..., :-1], there[..., 1:, :] * there[..., :-1, :]
    differences = picture[..., 1:] - picture[..., :-1], picture[..., 1:, :] - picture[..., :-1, :]
    distances = [(difference * difference).sum(1, keepdim=True) for difference in differences]
    total = sum((distance * pair).sum((1, 2, 3), keepdim=True) for distance, pair in zip(distances, both, strict=True))
    usual = total / (sum(pair.sum((1, 2, 3), keepdim=True) for pair in both) + 1) + 1e-6
    across, down = (torch.exp(-distance / usual) * pair for distance, pair in zip(distances, both, strict=True))
    return across, down


def _within(values: Tensor, limits: Tensor) -> Tensor:
    return torch.maximum(torch.minimum(values, limits), -limits)
