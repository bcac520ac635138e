"""Loss of the segmentation stage: image encoder, prompt encoder and mask decoder, on simulated rounds of prompts."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mam.frames import PIXEL_MEAN, PIXEL_STD, SIDE
from mam.nets.encoder import CNNEncoder, pooled
from mam.nets.sam import Sam
from mam.training import prompts
from mam.training.losses import mask_iou, mask_losses

# The simulated user's rounds of corrections after the first prompt, in a cycle of ten steps.
_ROUNDS = (0, 1, 0, 1, 0, 2, 0, 1, 0, 4)
_SCRIBBLE_STEP, _MIXED_STEP = 7, 2  # of the same cycle: scribbles for all; boxes with a click inside for all


def normalise(images: Tensor, valid: Tensor) -> Tensor:
    """(B, S, S, 3) uint8 with (B, 2) valid h, w -> (B, 3, S, S) float32, zero in the padding; see `mam.frames`."""
    mean, std = (torch.tensor(v, device=images.device).reshape(1, 3, 1, 1) for v in (PIXEL_MEAN, PIXEL_STD))
    x = (images.permute(0, 3, 1, 2).float() - mean) / std
    rows = torch.arange(x.shape[2], device=x.device).reshape(1, 1, -1, 1) < valid[:, 0].reshape(-1, 1, 1, 1)
    columns = torch.arange(x.shape[3], device=x.device).reshape(1, 1, 1, -1) < valid[:, 1].reshape(-1, 1, 1, 1)
    return x * (rows & columns)


@torch.no_grad()
def tie_query_key_projections(sam: Sam) -> None:
    """Initialise the decoder's cross attentions with the same projection for queries and keys.

    The inner product of the positional encodings of a prompt and a cell falls with their distance, and a shared random
    projection preserves it, so that attention starts at nearby cells. With independent projections the decoder needs
    thousands of images before it responds to prompts at all.
    """
    transformer = sam.mask_decoder.transformer
    attentions = [transformer.final_attn_token_to_image]
    for layer in transformer.layers:
        attentions += [layer.cross_attn_token_to_image, layer.cross_attn_image_to_token]
    for attention in attentions:
        attention.q_proj.weight.mul_(1.7)
        attention.k_proj.weight.copy_(attention.q_proj.weight)


def segmentation_loss(sam: Sam, batch: dict[str, Tensor], pool: int, step: int) -> tuple[Tensor, dict[str, float]]:
    """Loss of one batch: that of the answer to the first prompt plus that of the answer after the last correction.

    Args:
        sam: a network with a `CNNEncoder`, which gets the batch's images as already downsampled.
        batch: from `mam.training.data.Segments`.
        pool: average the embedding over pool x pool cells first; 2 makes the decoder four times cheaper.
        step: decides the kinds of prompts and the number of rounds, equally in all processes.

    Returns:
        The loss, and figures to print.
    """
    encoder = sam.image_encoder
    assert isinstance(encoder, CNNEncoder), "a ViT is not trained here"
    target = batch["mask"]
    x = normalise(batch["image"], batch["valid"]).contiguous(memory_format=torch.channels_last)
    embeddings = encoder.read(x)
    if pool > 1:
        embeddings = pooled(embeddings, pool)
    side = embeddings.shape[-1] * 4
    small = F.interpolate(target.unsqueeze(1).float(), (side, side), mode="area").squeeze(1) > 0.5

    b = len(target)
    boxed = (torch.rand(b, device=x.device) < 0.55) & ~prompts.touches_all_edges(target, batch["valid"])
    coords, labels = first_prompts(target, batch["valid"], boxed, step)
    losses, iou, chosen = _answer(sam, embeddings, coords, labels, x.new_zeros(b, 1, side, side), x.new_zeros(b), small)
    loss = losses
    figures = {
        "box": iou[boxed].mean().item() if boxed.any() else float("nan"),
        "click": iou[~boxed].mean().item() if not boxed.all() else float("nan"),
    }
    rounds = _ROUNDS[step % len(_ROUNDS)]
    for number in range(1, rounds + 1):
        xy, sign = prompts.corrections(chosen.squeeze(1) > 0, small)
        # Sometimes there is no new click, only the earlier logits.
        sign = torch.where(torch.rand(b, device=x.device) < 0.1, -1.0, sign)
        coords, labels = torch.cat([coords, xy.unsqueeze(1)], 1), torch.cat([labels, sign.unsqueeze(1)], 1)
        given = (torch.rand(b, device=x.device) < 0.85).float()
        with torch.set_grad_enabled(number == rounds):
            losses, iou, chosen = _answer(
                sam, embeddings, coords, labels, chosen.clamp(-32, 32), given, small, corrected=True
            )
    if rounds:
        loss = loss + losses
        figures[f"after{rounds}"] = iou.mean().item()
    return loss, figures


def first_prompts(target: Tensor, valid: Tensor, boxed: Tensor, step: int) -> tuple[Tensor, Tensor]:
    """Boxes where `boxed`, clicks elsewhere; in some steps scribbles for all, or boxes with a click inside for all.

    Args:
        target: (B, S, S) bool.
        valid: (B, 2), h and w inside the padding.
        boxed: (B,) bool.
        step: decides the kind.

    Returns:
        Coordinates (B, N, 2) in the input frame and labels (B, N).
    """
    b = len(target)
    click, nothing = prompts.clicks(target).unsqueeze(1), target.new_zeros(b, 1, 2, dtype=torch.float32)
    one = click.new_ones(b, 1)
    if step % len(_ROUNDS) == _SCRIBBLE_STEP:
        stroke = [prompts.clicks(target, deep=0.3).unsqueeze(1) for _ in range(int(torch.randint(3, 7, ())))]
        return torch.cat([*stroke, nothing], 1), torch.cat([one] * len(stroke) + [-one], 1)
    corners = prompts.loosen_boxes(prompts.boxes(target), valid * (SIDE / target.shape[-1]))
    kinds = click.new_tensor([[2.0, 3.0]]).expand(b, -1)
    if step % len(_ROUNDS) == _MIXED_STEP:
        return torch.cat([corners, click], 1), torch.cat([kinds, one], 1)
    coords = torch.where(boxed[:, None, None], corners, torch.cat([click, nothing], 1))
    return coords, torch.where(boxed[:, None], kinds, torch.cat([one, -one], 1))


def _answer(
    sam: Sam,
    embeddings: Tensor,
    coords: Tensor,
    labels: Tensor,
    before: Tensor,
    given: Tensor,
    target: Tensor,
    corrected: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Loss (), IoU (B,) and logits (B, 1, h, w) of the candidate that inference would use."""
    masks, quality = sam.predict_masks(embeddings, coords, labels, before, given)
    losses, iou = mask_losses(masks, target), mask_iou(masks, target)
    loss = _combine_candidates(losses).mean() + F.mse_loss(quality, iou)
    with torch.no_grad():
        chosen = masks[:, :1] if corrected else sam.select_single_mask(masks, quality)
        return loss, mask_iou(chosen, target).squeeze(1), chosen.detach()


def _combine_candidates(losses: Tensor) -> Tensor:
    """Losses (B, 4) of the candidates -> (B,): mask 0, and mostly the best of masks 1..3, so that these differ."""
    return losses[:, 0] + 0.8 * losses[:, 1:].amin(1) + 0.2 * losses[:, 1:].mean(1)
