"""Loss of the segmentation stage: one image, one first prompt, and up to six corrective clicks."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from mam.model.frames import PIXEL_MEAN, PIXEL_STD, SIDE
from mam.nets.tiny.segmenter import Segmenter
from training import prompts
from training.examples import KINDS
from training.losses import edge_weights, mask_iou, mask_losses

# How many corrective rounds precede the graded answer, step by step, over and over; alike in all processes.
_ROUNDS = (0, 1, 0, 0, 2, 0, 1, 0, 0, 4, 0, 1, 0, 0, 3, 0, 1, 0, 0, 6)
_CLICK_WEIGHT, _CLICK_MARGIN = 0.3, 4.0  # of the loss at clicked pixels: how much, and up to which logit
_OTHERS_WEIGHT = 0.3  # of the losses of masks 1 to 3
_STROKE = 5  # points of a scribble, at most


def normalise(images: Tensor, valid: Tensor) -> Tensor:
    """(B, S, S, 3) uint8 with (B, 2) valid h, w -> (B, 3, S, S) float32, zero in the padding (`mam.model.frames`)."""
    mean, std = (torch.tensor(v, device=images.device).reshape(1, 3, 1, 1) for v in (PIXEL_MEAN, PIXEL_STD))
    x = (images.permute(0, 3, 1, 2).float() - mean) / std
    rows = torch.arange(x.shape[2], device=x.device).reshape(1, 1, -1, 1) < valid[:, 0].reshape(-1, 1, 1, 1)
    columns = torch.arange(x.shape[3], device=x.device).reshape(1, 1, 1, -1) < valid[:, 1].reshape(-1, 1, 1, 1)
    return x * (rows & columns)


def segmentation_loss(
    net: Segmenter, batch: dict[str, Tensor], step: int, coarse: bool, edges: float = 0.0
) -> tuple[Tensor, dict[str, float]]:
    """Loss of one batch: of the answer to the first prompt, or of the answer after some rounds of corrections.

    Args:
        net: the network; the batch's images are already downsampled to what its encoder reads.
        batch: from `training.examples.Examples`.
        step: decides the number of rounds.
        coarse: without the decoder's finest level.
        edges: how much pixels at edges and in thin parts weigh, as of `edge_weights`.

    Returns:
        The loss and figures to print.
    """
    target, kind = batch["mask"], batch["kind"]
    x = normalise(batch["image"], batch["valid"]).contiguous(memory_format=torch.channels_last)
    embeddings = net.image_encoder.encode_small(x)
    b, whole = len(target), 4 * embeddings[0].shape[-1]  # pixels of the finest masks
    side = whole // (2 if coarse else 1)
    asked = torch.stack([target, batch["part"], batch["more"]], 1)
    small = F.interpolate(asked.float(), (side, side), mode="area") > 0.5  # (B, 3, h, w)

    rounds = _ROUNDS[step % len(_ROUNDS)]
    coords, labels = first_prompts(batch)
    # What is to be corrected may be a part of the object, or more than it.
    wrong = torch.randint(3, (b,), device=x.device) if rounds else torch.zeros_like(kind)
    before, given = _given_masks(asked[torch.arange(b), wrong], kind, whole)
    now = coords, labels
    for _ in range(rounds):
        with torch.no_grad():
            features = [e.detach() for e in embeddings]
            masks, quality = net.mask_decoder(*features, *now, before, given, coarse=coarse)
            chosen = _chosen(masks, quality)
            xy, sign = prompts.corrections(chosen.squeeze(1) > 0, small[:, 0])
            # Now and then nothing new: another pass over the same prompts with the old logits.
            sign = torch.where(torch.rand(b, device=x.device) < 0.1, -1.0, sign)
            given = (torch.rand(b, device=x.device) < 0.85).float()
            # The page forgets earlier prompts when another mask is chosen: only the mask and the new click remain.
            forgets = (given > 0) & (torch.rand(b, device=x.device) < 0.1)
            labels = torch.where(forgets.unsqueeze(1), -1.0, labels)
            coords, labels = torch.cat([coords, xy.unsqueeze(1)], 1), torch.cat([labels, sign.unsqueeze(1)], 1)
            before = F.interpolate(chosen, (whole, whole), mode="bilinear").clamp(-32, 32)
            now = _with_box(coords, labels, chosen.squeeze(1) > 0)
    masks, quality = net.mask_decoder(*embeddings, *now, before, given, coarse=coarse)
    masks, quality = masks.float(), quality.float()

    # Mask 0 answers every prompt; masks 1 to 3 are the part, the whole, and more, where these differ.
    targets = small[:, [0, 1, 0, 2]]
    known = torch.ones_like(quality)
    known[:, [1, 3]] = (asked[:, 1:] != asked[:, :1]).flatten(2).any(2).to(known.dtype)
    losses, iou = mask_losses(masks, targets, edge_weights(targets, edges)), mask_iou(masks, targets)
    each = losses[:, 0] + _OTHERS_WEIGHT * (losses * known)[:, 1:].sum(1)
    clicked = _click_loss(masks[:, 0], *now)
    loss = each.mean() + ((quality - iou).square() * known).sum() / known.sum() + _CLICK_WEIGHT * clicked
    figures = {
        "error": (quality - iou).abs().mean().item(),
        "clicks_right": _click_accuracy(masks[:, 0], *now),
    }
    first = iou[:, 0].detach()
    if rounds:
        figures[f"after{rounds}"] = first.mean().item()
    else:
        for i, name in enumerate(KINDS):
            figures[name] = first[kind == i].mean().item() if (kind == i).any() else math.nan
        for i, name in ((1, "part"), (3, "more")):
            figures[name] = iou[:, i][known[:, i] > 0].mean().item() if known[:, i].any() else math.nan
    return loss, figures


def first_prompts(batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Return each example's first prompt, padded with label -1: (B, _STROKE + 2, 2) and (B, _STROKE + 2)."""
    target, kind = batch["mask"], batch["kind"]
    corners = prompts.loosen_boxes(prompts.boxes(target), batch["valid"] * (SIDE / target.shape[-1]))
    boxed = (kind == KINDS.index("box")) | (kind == KINDS.index("box+click"))
    boxed |= (kind == KINDS.index("mask")) & (torch.rand(len(kind), device=kind.device) < 0.5)
    corner_labels = torch.where(boxed.unsqueeze(1), corners.new_tensor([[2.0, 3.0]]), -1.0)
    stroke = torch.cat([prompts.clicks(batch["part"], 0.5), prompts.clicks(target, 0.3, _STROKE - 1)], 1)
    count = torch.zeros_like(kind)
    count[(kind == KINDS.index("click")) | (kind == KINDS.index("box+click"))] = 1
    scribbled = kind == KINDS.index("scribble")
    count[scribbled] = torch.randint(2, _STROKE + 1, (len(kind),), device=kind.device)[scribbled]
    stroke_labels = torch.where(torch.arange(_STROKE, device=kind.device) < count.unsqueeze(1), 1.0, -1.0)
    return torch.cat([stroke, corners], 1), torch.cat([stroke_labels, corner_labels], 1)


