"""Image encoder and mask decoder of `tiny` as one module, with the methods of `mam.nets.sam.Sam`."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from mam.model.variants import Tiny
from mam.nets.tiny.decoder import PromptDecoder
from mam.nets.tiny.encoder import ImageEncoder


class Segmenter(nn.Module):
    """Stands in for SAM in `tiny`.

    Args:
        config: sizes.
    """

    def __init__(self, config: Tiny) -> None:
        super().__init__()
        self.image_encoder = ImageEncoder(config.backbone, config.read_side, config.high_res)
        self.mask_decoder = PromptDecoder(config.decoder, config.high_res)

    def encode(self, image: Tensor) -> tuple[Tensor, ...]:
        """Encode images; see `ImageEncoder.forward`."""
        features: tuple[Tensor, ...] = self.image_encoder(image)
        return features

    def predict_masks(
        self,
        features: Sequence[Tensor],
        point_coords: Tensor,
        point_labels: Tensor,
        mask_input: Tensor,
        has_mask_input: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Predict four masks, and their quality, from `encode`'s tensors and what `PromptDecoder.forward` takes."""
        masks, quality = self.mask_decoder(*features, point_coords, point_labels, mask_input, has_mask_input)
        return masks, quality

    def select_single_mask(self, low_res_masks: Tensor, iou_predictions: Tensor) -> Tensor:
        """Select mask 0, which answers every prompt, (B, 4, h, w) -> (B, 1, h, w)."""
        return low_res_masks[:, :1]
