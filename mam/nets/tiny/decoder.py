"""The mask decoder of `tiny`: a small U-Net with attention that gets prompts as maps, with SAM's inputs and outputs.

Prompts of all kinds become channels beside the image's features: clicks, the box, the previous logits, and the
similarity of the features to those at the clicks. No prompt at all asks for the main object.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mam.model.frames import SIDE
from mam.nets.tiny.blocks import Attention, ResidualBlock, conv_bn, depthwise_bn, upsample

_REACH = (8.0, 40.0)  # standard deviations of a click's two blobs, pixels of the input frame
_BOX_EDGE = 6.0  # softness of a box's edge, likewise
_LOGIT_SCALE = 4.0  # previous logits are compressed by tanh(logit / scale)
_HEADS = 4
PROMPT_MAPS = 2 * len(_REACH) + 2


class PromptDecoder(nn.Module):
    """See the module's docstring.

    Args:
        widths: channels at strides 4, 8 and 16 of the downsampled image: 64, 32 and 16 cells per side.
        high_res: channels of the two levels above, 256 and 128 cells; those of the encoder's high-resolution features.
    """

    def __init__(self, widths: tuple[int, int, int] = (64, 128, 192), high_res: tuple[int, int] = (16, 32)) -> None:
        super().__init__()
        w4, w8, w16 = widths
        f0, f1 = high_res
        self.features = nn.Conv2d(256, w4, 1)
        # Click and box maps, previous logits and whether there are any, similarity to what was clicked on and off.
        self.prompts = conv_bn(PROMPT_MAPS + 2 + 2, w4, 3)
        self.stage4 = nn.Sequential(ResidualBlock(w4), ResidualBlock(w4))
        self.down8 = conv_bn(w4, w8, 3, 2)
        self.stage8 = nn.Sequential(ResidualBlock(w8), ResidualBlock(w8))
        self.down16 = conv_bn(w8, w16, 3, 2)
        self.position = depthwise_bn(w16, 7)
        mixed = (layer for _ in range(3) for layer in (ResidualBlock(w16), Attention(w16, _HEADS)))
        self.stage16 = nn.Sequential(*mixed, ResidualBlock(w16))
        self.up8, self.merge8 = nn.Conv2d(w16, w8, 1), nn.Sequential(ResidualBlock(w8), ResidualBlock(w8))
        self.up4, self.merge4 = nn.Conv2d(w8, w4, 1), nn.Sequential(ResidualBlock(w4), ResidualBlock(w4))
        self.up2, self.merge2 = nn.Conv2d(w4, f1, 1), conv_bn(f1 + f1 + PROMPT_MAPS + 1, f1, 3)
        self.refine2 = conv_bn(f1, f1, 3)
        self.masks2 = nn.Conv2d(f1, 4, 3, padding=1)
        self.up1, self.merge1 = nn.Conv2d(f1, f0, 1), conv_bn(f0 + f0 + PROMPT_MAPS + 1, f0, 3)
        self.masks1 = nn.Conv2d(f0, 4, 3, padding=1)
        nn.init.zeros_(self.masks1.weight)  # the finest level starts with the masks of the one below
        if self.masks1.bias is not None:
            nn.init.zeros_(self.masks1.bias)
        self.quality = nn.Sequential(nn.Linear(w16 + 2 * w4 + 3, 128), nn.ReLU(), nn.Linear(128, 1))

    def forward(
        self,
        image_embeddings: Tensor,
        high_res_feats_0: Tensor,
        high_res_feats_1: Tensor,
        point_coords: Tensor,
        point_labels: Tensor,
        mask_input: Tensor,
        has_mask_input: Tensor,
        coarse: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Four masks for each prompt, and their quality.

        Args:
            image_embeddings: (B or 1, 256, h, w) float32; a single image is shared by all prompts.
            high_res_feats_0: (B or 1, 16, 4h, 4w) float32.
            high_res_feats_1: (B or 1, 32, 2h, 2w) float32.
            point_coords: (B, N, 2) float32, x and y in pixels of the input frame.
            point_labels: (B, N) float32: 1 foreground, 0 background, 2 and 3 box corners, -1 padding.
            mask_input: (B, 1, 4h, 4w) float32 logits of an earlier round.
            has_mask_input: (B,) float32, 1 where `mask_input` counts, else 0.
            coarse: leave the finest level out: masks of (2h, 2w). Faster, for the first part of training.

        Returns:
            `low_res_masks` (B, 4, 4h, 4w) logits: mask 0 for every prompt, 1 to 3 as alternatives for an ambiguous one.
            `iou_predictions` (B, 4) in [0, 1].
        """
        b, side = point_coords.shape[0], image_embeddings.shape[-1]
        given = has_mask_input.reshape(-1, 1, 1, 1)
        before = torch.tanh(mask_input / _LOGIT_SCALE) * given
        before2 = F.avg_pool2d(before, 2)
        before4 = F.avg_pool2d(before2, 2)
        maps4, maps2 = (prompt_maps(point_coords, point_labels, n) for n in (side, 2 * side))

        features = F.relu(self.features(image_embeddings))
        similarity = torch.cat([_similarity(features, maps4[:, i : i + 1]) for i in (0, 1)], 1)
        features, fine1 = features.expand(b, -1, -1, -1), high_res_feats_1.expand(b, -1, -1, -1)
        seen = [maps4, before4, given.expand(-1, -1, side, side), similarity]
        x4 = self.stage4(features + F.relu(self.prompts(torch.cat(seen, 1))))
        x8 = self.stage8(F.relu(self.down8(x4)))
        x16 = F.relu(self.down16(x8))
        x16 = self.stage16(x16 + self.position(x16))
        y8 = self.merge8(x8 + upsample(self.up8(x16)))
        y4 = self.merge4(x4 + upsample(self.up4(y8)))
        y2 = F.relu(self.merge2(_join(upsample(self.up2(y4)), fine1, maps2, before2)))
        y2 = y2 + F.relu(self.refine2(y2))
        masks = self.masks2(y2)
        if not coarse:
            maps1 = prompt_maps(point_coords, point_labels, 4 * side)
            fine0 = high_res_feats_0.expand(b, -1, -1, -1)
            y1 = F.relu(self.merge1(_join(upsample(self.up1(y2)), fine0, maps1, before)))
            masks = upsample(masks) + self.masks1(y1)
        return masks, self._quality(masks, x16, y4, 2 if coarse else 4)

    def _quality(self, masks: Tensor, x16: Tensor, y4: Tensor, scale: int) -> Tensor:
        """Predict the IoU of each mask, (B, 4), from the features inside and around it and from its certainty.

        The masks are `scale` times as large as `y4`.
        """
        chance = F.avg_pool2d(masks, scale).detach().sigmoid().flatten(2)  # (B, 4, N)
        hard = (chance > 0.5).to(chance.dtype)
        area = chance.mean(2)
        expected = (chance * hard).sum(2) / (torch.maximum(chance, hard).sum(2) + 1e-3)
        flat = y4.flatten(2).transpose(1, 2)  # (B, N, C)
        inside = chance @ flat / (chance.sum(2, keepdim=True) + 1)
        around = 4 * chance * (1 - chance)
        edge = around @ flat / (around.sum(2, keepdim=True) + 1)
        whole = x16.mean((2, 3)).unsqueeze(1).expand(-1, 4, -1)
        facts = torch.stack([area, expected, around.mean(2)], 2)
        return self.quality(torch.cat([whole, inside, edge, facts], 2)).squeeze(2).sigmoid()


