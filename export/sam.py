"""Write a model with the inputs and outputs of Meta's ONNX export, for annotation tools that run any SAM.

| file | for |
|---|---|
| `VARIANT.encoder.onnx` | a normalised image in the input frame: labelme (osam), samexporter |
| `VARIANT.encoder_hwc.onnx` | a smaller RGB image as it is: AnyLabeling, X-AnyLabeling, samexporter |
| `VARIANT.decoder.onnx` | all of them |
| `VARIANT.yaml` | AnyLabeling and X-AnyLabeling, to load the model |

Such programs pass one embedding from the encoder to the decoder. The high-resolution features of `tiny` are packed into
it as further channels: blocks of 4 x 4 and 2 x 2 cells, one channel per cell of a block.

Source: segment_anything/utils/onnx.py, `SamOnnxModel`; samexporter/onnx_utils.py, `ImageEncoderOnnxModel`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.attention import use_fused_attention
from export.graphs import high_res_features
from export.write import write_graph
from mam.errors import MamError
from mam.model.contract import EMBEDDING, Graph, metadata
from mam.model.contract import Tensor as Declared
from mam.model.frames import MASK_SIDE, PIXEL_MEAN, PIXEL_STD, SIDE
from mam.model.variants import SamM2M, ViT
from mam.nets.mam import MattingAnything
from mam.nets.sam import Sam

_CONFIG = """\
type: segment_anything
name: {variant}
display_name: Matting Anything, {variant}
encoder_model_path: {variant}.encoder_hwc.onnx
decoder_model_path: {variant}.decoder.onnx
input_size: 1024
max_width: 1024
max_height: 682
"""


def write_sam(
    model: MattingAnything, checkpoint_sha256: str, folder: Path, on_file: Callable[[Path], None] = lambda path: None
) -> None:
    """Write the files of the table above.

    Args:
        model: in eval mode; it is not changed.
        checkpoint_sha256: stored in the metadata of the graphs.
        folder: created if missing.
        on_file: called with each path when the file is complete.

    Raises:
        MamError: the model follows SAM 2's rules.
    """
    if model.variant.policy.sam2:
        raise MamError(f"{model.variant.name} follows SAM 2's rules, but such tools pad images as SAM needs it.")
    folder.mkdir(parents=True, exist_ok=True)
    variant = model.variant
    stamp = metadata(variant.name, checkpoint_sha256, variant.policy)
    is_vit = isinstance(variant.networks, SamM2M) and isinstance(variant.networks.encoder, ViT)
    encoder, encoder_hwc, decoder = declare_graphs(model)
    image, picture = torch.rand(1, 3, SIDE, SIDE), 255 * torch.rand(684, SIDE, 3)
    with use_fused_attention(model.sam.image_encoder):
        for graph, module, value in (
            (encoder, SamEncoder(model), image),
            (encoder_hwc, SamEncoderHWC(model), picture),
        ):
            write_graph(graph, module, (value,), folder / graph.file, stamp, fold=not is_vit)
            on_file(folder / graph.file)
    embeddings = torch.rand([int(size) for size in decoder.inputs[0].shape])
    points, labels = 500 * torch.rand(1, 3, 2), torch.tensor([[2.0, 3.0, 1.0]])
    masks, size = torch.zeros(1, 1, MASK_SIDE, MASK_SIDE), torch.tensor([525.0, 768.0])
    inputs = embeddings, points, labels, masks, torch.ones(1), size
    write_graph(decoder, SamDecoder(model), inputs, folder / decoder.file, stamp)
    on_file(folder / decoder.file)
    config = folder / f"{variant.name}.yaml"
    config.write_text(_CONFIG.format(variant=variant.name), "utf-8")
    on_file(config)


def declare_graphs(model: MattingAnything) -> tuple[Graph, Graph, Graph]:
    """Return the two encoders and the decoder, with Meta's names; `x` is osam's name, `input_image` samexporter's."""
    name, (_, rows, columns) = model.variant.name, EMBEDDING
    channels = EMBEDDING[0] + sum(channels * side**2 for channels, side in _blocks(model))
    embeddings = Declared("image_embeddings", "float32", (1, channels, rows, columns))
    image = Declared("x", "float32", (1, 3, SIDE, SIDE))
    picture = Declared("input_image", "float32", ("image_height", "image_width", 3))
    prompt = (
        Declared("point_coords", "float32", (1, "num_points", 2)),
        Declared("point_labels", "float32", (1, "num_points")),
        Declared("mask_input", "float32", (1, 1, MASK_SIDE, MASK_SIDE)),
        Declared("has_mask_input", "float32", (1,)),
        Declared("orig_im_size", "float32", (2,)),
    )
    answer = (
        Declared("masks", "float32", (1, 1, "H", "W")),
        Declared("iou_predictions", "float32", (1, 1)),
        Declared("low_res_masks", "float32", (1, 1, MASK_SIDE, MASK_SIDE)),
    )
    return (
        Graph(f"{name}.encoder", (image,), (embeddings,)),
        Graph(f"{name}.encoder_hwc", (picture,), (embeddings,)),
        Graph(f"{name}.decoder", (embeddings, *prompt), answer),
    )


