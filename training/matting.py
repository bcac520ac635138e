"""Loss of the matte stage: M2M on crops, behind a frozen SAM."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mam.model.frames import SIDE
from mam.nets.m2m import MaskToMatte
from mam.nets.sam import CELL, Sam
from mam.nets.tiny.matte import MatteUNet
from mam.nets.tiny.segmenter import Segmenter
from training import prompts
from training.losses import laplacian_l1, mask_iou, weighted_entropy, weighted_l1
from training.segmentation import normalise

_PERTURBED = 0.15  # share of the masks that do not come from SAM, but from a true mask, as rough as a user's
_MISSED = 0.75  # IoU below which SAM found another object than the target


def matting_loss(
    sam: Sam | Segmenter,
    m2m: MaskToMatte | MatteUNet,
    batch: dict[str, Tensor],
    progress: float,
    cells: int = 20,
    views: int = 6,
    entropy: float = 0.0,
) -> tuple[Tensor, dict[str, float]]:
    """Loss of one batch on some crops per image, along the cells of the embedding.

    Args:
        sam: frozen, in eval mode.
        m2m: the network that is trained.
        batch: from `training.composites.Composites`.
        progress: completed share of the run; the weight maps depend on it (see `_weights`).
        cells: side of a crop in cells of 16 pixels.
        views: crops per image.
        entropy: weight of the cross entropy, which the paper's loss does not have.

    Returns:
        The loss, and figures to print.

    Source: Li, Jain and Shi 2023, section 4.1.
    """
    alpha, known = batch["alpha"].float() / 255, batch["known"].float()
    image = normalise(batch["image"], batch["valid"])
    target_small = F.avg_pool2d(alpha.unsqueeze(1), 4) > 0.5
    with torch.no_grad():
        features = sam.encode(image)
        mask = _predict_masks(sam, features, alpha > 0.5, target_small)
        fields = [(alpha.unsqueeze(1), CELL), (known.unsqueeze(1), CELL), (image, CELL), (mask, 4)]
        if m2m.uses_embeddings:
            fields.insert(2, (features[0], 1))
        corners = [
            (i, *_crop_corner(alpha[i], target_small[i, 0], mask[i, 0] > 0, cells))
            for i in range(len(alpha))
            for _ in range(views)
        ]
        crops = [
            torch.stack([field[i, :, y * k : (y + cells) * k, x * k : (x + cells) * k] for i, y, x in corners])
            for field, k in fields
        ]
    alpha, known, *inputs = crops
    os8, os4, os1 = (os.float() for os in m2m(*inputs))
    w8, w4, w1 = _weights(alpha, os8.detach(), os4.detach(), progress)
    loss = alpha.new_zeros(())
    for predicted, weights, share in ((os1, w1, 0.4), (os4, w4, 0.2), (os8, w8, 0.2)):
        weights = weights * known
        loss = loss + share * (weighted_l1(predicted, alpha, weights) + laplacian_l1(predicted, alpha, weights))
        if entropy:
            loss = loss + share * entropy * weighted_entropy(predicted, alpha, weights)
    outputs = {"mad8": os8, "mad4": os4, "mad1": os1}
    return loss, {name: ((os - alpha).abs() * known).mean().item() for name, os in outputs.items()}


def _predict_masks(sam: Sam | Segmenter, features: tuple[Tensor, ...], target: Tensor, target_small: Tensor) -> Tensor:
    """SAM's logits (B, 1, 256, 256) for boxes around (B, 1024, 1024) bool targets.

    Faults of a mask teach M2M to correct them. A mask of another object would only teach it to ignore masks, so the
    perturbed true mask replaces it. `target_small` is that mask, (B, 1, 256, 256) bool.
    """
    coords = prompts.boxes(target)
    labels = coords.new_tensor([[2.0, 3.0]]).expand(len(coords), -1)
    no_mask = coords.new_zeros(len(coords), 1, SIDE // 4, SIDE // 4)
    mask = sam.select_single_mask(*sam.predict_masks(features, coords, labels, no_mask, coords.new_zeros(len(coords))))
    replaced = mask_iou(mask, target_small).squeeze(1) < _MISSED
    replaced = replaced | (torch.rand(len(mask), device=mask.device) < _PERTURBED)
    return torch.where(replaced[:, None, None, None], _perturbed_mask(target_small), mask)


def _weights(alpha: Tensor, os8: Tensor, os4: Tensor, progress: float) -> tuple[Tensor, Tensor, Tensor]:
    """Weight maps for os8, os4 and os1, (B, 1, H, W) each.

    All ones at first; later often the unknown band of a trimap; finally the pixels where a coarser scale is uncertain.
    """
    ones = torch.ones_like(alpha)
    if progress < 0.2 or torch.rand(()) < 0.5:
        return ones, ones, ones
    if progress < 0.6 or torch.rand(()) < 0.5:
        unknown = _dilate((alpha > 0.01) & (alpha < 0.99), 15)
        return ones, unknown, unknown
    uncertain8 = _dilate((os8 > 1 / 255) & (os8 < 1 - 1 / 255), int(torch.randint(1, 15, ())))
    uncertain4 = _dilate((os4 > 1 / 255) & (os4 < 1 - 1 / 255), int(torch.randint(1, 8, ())))
    return ones, uncertain8, uncertain4


def _dilate(region: Tensor, radius: int) -> Tensor:
    """Dilate a (B, 1, H, W) bool region by a square -> float32."""
    rows = F.max_pool2d(region.float(), (2 * radius + 1, 1), 1, (radius, 0))
    return F.max_pool2d(rows, (1, 2 * radius + 1), 1, (0, radius))


def _perturbed_mask(mask: Tensor) -> Tensor:
    """Logits of (B, 1, h, w) bool masks, smoothed over 0 to 3 pixels, grown or shrunk, with a wavy edge."""
    wave = F.interpolate(torch.randn(len(mask), 1, 24, 24, device=mask.device), mask.shape[-2:], mode="bilinear")
    radius = int(torch.randint(0, 4, ()))
    soft = F.avg_pool2d(mask.float(), 2 * radius + 1, 1, radius)
    grown = 0.4 * torch.rand(len(mask), 1, 1, 1, device=mask.device) - 0.2
    return 12 * (soft + 0.3 * wave * torch.rand(()) + grown - 0.5)


def _crop_corner(alpha: Tensor, target: Tensor, mask: Tensor, cells: int) -> tuple[int, int]:
    """First row and column, in cells, of a crop around an error of the mask, the object's edge, or its inside.

    Args:
        alpha: (1024, 1024) float32.
        target: (256, 256) bool, the true mask.
        mask: (256, 256) bool, SAM's mask.
        cells: side of the crop.
    """
    draw = torch.rand(())
    if draw < 0.35 and (target != mask).any():
        places = 4 * (target != mask).nonzero()
    elif draw < 0.85:
        whole = target.float()[None]
        edge = F.max_pool2d(whole, 3, 1, 1) + F.max_pool2d(-whole, 3, 1, 1) > 0
        soft = F.max_pool2d(((alpha > 0.02) & (alpha < 0.98)).float()[None], 4) > 0
        places = 4 * (edge | soft)[0].nonzero()
    else:
        places = 4 * target.nonzero()
    y, x = (0, 0) if not len(places) else places[torch.randint(len(places), ())].tolist()
    last = SIDE // CELL - cells
    row, column = (min(max(v // CELL - int(torch.randint(cells, ())), 0), last) for v in (y, x))
    return row, column