def prompt_maps(coords: Tensor, labels: Tensor, side: int) -> Tensor:
    """Draw prompts as images.

    Args:
        coords: (B, N, 2) in the input frame.
        labels: (B, N), as for `PromptDecoder.forward`.
        side: the maps' side.

    Returns:
        (B, 6, side, side): for a small and a large reach, clicks on the object and clicks off it, all 0 to 1; the
        inside of the box, 0 to 1; whether there is a box, 0 or 1.
    """
    at = (torch.arange(side, device=coords.device, dtype=coords.dtype) + 0.5) * (SIDE / side)
    offset = at - coords.unsqueeze(-1)  # (B, N, 2, side)
    maps = []
    for reach in _REACH:
        # Not narrower than a cell, so that no click falls between two of them.
        near = torch.exp(-((offset / max(reach, 0.6 * SIDE / side)) ** 2) / 2)
        for kind in (1, 0):
            rows = near[:, :, 1] * (labels == kind).unsqueeze(-1)
            # A sum over points is a matrix product; a maximum would take memory for every point.
            maps.append((rows.transpose(1, 2) @ near[:, :, 0]).clamp(max=1.0))
    boxed = (labels == 2).any(1).to(coords.dtype)[:, None, None]
    first, last = ((offset * (labels == kind)[..., None, None]).sum(1) for kind in (2, 3))
    inside = torch.sigmoid(first / _BOX_EDGE) * torch.sigmoid(-last / _BOX_EDGE)  # (B, 2, side)
    box = inside[:, 1, :, None] * inside[:, 0, None, :] * boxed
    return torch.stack([*maps, box, boxed.expand_as(box)], 1)


def _join(features: Tensor, *others: Tensor) -> Tensor:
    """Concatenate channels, in the features' dtype; in training in one memory format too, which is faster."""
    layout = torch.channels_last if features.requires_grad else torch.preserve_format
    return torch.cat([features, *(other.to(features.dtype, memory_format=layout) for other in others)], 1)


def _similarity(features: Tensor, clicked: Tensor) -> Tensor:
    """Cosine of the features, (B or 1, C, h, w), with their mean where (B, 1, h, w) is clicked; 0 where nothing is."""
    unit = F.normalize(features, dim=1)
    there = (clicked.amax((2, 3), keepdim=True) > 0.1).to(unit.dtype)
    weights = clicked**2
    mean = (unit * weights).sum((2, 3), keepdim=True) / (weights.sum((2, 3), keepdim=True) + 1e-4)
    return (unit * F.normalize(mean + 1e-6, dim=1)).sum(1, keepdim=True) * there
