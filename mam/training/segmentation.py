"""Stage 1: image encoder, prompt encoder and mask decoder from scratch, on simulated prompts in two rounds."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mam.nets.encoder import pooled
from mam.nets.sam import FRAME, Sam
from mam.training import prompts
from mam.training.losses import mask_iou, mask_losses

MEAN = torch.tensor((123.675, 116.28, 103.53)).reshape(1, 3, 1, 1)
STD = torch.tensor((58.395, 57.12, 57.375)).reshape(1, 3, 1, 1)


def normalise(images: Tensor, valid: Tensor) -> Tensor:
    """(B, S, S, 3) uint8 with (B, 2) valid h, w -> (B, 3, S, S) float32, zero outside the valid part."""
    x = (images.permute(0, 3, 1, 2).float() - MEAN.to(images.device)) / STD.to(images.device)
    rows = torch.arange(x.shape[2], device=x.device).reshape(1, 1, -1, 1) < valid[:, 0].reshape(-1, 1, 1, 1)
    columns = torch.arange(x.shape[3], device=x.device).reshape(1, 1, 1, -1) < valid[:, 1].reshape(-1, 1, 1, 1)
    return x * (rows & columns)


@torch.no_grad()
def start_with_places(sam: Sam) -> None:
    """Let the decoder's cross attentions start from "near": the same projection for queries and keys.

    The positional encodings of a prompt and of a cell have an inner product that falls with their distance, and a shared
    random projection keeps it. From independent ones the decoder needs thousands of pictures to notice the prompts.
    """
    transformer = sam.mask_decoder.transformer
    attentions = [transformer.final_attn_token_to_image]
    for layer in transformer.layers:
        attentions += [layer.cross_attn_token_to_image, layer.cross_attn_image_to_token]
    for attention in attentions:
        attention.q_proj.weight.mul_(1.7)
        attention.k_proj.weight.copy_(attention.q_proj.weight)


# What the simulated user does in ten steps, over and over: how many rounds of corrections follow the first prompt.
_ROUNDS = (0, 1, 0, 1, 0, 2, 0, 1, 0, 4)


def segmentation_loss(sam: Sam, batch: dict[str, Tensor], pool: int, step: int) -> tuple[Tensor, dict[str, float]]:
    """Loss of one batch: of the answer to the first prompt, and of the answer after the last correction.

    Args:
        sam: the network; its encoder reads the batch's pictures as already shrunk.
        batch: from `mam.training.data.Segments`.
        pool: average the embedding over pool x pool cells first; 2 makes the decoder four times cheaper.
        step: decides the kinds of prompts and the number of rounds, alike in all processes.

    Returns:
        The loss and figures to print.
    """
    target = batch["mask"]
    x = normalise(batch["image"], batch["valid"]).contiguous(memory_format=torch.channels_last)
    embeddings = sam.image_encoder.read(x)
    if pool > 1:
        embeddings = pooled(embeddings, pool)
    side = embeddings.shape[-1] * 4
    small = F.interpolate(target.unsqueeze(1).float(), (side, side), mode="area").squeeze(1) > 0.5

    b = len(target)
    boxed = (torch.rand(b, device=x.device) < 0.55) & ~prompts.surroundings(target, batch["valid"])
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
        # Now and then nothing new: a second look at the same object with the old logits.
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
    """Boxes where `boxed`, clicks elsewhere; in some steps scribbles for all, or boxes with a click inside."""
    b = len(target)
    click, nothing = prompts.clicks(target).unsqueeze(1), target.new_zeros(b, 1, 2, dtype=torch.float32)
    one = click.new_ones(b, 1)
    if step % 10 == 7:
        stroke = [prompts.clicks(target, deep=0.3).unsqueeze(1) for _ in range(int(torch.randint(3, 7, ())))]
        return torch.cat([*stroke, nothing], 1), torch.cat([one] * len(stroke) + [-one], 1)
    corners = prompts.loosened(prompts.boxes(target), valid * (FRAME / target.shape[-1]))
    kinds = click.new_tensor([[2.0, 3.0]]).expand(b, -1)
    if step % 10 == 2:
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
    """Loss (), IoU (B) and logits (B, 1, h, w) of the candidate that the product would use."""
    masks, quality = sam.answer(embeddings, coords, labels, before, given)
    losses, iou = mask_losses(masks, target), mask_iou(masks, target)
    loss = _candidates(losses).mean() + F.mse_loss(quality, iou)
    with torch.no_grad():
        chosen = masks[:, :1] if corrected else sam.lone_answer(masks, quality)
        return loss, mask_iou(chosen, target).squeeze(1), chosen.detach()


def _candidates(losses: Tensor) -> Tensor:
    """Mask 0 answers every prompt; of masks 1..3 the best one learns most, so that they differ. (B, 4) -> (B)."""
    return losses[:, 0] + 0.8 * losses[:, 1:].amin(1) + 0.2 * losses[:, 1:].mean(1)
