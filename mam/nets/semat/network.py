"""SEMat: a matte from an image and a box around the object. Its tensors have the authors' names.

Source: Xia et al. 2024, "Towards Natural Image Matting in the Wild via Real-Scenario Prior"; XiaRho/SEMat,
configs/SEMat_SAM.py and modeling/meta_arch/sam_hq_matting.py. The networks here are built from segment_anything's.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mam.model.frames import SIDE
from mam.model.variants import SEMAT, SamM2M, SematSizes
from mam.nets.resample import resample
from mam.nets.sam import CELL, Sam
from mam.nets.segment_anything import segment_anything_modeling
from mam.nets.semat.details import DetailDecoder
from mam.nets.semat.lora import LoraConv2d, LoraLinear

_TOKENS = 3  # background, unknown and foreground of the trimap


class SematNetwork(nn.Module):
    """SEMat.

    SAM's image encoder has LoRA and sees the box as a fourth channel; three tokens in its mask decoder answer with a
    trimap, from which the decoder of details computes the alpha.

    Args:
        sizes: sizes of the networks.
    """

    def __init__(self, sizes: SematSizes = SEMAT) -> None:
        super().__init__()
        parts, width = segment_anything_modeling(), sizes.encoder.embed_dim
        self.sam_model = Sam(SamM2M(sizes.encoder, sizes.decoder_mlp))
        encoder = self.sam_model.image_encoder
        _adapt(encoder, sizes.rank)
        # peft's wrappers.
        self.sam_model.image_encoder = nn.ModuleDict({"base_model": nn.ModuleDict({"model": encoder})})
        _add_matting_tokens(self.sam_model.mask_decoder, width)
        embed = parts.image_encoder.PatchEmbed((CELL, CELL), (CELL, CELL), in_chans=4, embed_dim=width)
        self.condition_layer = nn.ModuleDict({"patch_embed": embed})
        self.matting_decoder = DetailDecoder(width, sizes.widths)

    @property
    def encoder(self) -> Any:
        """SAM's image encoder."""
        return self.get_submodule("sam_model.image_encoder.base_model.model")

    def forward(self, image: Tensor, box: Tensor) -> Tensor:
        """Compute the matte of the object in a box.

        Args:
            image: (1, 3, 1024, 1024) float32, normalised, input frame; the padding is black before it is normalised.
            box: (1, 4) float32: x0, y0, x1, y1 in the input frame, of the outermost pixels of the object.

        Returns:
            alpha (1, 1, 1024, 1024) float32 in [0, 1].
        """
        embeddings, features = self.encode(image, box)
        trimap = resample(self.predict_trimap(embeddings, features[0], box), SIDE // (4 * embeddings.shape[-1]))
        alpha: Tensor = self.matting_decoder(image, trimap, features)
        return alpha

    def encode(self, image: Tensor, box: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Encode an image for one box; arguments as of `forward`.

        Returns:
            The embedding, (1, 256, 64, 64), and the features after each block with global attention, (1, 64, 64, C).
        """
        encoder = self.encoder
        x = encoder.patch_embed(image) + self.condition_layer["patch_embed"](torch.cat([image, _draw(box)], 1))
        x = x + encoder.pos_embed
        features = []
        for block in encoder.blocks:
            x = block(x)
            if block.window_size == 0:
                features.append(x)
        return encoder.neck(x.permute(0, 3, 1, 2)), features

    def predict_trimap(self, embeddings: Tensor, early: Tensor, box: Tensor) -> Tensor:
        """Predict the trimap of the object in a box.

        Args:
            embeddings: from `encode`.
            early: the first of its features.
            box: as for `forward`.

        Returns:
            (1, 3, 256, 256) float32 logits.
        """
        sam, decoder = self.sam_model, self.sam_model.mask_decoder
        sparse = sam.embed_points(box.reshape(1, 2, 2), torch.tensor([[2.0, 3.0]]))
        dense = sam.prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1)
        kinds = decoder.iou_token, decoder.mask_tokens, decoder.matting_hf_token
        tokens, source, _ = sam.attend(embeddings, torch.cat([kind.weight for kind in kinds]), sparse, dense)
        first = sum(len(kind.weight) for kind in kinds[:2])
        weights = torch.stack([decoder.matting_hf_mlp(tokens[:, first + i]) for i in range(_TOKENS)], 1)
        pixels = decoder.matting_embedding_maskfeature(decoder.output_upscaling(source))
        pixels = pixels + decoder.matting_embedding_encoder(embeddings)
        pixels = pixels + decoder.matting_compress_vit_feat(early.permute(0, 3, 1, 2))
        return (weights @ pixels.flatten(2)).reshape(1, _TOKENS, *pixels.shape[2:])


def _adapt(encoder: nn.Module, rank: int) -> None:
    """Add LoRA to the patch embedding and to every attention's projections."""
    for name, layer in list(encoder.named_modules()):
        if isinstance(layer, nn.Conv2d) and name.endswith(".proj"):
            encoder.set_submodule(name, LoraConv2d(layer, rank))
        elif isinstance(layer, nn.Linear) and name.endswith((".qkv", ".proj")):
            encoder.set_submodule(name, LoraLinear(layer, rank))


def _add_matting_tokens(decoder: Any, width: int) -> None:
    """Add the three tokens, and the layers for their pixels' features.

    Args:
        decoder: SAM's mask decoder.
        width: channels of the encoder's features.
    """
    parts = segment_anything_modeling()
    layer_norm = parts.common.LayerNorm2d
    decoder.matting_hf_token = nn.Embedding(_TOKENS, 256)
    decoder.matting_hf_mlp = parts.mask_decoder.MLP(256, 256, 32, 3)

    def enlarge(cin: int, middle: int) -> nn.Sequential:
        first, second = nn.ConvTranspose2d(cin, middle, 2, 2), nn.ConvTranspose2d(middle, 32, 2, 2)
        return nn.Sequential(first, layer_norm(middle), nn.GELU(), second)

    decoder.matting_compress_vit_feat = enlarge(width, 256)
    decoder.matting_embedding_encoder = enlarge(256, 64)
    decoder.matting_embedding_maskfeature = nn.Sequential(
        nn.Conv2d(32, 64, 3, padding=1), layer_norm(64), nn.GELU(), nn.Conv2d(64, 32, 3, padding=1)
    )


def _draw(box: Tensor) -> Tensor:
    """Draw a box, (1, 4) -> (1, 1, 1024, 1024) float32: 1 from its first row and column up to before its last."""
    x0, y0, x1, y1 = box.floor().reshape(4, 1).unbind()
    place = torch.arange(SIDE, device=box.device)
    columns, rows = (place >= x0) & (place < x1), (place >= y0) & (place < y1)
    return (rows[:, None] & columns).float()[None, None]