def _with_box(coords: Tensor, labels: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Add the box around the (B, h, w) bool mask and the clicks on the object to half of the prompts without a box."""
    box = prompts.boxes(mask, looseness=0.0)  # (B, corner, xy)
    on_object = (labels == 1).unsqueeze(2)
    box = torch.stack(
        [
            torch.minimum(box[:, 0], torch.where(on_object, coords, SIDE).amin(1)),
            torch.maximum(box[:, 1], torch.where(on_object, coords, 0.0).amax(1)),
        ],
        1,
    )
    adds = ~(labels == 2).any(1) & mask.flatten(1).any(1) & (torch.rand(len(mask), device=mask.device) < 0.5)
    corner_labels = torch.where(adds.unsqueeze(1), labels.new_tensor([[2.0, 3.0]]), -1.0)
    return torch.cat([coords, box], 1), torch.cat([labels, corner_labels], 1)


def _given_masks(target: Tensor, kind: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Masks that a user brings along, rough ones, as logits (B, 1, side, side), and where there are any, (B)."""
    b = len(target)
    truth = F.interpolate(target.unsqueeze(1).float(), (64, 64), mode="area")
    waves = F.interpolate(torch.randn(b, 1, 8, 8, device=target.device), (64, 64), mode="bilinear")
    rough = F.avg_pool2d(truth, 5, 1, 2) + 0.35 * waves * torch.rand(b, 1, 1, 1, device=target.device) > 0.5
    logits = F.interpolate(16.0 * rough - 8.0, (side, side), mode="bilinear")
    given = (kind == KINDS.index("mask")).to(logits.dtype)
    return logits * given.reshape(-1, 1, 1, 1), given


def _chosen(masks: Tensor, quality: Tensor) -> Tensor:
    """Choose the mask to correct, mask 0 or sometimes the best alternative: (B, 4, h, w) -> (B, 1, h, w)."""
    best = quality[:, 1:].argmax(1) + 1
    index = torch.where(torch.rand(len(masks), device=masks.device) < 0.2, best, 0)
    return masks.gather(1, index.reshape(-1, 1, 1, 1).expand(-1, 1, *masks.shape[2:]))


def _at_clicks(masks: Tensor, coords: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Logits of (B, h, w) at the points, positive where a click is obeyed; which of the (B, N) points are clicks."""
    side = masks.shape[-1]
    cell = (coords * (side / SIDE)).long().clamp(0, side - 1)
    logits = masks.flatten(1).gather(1, cell[..., 1] * side + cell[..., 0])
    return torch.where(labels == 1, logits, -logits), (labels == 0) | (labels == 1)


def _click_loss(masks: Tensor, coords: Tensor, labels: Tensor) -> Tensor:
    """Hinge loss at clicked pixels of (B, h, w) logits -> ()."""
    logits, clicked = _at_clicks(masks, coords, labels)
    return (F.relu(_CLICK_MARGIN - logits) * clicked).sum() / clicked.sum().clamp(min=1)


@torch.no_grad()
def _click_accuracy(masks: Tensor, coords: Tensor, labels: Tensor) -> float:
    """Share of clicked pixels on the right side of (B, h, w) logits; NaN without clicks."""
    logits, clicked = _at_clicks(masks, coords, labels)
    return ((logits > 0) & clicked).sum().item() / clicked.sum().item() if clicked.any() else math.nan
