"""Stage 1: image encoder, prompt encoder and mask decoder from scratch, on simulated prompts in two rounds."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mam.nets.sam import Sam, best_mask
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


def segmentation_loss(sam: Sam, batch: dict[str, Tensor], pool: int, correct: bool) -> tuple[Tensor, dict[str, float]]:
    """Loss of one batch.

    Args:
        sam: the network; its encoder reads the batch's pictures as already shrunk.
        batch: from `mam.training.data.Segments`.
        pool: average the embedding over pool x pool cells first; 2 makes the decoder four times cheaper.
        correct: answer a corrective click in a second round too.

    Returns:
        The loss and figures to print.
    """
    target = batch["mask"]
    x = normalise(batch["image"], batch["valid"]).contiguous(memory_format=torch.channels_last)
    embeddings = sam.image_encoder.read(x)
    if pool > 1:
        embeddings = F.avg_pool2d(embeddings, pool)
    side = embeddings.shape[-1] * 4
    small = F.interpolate(target.unsqueeze(1).float(), (side, side), mode="area").squeeze(1) > 0.5

    # Half the pictures get a box (two corners), half a click and SAM's padding point: two points each.
    b = len(target)
    boxed = torch.rand(b, device=x.device) < 0.5
    click = torch.stack([prompts.clicks(target), torch.zeros(b, 2, device=x.device)], 1)
    coords = torch.where(boxed[:, None, None], prompts.boxes(target), click)
    labels = torch.where(boxed[:, None], x.new_tensor([[2.0, 3.0]]), x.new_tensor([[1.0, -1.0]]))
    nothing = x.new_zeros(b, 1, side, side)

    masks, quality = sam.decode(embeddings, *sam.embed_prompts(coords, labels, nothing, x.new_zeros(b)))
    losses = mask_losses(masks, small)
    iou = mask_iou(masks, small)
    loss = _candidates(losses).mean() + F.mse_loss(quality, iou)
    with torch.no_grad():
        chosen = best_mask(masks, quality)
        got = mask_iou(chosen, small).squeeze(1)
        figures = {
            "box": got[boxed].mean().item() if boxed.any() else float("nan"),
            "click": got[~boxed].mean().item() if not boxed.all() else float("nan"),
        }
    if correct:
        # The corrective click and, mostly, the logits of the first round.
        xy, sign = prompts.corrections(chosen.squeeze(1) > 0, small)
        coords, labels = torch.cat([coords, xy.unsqueeze(1)], 1), torch.cat([labels, sign.unsqueeze(1)], 1)
        given = (torch.rand(b, device=x.device) < 0.7).float()
        masks, quality = sam.decode(
            embeddings, *sam.embed_prompts(coords, labels, chosen.clamp(-32, 32), given)
        )
        losses = mask_losses(masks, small)
        iou = mask_iou(masks, small)
        loss = loss + _candidates(losses).mean() + F.mse_loss(quality, iou)
        figures["corrected"] = iou[:, 0].mean().item()
    return loss, figures


def _candidates(losses: Tensor) -> Tensor:
    """Mask 0 answers every prompt; of masks 1..3 the best one learns most, so that they differ. (B, 4) -> (B)."""
    return losses[:, 0] + 0.8 * losses[:, 1:].amin(1) + 0.2 * losses[:, 1:].mean(1)
