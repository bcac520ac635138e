"""Simulated prompts for a batch of target masks: boxes, first clicks and corrective clicks.

All coordinates are (x, y) in pixels of the 1024 input frame; masks may have any size that covers that frame.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mam.model.frames import SIDE
from training.evaluation.interaction import innermost_point, largest_error


def boxes(masks: Tensor, looseness: float = 0.1) -> Tensor:
    """Tight boxes of (B, H, W) bool masks, half of them perturbed by `looseness` of their sides -> (B, 2, 2)."""
    scale = SIDE / masks.shape[-1]
    corners = []
    for axis in (1, 2):  # any over y gives columns (x), over x gives rows (y)
        hit = masks.any(axis)
        index = torch.arange(hit.shape[1], device=hit.device).expand_as(hit)
        first = torch.where(hit, index, hit.shape[1]).amin(1)
        last = torch.where(hit, index, -1).amax(1)
        corners.append(torch.stack([first, last], 1))
    tight = torch.stack(corners, dim=-1).float() * scale  # (B, corner, xy)
    tight = tight + torch.tensor([0.0, scale - 1], device=masks.device).reshape(1, 2, 1)
    side = (tight[:, 1] - tight[:, 0]).unsqueeze(1)
    noise = torch.randn_like(tight) * looseness * side * (torch.rand(len(tight), 1, 1, device=masks.device) < 0.5)
    return (tight + noise.clamp(-2 * looseness * side, 2 * looseness * side)).clamp(0, SIDE - 1)


def loosen_boxes(boxes: Tensor, valid: Tensor, share: float = 0.25) -> Tensor:
    """Move some boxes of large objects towards the image's edges: a box around everything still means the object in it.

    Args:
        boxes: (B, 2, 2), corners in the input frame.
        valid: (B, 2), h and w of the image in the input frame.
        share: the share of large boxes, over a quarter of the image, that are moved.

    Returns:
        (B, 2, 2).
    """
    far = valid.flip(1).to(boxes.dtype) - 1
    large = (boxes[:, 1] - boxes[:, 0]).prod(1) > far.prod(1) / 4
    out = torch.rand(len(boxes), 1, 1, device=boxes.device) * (0.7 + 0.3 * torch.rand_like(boxes))
    out = out * (large & (torch.rand(len(boxes), device=boxes.device) < share))[:, None, None]
    return boxes + out * (torch.stack([torch.zeros_like(far), far], 1) - boxes)


def clicks(region: Tensor, deep: float = 0.7, count: int = 1) -> Tensor:
    """Some clicks in each region.

    Args:
        region: (B, H, W) bool.
        deep: share of the regions whose clicks are drawn towards the interior.
        count: N clicks in each.

    Returns:
        (B, N, 2); for an empty region the frame's origin, which should get label -1.
    """
    b, h, w = region.shape
    # How full the neighbourhood is, on two scales of a coarse grid, approximates the distance to the edge.
    coarse = F.interpolate(region.float().unsqueeze(1), (64, 64), mode="area")
    depth = F.avg_pool2d(coarse, 5, 1, 2) + F.avg_pool2d(coarse, 17, 1, 8)
    depth = F.interpolate(depth, (h, w), mode="nearest").squeeze(1)
    sharp = torch.where(torch.rand(b, 1, 1, device=region.device) < deep, 12.0, 0.0)
    total = (region * torch.exp(sharp * (depth - 2))).flatten(1).cumsum(1)
    chosen = torch.rand(b, count, device=region.device) * total[:, -1:]
    index = torch.searchsorted(total, chosen, right=True).clamp(max=h * w - 1)
    xy = torch.stack([index % w, index // w], 2).float()
    return (xy + torch.rand_like(xy)) * (SIDE / w) * (total[:, -1] > 0)[:, None, None]


def corrections(predicted: Tensor, target: Tensor, middle: float = 0.7) -> tuple[Tensor, Tensor]:
    """One click in the largest region where prediction and target differ, as people correct.

    Args:
        predicted: (B, H, W) bool.
        target: (B, H, W) bool.
        middle: share of the clicks in the middle of their region; the others are anywhere in it.

    Returns:
        Coordinates (B, 2) and labels (B,), -1 where the prediction has no error.
    """
    at_middle = torch.rand(len(target)) < middle
    clicked = [largest_error(*arrays) for arrays in zip(predicted.cpu().numpy(), target.cpu().numpy(), strict=True)]
    regions = torch.from_numpy(np.stack([region for region, _ in clicked])).to(target.device)
    xy = clicks(regions, deep=0.0).squeeze(1)
    for i in at_middle.nonzero().flatten().tolist():
        if clicked[i][0].any():
            xy[i] = xy.new_tensor(innermost_point(clicked[i][0])) * (SIDE / target.shape[-1])
    labels = [float(label) if region.any() else -1.0 for region, label in clicked]
    return xy, torch.tensor(labels, device=target.device)
