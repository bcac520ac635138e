"""The three traceable modules: tensors in, tensors out, exactly the contract's names and order."""

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
        return self.encoder(image)


class MaskDecoder(nn.Module):
    """`mask_decoder.onnx`: prompt encoder and mask decoder, all four masks."""

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
        return self.sam.answer(image_embeddings, point_coords, point_labels, mask_input, has_mask_input)


class Matte(nn.Module):
    """`matte.onnx`: M2M around the masks, then refinement in the original frame."""

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
        alpha = self.model.matte(image, image_embeddings, mask_logits, input_size, original_size, mask_guidance)
        # Runtimes' own tanh may overshoot by some 1e-8.
        return alpha.clamp(0, 1)


def modules(model: MattingAnything) -> dict[Graph, tuple[nn.Module, tuple[Tensor, ...]]]:
    """Each graph of the contract with its module and inputs to trace it with."""
    model = model.with_folded_spectral_norm()
    generator = torch.Generator().manual_seed(0)

    def noise(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    # Two prompts of three points, and sizes unlike each other, so that nothing dynamic can pass for a constant.
    image, embeddings = noise(1, 3, SIDE, SIDE), noise(1, *EMBEDDING)
    points, labels = noise(2, 3, 2).abs() * 300, torch.tensor([[2.0, 3.0, 1.0], [1.0, 0.0, -1.0]])
    masks = torch.full((2, 1, MASK_SIDE, MASK_SIDE), -1.0)
    masks[0, :, 60:150, 80:120] = 1.0
    masks[1, :, 100:140, 90:180] = 1.0
    sizes = torch.tensor([700, 1024]), torch.tensor([525, 768])
    return {
        IMAGE_ENCODER: (ImageEncoder(model), (image,)),
        MASK_DECODER: (MaskDecoder(model), (embeddings, points, labels, masks, torch.tensor([1.0, 0.0]))),
        MATTE: (Matte(model), (image, embeddings, masks, *sizes, torch.tensor(True))),
    }
