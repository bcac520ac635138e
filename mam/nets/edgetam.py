"""EdgeTAM for images: transformers' `EdgeTamModel` with the arguments and results of `mam.nets.sam.Sam`.

Its tensors have the names of the file on the Hugging Face hub, apart from those for video, which it does not have.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence

import torch
from torch import Tensor

from mam.model.variants import RepViT


def _import_timm() -> None:
    """Import timm, which has the image encoder, and torchvision, which timm needs.

    A torchvision from PyPI cannot load its compiled operators beside a CPU-only torch. Then its import fails, because
    it describes operators that do not exist; nothing here calls them.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        for name in ("nms", "qnms"):
            _OPERATORS.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    importlib.import_module("timm")


_OPERATORS = torch.library.Library("torchvision", "FRAGMENT")
_import_timm()

from transformers import EdgeTamConfig, EdgeTamModel, EdgeTamVisionConfig, TimmWrapperConfig  # noqa: E402
from transformers.models.edgetam.modeling_edgetam import EdgeTamMaskDecoder  # noqa: E402


class EdgeTam(EdgeTamModel):
    """EdgeTAM without its memory of a video's earlier frames.

    Args:
        encoder: its image encoder.
    """

    def __init__(self, encoder: RepViT) -> None:
        levels = {"in_chans": 3, "features_only": True, "out_indices": (0, 1, 2, 3)}
        backbone = TimmWrapperConfig(architecture=encoder.name, model_args=levels)
        config = EdgeTamConfig(vision_config=EdgeTamVisionConfig(backbone_config=backbone))
        config._attn_implementation = "eager"
        super().__init__(config)
        # One tensor for two modules that have equal ones: files of older releases hold only the first.
        embedding = self.shared_image_embedding
        del self.prompt_encoder.shared_embedding
        object.__setattr__(self.prompt_encoder, "shared_embedding", embedding)
        self.mask_decoder.__class__ = _FourMasks

    @property
    def image_encoder(self) -> torch.nn.Module:
        """The image encoder."""
        return self.vision_encoder

    def encode(self, image: Tensor) -> tuple[Tensor, ...]:
        """Encode an image, (1, 3, 1024, 1024) float32, normalised.

        Returns:
            image_embeddings (1, 256, 64, 64), high_res_feats_0 (1, 32, 256, 256), high_res_feats_1 (1, 64, 128, 128).
        """
        fine, middle, embeddings = self.get_image_embeddings(image)
        return embeddings, fine, middle

    def predict_masks(
        self,
        features: Sequence[Tensor],
        point_coords: Tensor,
        point_labels: Tensor,
        mask_input: Tensor,
        has_mask_input: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Predict four masks for each prompt, and their quality; takes and returns what `Sam.predict_masks` does.

        Every prompt has a padding point, labelled -1. Mask 0 is replaced by the best of the others where it is
        unstable, as SAM 2 does.
        """
        embeddings, *high_res = features
        prompts = self.prompt_encoder
        # transformers' axes are images and prompts; here each prompt is an image, because it has a mask of its own.
        sparse = prompts._embed_points(point_coords[:, None], point_labels[:, None].long(), pad=False)
        has_mask = has_mask_input.reshape(-1, 1, 1, 1)
        no_mask = prompts.no_mask_embed.weight.reshape(1, -1, 1, 1)
        dense = prompts.mask_embed(mask_input) * has_mask + no_mask * (1 - has_mask)
        masks, quality, *_ = self.mask_decoder(
            image_embeddings=embeddings.expand(point_coords.shape[0], -1, -1, -1),
            image_positional_embeddings=self.get_image_wide_positional_embeddings(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=False,
            high_resolution_features=high_res,
        )
        return masks[:, 0], quality[:, 0]

    def select_single_mask(self, low_res_masks: Tensor, iou_predictions: Tensor) -> Tensor:
        """Select the mask for a box, (B, 4, h, w) -> (B, 1, h, w)."""
        return low_res_masks[:, :1]


class _FourMasks(EdgeTamMaskDecoder):
    """The decoder with all masks in its answer: the single answer, and the three alternatives."""

    def _dynamic_multimask_via_stability(
        self, all_mask_logits: Tensor, all_iou_scores: Tensor
    ) -> tuple[Tensor, Tensor]:
        logits, scores = super()._dynamic_multimask_via_stability(all_mask_logits, all_iou_scores)
        return torch.cat([logits, all_mask_logits[:, :, 1:]], 2), torch.cat([scores, all_iou_scores[:, :, 1:]], 2)
