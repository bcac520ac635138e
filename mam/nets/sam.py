"""SAM, built from segment_anything's own modules: image encoder, prompt encoder, mask decoder.

The forward functions compute the same as Meta's, with a batch axis: one decoder call answers many prompts, either all
for one image or each for its own image.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mam.model.frames import SIDE
from mam.model.variants import RepViT, SamM2M, TinyViT, ViT
from mam.nets.mobile_sam.tiny_vit import TinyViTEncoder
from mam.nets.segment_anything import segment_anything_modeling

CELL = 16  # pixels of the input frame per cell of the embedding, in each direction


class Sam(nn.Module):
    """SAM without post-processing; its tensors have Meta's names, so that Meta's checkpoints load strictly.

    Args:
        config: sizes of the image encoder and the decoder.
        multimask: whether `select_single_mask` chooses among masks 1 to 3.
    """

    # Meta's buffers for pixel mean and std are left out: images are normalised before the graph; see mam.model.frames.
    def __init__(self, config: SamM2M, multimask: bool = True) -> None:
        super().__init__()
        parts = segment_anything_modeling()
        self.multimask = multimask
        self.image_encoder = _image_encoder(config.encoder)
        self.prompt_encoder = parts.PromptEncoder(
            embed_dim=256,
            image_embedding_size=(SIDE // CELL, SIDE // CELL),
            input_image_size=(SIDE, SIDE),
            mask_in_chans=16,
        )
        self.mask_decoder = parts.MaskDecoder(
            num_multimask_outputs=3,
            transformer=parts.TwoWayTransformer(depth=2, embedding_dim=256, mlp_dim=config.decoder_mlp, num_heads=8),
            transformer_dim=256,
            iou_head_depth=3,
            iou_head_hidden_dim=256,
        )

    def encode(self, image: Tensor) -> tuple[Tensor, ...]:
        """Encode images, (B, 3, 1024, 1024) float32, normalised -> image_embeddings (B, 256, 64, 64) alone."""
        return (self.image_encoder(image),)

    def predict_masks(
        self,
        features: Sequence[Tensor],
        point_coords: Tensor,
        point_labels: Tensor,
        mask_input: Tensor,
        has_mask_input: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Predict four masks for each prompt, and their quality.

        Args:
            features: from `encode`, (B or 1, 256, h, w) float32; a single image is shared by all prompts.
            point_coords: (B, N, 2) float32; see `embed_prompts`.
            point_labels: (B, N) float32; see `embed_prompts`.
            mask_input: (B, 1, 4h, 4w) float32; see `embed_prompts`.
            has_mask_input: (B,) float32; see `embed_prompts`.

        Returns:
            `low_res_masks` (B, 4, 4h, 4w) and `iou_predictions` (B, 4), float32. Mask 0 is the single answer, for
            several clicks; masks 1 to 3 are the alternatives for a single prompt. The masks are logits.
        """
        sparse, dense = self.embed_prompts(point_coords, point_labels, mask_input, has_mask_input)
        (image_embeddings,) = features
        return self.decode(image_embeddings, sparse, dense)

    def embed_prompts(
        self, point_coords: Tensor, point_labels: Tensor, mask_input: Tensor, has_mask_input: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Embed prompts as sparse tokens and a dense embedding.

        Args:
            point_coords: (B, N, 2) float32, x and y in pixels of the input frame.
            point_labels: (B, N) float32: 1 foreground, 0 background, 2 and 3 box corners, -1 padding.
            mask_input: (B, 1, 4h, 4w) float32 logits of an earlier round, h x w cells of the embedding.
            has_mask_input: (B,) float32, 1 where `mask_input` is used, else 0.

        Returns:
            Sparse embeddings (B, N, 256) and dense embeddings (B, 256, h, w).

        Source: segment_anything/modeling/prompt_encoder.py, segment_anything/utils/onnx.py.
        """
        encoder = self.prompt_encoder
        sparse = self.embed_points(point_coords, point_labels)
        has_mask = has_mask_input.reshape(-1, 1, 1, 1)
        dense = encoder.mask_downscaling(mask_input) * has_mask
        dense = dense + encoder.no_mask_embed.weight.reshape(1, -1, 1, 1) * (1 - has_mask)
        return sparse, dense

    def embed_points(self, point_coords: Tensor, point_labels: Tensor) -> Tensor:
        """Embed points as sparse tokens, (B, N, 256); arguments as of `embed_prompts`."""
        encoder = self.prompt_encoder
        labels = point_labels.unsqueeze(-1)
        # (2u - 1) @ G, as in Meta's pe_layer, but not in place, so that traced graphs do not contain ScatterND.
        unit = 2 * ((point_coords + 0.5) / SIDE) - 1
        angle = 2 * torch.pi * (unit @ encoder.pe_layer.positional_encoding_gaussian_matrix)
        position = torch.cat([angle.sin(), angle.cos()], dim=-1)
        kinds = [encoder.not_a_point_embed, *encoder.point_embeddings]
        sparse = torch.where(labels == -1, torch.zeros_like(position), position)
        for label, embedding in zip((-1, 0, 1, 2, 3), kinds, strict=True):
            sparse = sparse + embedding.weight * (labels == label)
        return sparse

    def decode(self, image_embeddings: Tensor, sparse: Tensor, dense: Tensor) -> tuple[Tensor, Tensor]:
        """Decode masks from an image embedding and embedded prompts.

        Args:
            image_embeddings: (B or 1, 256, h, w) float32; a single image is shared by all prompts.
            sparse: (B, N, 256) float32, from `embed_prompts`.
            dense: (B, 256, h, w) float32, from `embed_prompts`.

        Returns:
            Mask logits (B, 4, 4h, 4w) and predicted IoU (B, 4).

        Source: segment_anything/modeling/mask_decoder.py, `predict_masks`.
        """
        decoder = self.mask_decoder
        output_tokens = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
        tokens, source, (b, h, w) = self.attend(image_embeddings, output_tokens, sparse, dense)
        upscaled = decoder.output_upscaling(source)
        weights = torch.stack([mlp(tokens[:, 1 + i]) for i, mlp in enumerate(decoder.output_hypernetworks_mlps)], dim=1)
        masks = (weights @ upscaled.flatten(2)).reshape(b, -1, 4 * h, 4 * w)
        return masks, decoder.iou_prediction_head(tokens[:, 0])

    def attend(
        self, image_embeddings: Tensor, output_tokens: Tensor, sparse: Tensor, dense: Tensor
    ) -> tuple[Tensor, Tensor, tuple[int, int, int]]:
        """Run the decoder's transformer.

        Args:
            image_embeddings: as for `decode`.
            output_tokens: (T, 256) float32, which answer.
            sparse: as for `decode`.
            dense: as for `decode`, or (1, 256, 1, 1).

        Returns:
            The tokens, (B, T + N, 256); the image's features, (B, 256, h, w); and B, h and w, since reading them again
            would add nodes to a traced graph.
        """
        b = sparse.shape[0]
        tokens = torch.cat([output_tokens.unsqueeze(0).expand(b, -1, -1), sparse], dim=1)
        source = image_embeddings + dense
        h, w = source.shape[-2:]
        position = self.prompt_encoder.pe_layer((h, w)).unsqueeze(0).expand(b, -1, -1, -1)
        tokens, source = self.mask_decoder.transformer(source, position, tokens)
        return tokens, source.transpose(1, 2).reshape(b, 256, h, w), (b, h, w)

    def select_single_mask(self, low_res_masks: Tensor, iou_predictions: Tensor) -> Tensor:
        """Select the mask for a single box or click.

        Args:
            low_res_masks: (B, 4, h, w) float32 logits.
            iou_predictions: (B, 4) float32.

        Returns:
            (B, 1, h, w) float32 logits.
        """
        if not self.multimask:
            return low_res_masks[:, :1]
        index = 1 + iou_predictions[:, 1:].argmax(dim=1)  # the highest of masks 1 to 3, as MAM does
        return low_res_masks[torch.arange(len(index), device=index.device), index].unsqueeze(1)


def _image_encoder(config: ViT | TinyViT | RepViT) -> nn.Module:
    if isinstance(config, TinyViT):
        return TinyViTEncoder(config)
    assert isinstance(config, ViT)  # `mam.nets.edgetam` has the third
    return segment_anything_modeling().ImageEncoderViT(
        depth=config.depth,
        embed_dim=config.embed_dim,
        img_size=SIDE,
        mlp_ratio=4,
        norm_layer=functools.partial(nn.LayerNorm, eps=1e-6),
        num_heads=config.num_heads,
        patch_size=CELL,
        qkv_bias=True,
        use_rel_pos=True,
        global_attn_indexes=list(config.global_attn_indexes),
        window_size=14,
        out_chans=256,
    )
