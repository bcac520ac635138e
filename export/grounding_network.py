"""Hugging Face's Grounding DINO with the inputs and outputs of `mam.contract.GROUNDING`, in a form that can be traced.

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
from transformers import GroundingDinoForObjectDetection
from transformers.models.grounding_dino import modeling_grounding_dino as upstream

from mam.errors import WeightsError

SPECIAL_TOKENS: list[int] = upstream.SPECIAL_TOKENS
"""Numbers of [CLS] [SEP] . ? in BERT's vocabulary."""

# Parameters of the replaced functions, in the release that the replacements were written for.
PARAMETERS = {
    "generate_masks_with_special_tokens_and_transfer_map": ["input_ids", "special_tokens"],
    "GroundingDinoEncoder.get_reference_points": ["spatial_shapes_list", "valid_ratios", "device"],
    "torch_compilable_check": ["cond", "msg", "error_type"],
    "GroundingDinoContrastiveEmbedding.forward": [
        "self",
        "vision_hidden_state",
        "text_hidden_state",
        "text_token_mask",
    ],
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
        if parameters != expected:
            import transformers

            raise WeightsError(
                f"transformers {transformers.__version__} has another {name}: parameters {parameters}, expected "
                f"{expected}. Install the release that export/requirements.txt names."
            )


class TraceableGrounding(torch.nn.Module):
    """The network with the inputs and outputs of `mam.contract.GROUNDING`.

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
        _replace(upstream, "torch_compilable_check", no_check),
        _replace(upstream.GroundingDinoContrastiveEmbedding, "forward", logits),
    ):
        yield


@contextlib.contextmanager
def _replace(owner: Any, name: str, value: Any) -> Iterator[None]:
    original = vars(owner)[name]
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)