def _blocks(model: MattingAnything) -> list[tuple[int, int]]:
    """Return the channels of each high-resolution feature, and its cells per cell of the embedding along a side."""
    return [(shape[1], shape[2] // EMBEDDING[1]) for shape in high_res_features(model.variant).values()]


class SamEncoder(nn.Module):
    """`VARIANT.encoder.onnx`."""

    def __init__(self, model: MattingAnything) -> None:
        super().__init__()
        self.encoder = model.sam.image_encoder
        self.blocks = _blocks(model)

    def forward(self, x: Tensor) -> Tensor:
        """(1, 3, 1024, 1024) float32, normalised and padded -> all features as one (1, C, 64, 64)."""
        found = self.encoder(x)
        features: tuple[Tensor, ...] = (found,) if isinstance(found, Tensor) else found
        packed = [F.pixel_unshuffle(f, side) for f, (_, side) in zip(features[1:], self.blocks, strict=True)]
        return torch.cat([features[0], *packed], 1)


class SamEncoderHWC(SamEncoder):
    """`VARIANT.encoder_hwc.onnx`."""

    def __init__(self, model: MattingAnything) -> None:
        super().__init__(model)
        self.mean, self.std = torch.tensor(PIXEL_MEAN), torch.tensor(PIXEL_STD)

    def forward(self, input_image: Tensor) -> Tensor:
        """(H, W, 3) float32 RGB, 0 to 255, no side above 1024 -> as `SamEncoder`."""
        h, w = input_image.shape[:2]
        image = ((input_image - self.mean) / self.std).permute(2, 0, 1)
        padded = F.pad(image, (0, SIDE - w, 0, SIDE - h)).reshape(1, 3, SIDE, SIDE)
        return super().forward(padded)


class SamDecoder(nn.Module):
    """`VARIANT.decoder.onnx`: one mask for one prompt, at the size of the original image."""

    def __init__(self, model: MattingAnything) -> None:
        super().__init__()
        self.sam = model.sam
        self.blocks = _blocks(model)
        self.multimask = isinstance(model.sam, Sam) and model.sam.multimask

    def forward(
        self,
        image_embeddings: Tensor,
        point_coords: Tensor,
        point_labels: Tensor,
        mask_input: Tensor,
        has_mask_input: Tensor,
        orig_im_size: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Meta's inputs; `point_coords` are in the input frame, `orig_im_size` is (H, W) as float32.

        Returns:
            `masks` (1, 1, H, W) logits, `iou_predictions` (1, 1) and `low_res_masks` (1, 1, 256, 256).
        """
        given = has_mask_input.clamp(0, 1)  # osam has -1 for none
        features = self._unpack(image_embeddings)
        masks, scores = self.sam.predict_masks(features, point_coords, point_labels, mask_input, given)
        best = self._select(scores, point_coords.shape[1])
        masks, scores = masks.index_select(1, best), scores.index_select(1, best)
        # The longest side at 1024, rounded half up, as Meta's export.
        h, w = torch.floor(orig_im_size * (SIDE / orig_im_size.max()) + 0.5).long().unbind()
        size: Any = tuple(orig_im_size.long().unbind())
        whole = F.interpolate(masks, (SIDE, SIDE), mode="bilinear", align_corners=False)
        return F.interpolate(whole[..., :h, :w], size, mode="bilinear", align_corners=False), scores, masks

    def _unpack(self, packed: Tensor) -> list[Tensor]:
        """Undo what `SamEncoder` does with the high-resolution features."""
        features, first = [packed[:, : EMBEDDING[0]]], EMBEDDING[0]
        for channels, side in self.blocks:
            features.append(F.pixel_shuffle(packed[:, first : first + channels * side**2], side))
            first += channels * side**2
        return features

    def _select(self, scores: Tensor, points: Any) -> Tensor:
        """Return the index of the mask: of SAM mask 0 for more than two points, else the best of masks 1 to 3."""
        if not self.multimask:
            return torch.zeros(1, dtype=torch.long)
        # Meta's rule; `points` is a number in the trace, and counts padding.
        preferred = (torch.as_tensor(points) - 2.5) * torch.tensor([1000.0, 0.0, 0.0, 0.0])
        return (scores + preferred).argmax(1)
