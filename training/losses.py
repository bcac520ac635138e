"""Loss terms of both training stages: masks by cross entropy, dice and IoU, alphas by L1 and Laplacian pyramids."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def mask_losses(logits: Tensor, targets: Tensor, weights: Tensor, entropy_weight: float = 3.0) -> Tensor:
    """Cross entropy plus dice of each mask, both weighted by pixel.

    From random weights, SAM's focal loss takes far longer to leave the empty mask.

    Args:
        logits: (B, K, H, W).
        targets: (B, K, H, W) bool.
        weights: (B, K, H, W), or broadcast to it.
        entropy_weight: the weight of the cross entropy; dice has weight 1.

    Returns:
        (B, K).
    """
    truth = targets.to(logits.dtype)
    probability = logits.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    entropy = (weights * entropy).flatten(2).mean(2) / weights.flatten(2).mean(2)
    overlap = (weights * probability * truth).flatten(2).sum(2)
    dice = 1 - (2 * overlap + 1) / ((weights * (probability + truth)).flatten(2).sum(2) + 1)
    return entropy_weight * entropy + dice


def edge_weights(targets: Tensor, most: float) -> Tensor:
    """Weight pixels that differ from the mean around them, such as edges and thin parts, by up to 1 + `most`.

    Source: Wei et al. 2020, "F3Net", with `most` 5 and a neighbourhood of 31 pixels at a side of 352.

    Args:
        targets: (B, K, H, W) bool.
        most: 0 for equal weights.

    Returns:
        (B, K, H, W) float32.
    """
    truth = targets.float()
    if most == 0:
        return torch.ones_like(truth)
    reach = max(1, round(truth.shape[-1] * 15 / 352))
    rows = F.avg_pool2d(truth, (2 * reach + 1, 1), 1, (reach, 0))
    return 1 + most * (F.avg_pool2d(rows, (1, 2 * reach + 1), 1, (0, reach)) - truth).abs()


def mask_iou(logits: Tensor, targets: Tensor) -> Tensor:
    """IoU of logits > 0 with the targets, both (B, K, H, W) -> (B, K)."""
    predicted, truth = (logits > 0).flatten(2), targets.flatten(2)
    union = (predicted | truth).sum(2)
    return (predicted & truth).sum(2) / union.clamp(min=1)


def weighted_l1(predicted: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Sum of weighted absolute differences over the sum of weights, all (B, 1, H, W) -> ().

    Source: Li, Jain and Shi 2023, section 4.1.
    """
    return ((predicted - target).abs() * weights).sum() / (weights.sum() + 1e-8)


def weighted_entropy(predicted: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Weighted cross entropy, all (B, 1, H, W) in [0, 1] -> (); its gradient does not vanish where tanh saturates."""
    predicted = predicted.clamp(1e-6, 1 - 1e-6)
    entropy = -(target * predicted.log() + (1 - target) * (1 - predicted).log())
    return (entropy * weights).sum() / (weights.sum() + 1e-8)


def laplacian_l1(predicted: Tensor, target: Tensor, weights: Tensor, levels: int = 5) -> Tensor:
    """Weighted L1 between Laplacian pyramids; level i counts 2**i, weights are subsampled, (B, 1, H, W) -> ().

    Source: Hou and Liu 2019, "Context-Aware Image Matting"; Li, Jain and Shi 2023.
    """
    kernel = predicted.new_tensor([1.0, 4.0, 6.0, 4.0, 1.0])
    kernel = torch.outer(kernel, kernel).reshape(1, 1, 5, 5) / 256
    total = predicted.new_zeros(())
    difference = predicted - target  # pyramids are linear, so one pyramid of the difference is enough
    for level in range(levels):
        coarse = F.conv2d(F.pad(difference, (2, 2, 2, 2), mode="reflect"), kernel)[:, :, ::2, ::2]
        back = F.interpolate(coarse, difference.shape[-2:], mode="bilinear", align_corners=False)
        detail = (difference - back).abs() * weights
        total = total + 2**level * detail.sum() / (weights.sum() + 1e-8)
        difference, weights = coarse, weights[:, :, ::2, ::2]
    return total
