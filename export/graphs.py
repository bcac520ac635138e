"""The three torch modules that are traced: their arguments and results are the contract's tensors, in its order."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mam.contract import EMBEDDING, IMAGE_ENCODER, MASK_DECODER, MASK_SIDE, MATTE, Graph
from mam.frames import SIDE
from mam.nets.mam import MattingAnything


class ImageEncoder(nn.Module):
    """`image_encoder.onnx`."""

    def __init__(self, model: MattingAnything) -> None:
        super().__init__()
        self.encoder = model.sam.image_encoder

    def forward(self, image: Tensor) -> Tensor:
        """`image` -> `image_embeddings`."""
        return self.encoder(image)


class MaskDecoder(nn.Module):
    """`mask_decoder.onnx`: SAM's prompt encoder and mask decoder."""

    def __init__(self, model: MattingAnything) -> None:
        super().__init__()
        self.sam = model.sam

    def forward(
        self,
        image_embeddings: Tensor,
        point_coords: Tensor,
        point_labels: Tensor,
        mask_input: Tensor,
        has_mask_input: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Embeddings and prompts -> `low_res_masks`, all four, and `iou_predictions`."""
        return self.sam.predict_masks(image_embeddings, point_coords, point_labels, mask_input, has_mask_input)


class Matte(nn.Module):
    """`matte.onnx`: Mask-to-Matte on the crop around the masks, then refinement in the original frame."""

    def __init__(self, model: MattingAnything) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        image: Tensor,
        image_embeddings: Tensor,
        mask_logits: Tensor,
        input_size: Tensor,
        original_size: Tensor,
        mask_guidance: Tensor,
    ) -> Tensor:
        """Masks -> `alpha`."""
        alpha = self.model.matte(image, image_embeddings, mask_logits, input_size, original_size, mask_guidance)
        # A runtime's tanh may exceed 1 by some 1e-8.
        return alpha.clamp(0, 1)


def modules(model: MattingAnything) -> dict[Graph, tuple[nn.Module, tuple[Tensor, ...]]]:
    """Each graph of the contract, with its module and example inputs to trace it with.

    Args:
        model: in eval mode; it is not changed.
    """
    folded = model.with_folded_spectral_norm()
    generator = torch.Generator().manual_seed(0)

    def noise(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    # Two prompts of three points, and sizes that all differ, so that no dynamic size is traced as a constant.
    image, embeddings = noise(1, 3, SIDE, SIDE), noise(1, *EMBEDDING)
    points, labels = noise(2, 3, 2).abs() * 300, torch.tensor([[2.0, 3.0, 1.0], [1.0, 0.0, -1.0]])
    masks = torch.full((2, 1, MASK_SIDE, MASK_SIDE), -1.0)
    masks[0, :, 60:150, 80:120] = 1.0
    masks[1, :, 100:140, 90:180] = 1.0
    sizes = torch.tensor([700, 1024]), torch.tensor([525, 768])
    return {
        IMAGE_ENCODER: (ImageEncoder(folded), (image,)),
        MASK_DECODER: (MaskDecoder(folded), (embeddings, points, labels, masks, torch.tensor([1.0, 0.0]))),
        MATTE: (Matte(folded), (image, embeddings, masks, *sizes, torch.tensor(True))),
    }
