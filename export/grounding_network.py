"""Hugging Face's Grounding DINO with the inputs and outputs of `mam.model.contract.GROUNDING`, traceable.

Some of transformers' functions cannot be traced. They are replaced while the network runs, by code written for one
release; `check_transformers` refuses others.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import GroundingDinoForObjectDetection
from transformers.models.grounding_dino import modeling_grounding_dino as upstream

from mam.errors import WeightsError

SPECIAL_TOKENS: list[int] = upstream.SPECIAL_TOKENS
"""Numbers of [CLS] [SEP] . ? in BERT's vocabulary."""

# Parameters of the replaced functions, in the release that the replacements were written for.
PARAMETERS = {
    "generate_masks_with_special_tokens_and_transfer_map": "input_ids special_tokens",
    "GroundingDinoEncoder.get_reference_points": "spatial_shapes_list valid_ratios device",
    "GroundingDinoModel.generate_encoder_output_proposals": "self enc_output padding_mask spatial_shapes_list",
    "GroundingDinoMultiscaleDeformableAttention.forward": "self hidden_states attention_mask encoder_hidden_states "
    "encoder_attention_mask position_embeddings reference_points spatial_shapes spatial_shapes_list level_start_index "
    "output_attentions",
    "torch_compilable_check": "cond msg error_type",
    "GroundingDinoContrastiveEmbedding.forward": "self vision_hidden_state text_hidden_state text_token_mask",
}


def check_transformers() -> None:
    """Check that the functions to replace have the parameters that the replacements expect.

    Raises:
        WeightsError: another release of transformers is installed.
    """
    for name, expected in PARAMETERS.items():
        function: Any = upstream
        for part in name.split("."):
            function = getattr(function, part, None)
        parameters = list(inspect.signature(function).parameters) if function is not None else None
        if parameters != expected.split():
            import transformers

            raise WeightsError(
                f"transformers {transformers.__version__} has another {name}: parameters {parameters}, expected "
                f"{expected.split()}. Install the release that export/requirements.txt names."
            )


LARGE = 1e4
"""Stands for infinity: softmax and sigmoid give the same 0 and 1, and half precision can represent it."""


