"""The three torch modules that are traced: their arguments and results are the contract's tensors, in its order."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mam.model.contract import EMBEDDING, IMAGE_ENCODER, MASK_DECODER, MATTE, Graph
from mam.model.frames import MASK_SIDE, SIDE
from mam.model.variants import Variant
from mam.nets.mam import MattingAnything


class ImageEncoder(nn.Module):
    """`image_encoder.onnx`."""

    def __init__(self, model: MattingAnything) -> None:
        super().__init__()
        self.is_sam2 = model.variant.policy.sam2
        # The tensors' names in the graph begin with these. SAM 2's features pass through its mask decoder too.
        if self.is_sam2:
            self.sam = model.sam
        else:
            self.encoder = model.sam.image_encoder

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        """`image` -> `image_embeddings`, and high-resolution features of a variant that has them."""
        features: Tensor | tuple[Tensor, ...] = self.sam.encode(image) if self.is_sam2 else self.encoder(image)
        return features


class MaskDecoder(nn.Module):
    """`mask_decoder.onnx`: SAM's prompt encoder and mask decoder."""

    def __init__(self, model: MattingAnything) -> None:
        super().__init__()
        self.sam = model.sam

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Features, `point_coords`, `point_labels`, `mask_input` and `has_mask_input` -> masks and their quality."""
        *features, coords, labels, masks, has_masks = inputs
        return self.sam.predict_masks(features, coords, labels, masks, has_masks)


class Matte(nn.Module):
    """`matte.onnx`: Mask-to-Matte on the crop around the masks, then refinement in the original frame."""

    def __init__(self, model: MattingAnything) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor, *inputs: Tensor) -> Tensor:
        """`image`, `image_embeddings` if M2M uses them, and the rest of the contract's inputs -> `alpha`."""
        embeddings = () if self.model.m2m.uses_embeddings else (None,)
        alpha = self.model.matte(image, *embeddings, *inputs)
        # A runtime's tanh may exceed 1 by some 1e-8.
        return alpha.clamp(0, 1)


def modules(model: MattingAnything) -> dict[Graph, tuple[nn.Module, tuple[Tensor, ...]]]:
    """The three graphs of a model, each with its module and example inputs to trace it with.

    Args:
        model: in eval mode, without spectral norms (`MattingAnything.with_folded_spectral_norm`).
    """
    generator = torch.Generator().manual_seed(0)

    def noise(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    # Two prompts of three points, and sizes that all differ, so that no dynamic size is traced as a constant.
    image, embeddings = noise(1, 3, SIDE, SIDE), noise(1, *EMBEDDING)
    high_res = high_res_features(model.variant)
    points, labels = noise(2, 3, 2).abs() * 300, torch.tensor([[2.0, 3.0, 1.0], [1.0, 0.0, -1.0]])
    masks = torch.full((2, 1, MASK_SIDE, MASK_SIDE), -1.0)
    masks[0, :, 60:150, 80:120] = 1.0
    masks[1, :, 100:140, 90:180] = 1.0
    sizes = torch.tensor([700, 1024]), torch.tensor([525, 768])
    seen = (image, embeddings) if model.m2m.uses_embeddings else (image,)
    features = (embeddings, *(noise(*shape) for shape in high_res.values()))
    return {
        IMAGE_ENCODER.having(high_res): (ImageEncoder(model), (image,)),
        MASK_DECODER.having(high_res): (
            MaskDecoder(model),
            (*features, points, labels, masks, torch.tensor([1.0, 0.0])),
        ),
        MATTE.having({"image_embeddings"} if model.m2m.uses_embeddings else set()): (
            Matte(model),
            (*seen, masks, *sizes, torch.tensor(True)),
        ),
    }


def high_res_features(variant: Variant) -> dict[str, tuple[int, ...]]:
    """Shapes of the optional outputs of a variant's image encoder, by name."""
    _, h, w = EMBEDDING
    zooms = enumerate(zip(variant.networks.high_res, (4, 2), strict=False))
    return {f"high_res_feats_{i}": (1, channels, zoom * h, zoom * w) for i, (channels, zoom) in zooms}