class TraceableGrounding(torch.nn.Module):
    """The network with the inputs and outputs of `mam.model.contract.GROUNDING`.

    Args:
        model: in eval mode.

    Raises:
        WeightsError: its text encoder does not take boolean masks.
    """

    def __init__(self, model: GroundingDinoForObjectDetection) -> None:
        super().__init__()
        attention = model.model.text_backbone.config._attn_implementation
        if attention != "sdpa":
            # The eager implementation would add the mask to the logits as 0 and 1, a wrong result without an error.
            raise WeightsError(f"the text encoder uses {attention!r} attention; only 'sdpa' takes the mask of phrases.")
        self.model = model

    def forward(
        self, image: Tensor, pixel_mask: Tensor, input_ids: Tensor, position_ids: Tensor, text_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Image and tokens -> `logits` and `boxes`."""
        with replace_untraceable(text_mask, position_ids):
            answer = self.model(pixel_values=image, pixel_mask=pixel_mask, input_ids=input_ids)
        return answer.logits, answer.pred_boxes


@contextlib.contextmanager
def replace_untraceable(text_mask: Tensor | None, position_ids: Tensor | None) -> Iterator[None]:
    """Replace what cannot be traced in transformers inside the `with`.

    Args:
        text_mask: (1, T, T) bool, which tokens attend to each other.
        position_ids: (1, T) int64.
    """

    # The original computes cumulative maxima, for which ONNX has no operator.
    def return_given_masks(input_ids: Tensor, special_tokens: list[int]) -> tuple[Tensor | None, Tensor | None]:
        return text_mask, position_ids

    # The original's linspace reaches GridSample in double precision.
    def reference_points(
        spatial_shapes_list: list[tuple[int, int]], valid_ratios: Tensor, device: torch.device | str
    ) -> Tensor:
        points = []
        for level, (height, width) in enumerate(spatial_shapes_list):
            y, x = torch.meshgrid(torch.arange(height).float() + 0.5, torch.arange(width).float() + 0.5, indexing="ij")
            scale = valid_ratios[:, None, level] * torch.stack([torch.as_tensor(width), torch.as_tensor(height)])
            points.append(torch.stack((x.reshape(-1), y.reshape(-1)), -1)[None] / scale)
        return torch.cat(points, 1)[:, :, None] * valid_ratios[:, None]

    # The original takes sizes from a list, which a trace stores as constants.
    def deformable_attention(
        self: Any,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        encoder_hidden_states: Any = None,
        encoder_attention_mask: Tensor | None = None,
        position_embeddings: Tensor | None = None,
        reference_points: Any = None,
        spatial_shapes: Tensor | None = None,
        spatial_shapes_list: Any = None,
        level_start_index: Tensor | None = None,
        output_attentions: bool = False,
    ) -> tuple[Tensor, None]:
        queries = hidden_states if position_embeddings is None else hidden_states + position_embeddings
        values = self.value_proj(encoder_hidden_states)
        if attention_mask is not None:
            values = values * attention_mask[..., None].float()
        return self.output_proj(sample_levels(self, queries, values, reference_points, spatial_shapes_list)), None

    # As `reference_points`.
    def proposals(
        self: Any, enc_output: Tensor, padding_mask: Tensor, spatial_shapes_list: list[tuple[int, int]]
    ) -> tuple[Tensor, Tensor]:
        start, levels = 0, []
        for level, (height, width) in enumerate(spatial_shapes_list):
            inside = ~padding_mask[0, start : start + height * width].reshape(height, width)
            size = torch.stack([inside[0].sum(), inside[:, 0].sum()])
            y, x = torch.meshgrid(torch.arange(height).float() + 0.5, torch.arange(width).float() + 0.5, indexing="ij")
            centres = torch.stack((x.reshape(-1), y.reshape(-1)), -1) / size
            levels.append(torch.cat([centres, torch.ones_like(centres) * 0.05 * 2.0**level], -1))
            start = start + height * width
        boxes = torch.cat(levels)[None]
        valid = ((boxes > 0.01) & (boxes < 0.99)).all(-1, keepdim=True) & ~padding_mask[..., None]
        logits = torch.log(boxes / (1 - boxes)).masked_fill(~valid, LARGE)
        return self.enc_output_norm(self.enc_output(enc_output * valid.float())), logits

    # The original reads values of tensors, which a trace does not have.
    def no_check(*_: Any, **__: Any) -> None: ...

    # The original pads logits with minus infinity up to 256 tokens, through a ScatterND; no token is padding here.
    def logits(
        self: torch.nn.Module, vision_hidden_state: Tensor, text_hidden_state: Tensor, text_token_mask: Tensor
    ) -> Tensor:
        return vision_hidden_state @ text_hidden_state.transpose(-1, -2)

    with (
        _replace(upstream, "generate_masks_with_special_tokens_and_transfer_map", return_given_masks),
        _replace(upstream.GroundingDinoEncoder, "get_reference_points", staticmethod(reference_points)),
        _replace(upstream.GroundingDinoModel, "generate_encoder_output_proposals", proposals),
        _replace(upstream.GroundingDinoMultiscaleDeformableAttention, "forward", deformable_attention),
        _replace(upstream, "torch_compilable_check", no_check),
        _replace(upstream.GroundingDinoContrastiveEmbedding, "forward", logits),
    ):
        yield


def sample_levels(layer: Any, queries: Tensor, values: Tensor, points: Tensor, sizes: Any) -> Tensor:
    """Multi-scale deformable attention; the levels are summed one by one, which needs a fifth of the memory.

    Args:
        layer: gives the linear layers and the numbers of heads, levels and points.
        queries: (1, Q, C) float32, with position embeddings.
        values: (1, S, C) float32, all levels one after the other.
        points: (1, Q, levels, 2) or (1, Q, levels, 4) float32, reference points, or boxes, as fractions.
        sizes: height and width of each level.

    Returns:
        (1, Q, C) float32.
    """
    heads, levels, n = layer.n_heads, layer.n_levels, layer.n_points
    offsets = layer.sampling_offsets(queries).reshape(-1, heads, levels, n, 2)
    weights = layer.attention_weights(queries).reshape(-1, heads, levels * n).softmax(-1)
    weights = weights.permute(1, 0, 2).reshape(heads, 1, -1, levels, n)
    start: Any = 0
    parts: list[torch.Tensor] = []
    for level, (height, width) in enumerate(sizes):
        centre = points[0, :, None, level, None, :2]
        if points.shape[-1] == 2:
            extent = 1 / torch.stack([torch.as_tensor(width), torch.as_tensor(height)])
        else:
            extent = points[0, :, None, level, None, 2:] * (0.5 / n)
        where = ((centre + offsets[:, :, level] * extent) * 2 - 1).transpose(0, 1)
        image = values[0, start : start + height * width].T.reshape(heads, -1, height, width)
        start = start + height * width
        sampled = F.grid_sample(image, where, mode="bilinear", padding_mode="zeros", align_corners=False)
        parts.append((sampled * weights[:, :, :, level]).sum(-1))
    return sum(parts[1:], parts[0]).permute(2, 0, 1).reshape(1, -1, layer.d_model)


@contextlib.contextmanager
def _replace(owner: Any, name: str, value: Any) -> Iterator[None]:
    original = vars(owner)[name]
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)
