"""SAM's attention with relative positions as one fused operator, which never stores the whole attention matrix.

At 1024 pixels a global block of SAM multiplies 4096 by 4096 tokens in every head. `Softmax` needs that matrix whole:
0.8 GB per copy for ViT-B. A fused operator works through it in blocks, but has no input for relative positions, so
they are folded into its inputs. A token's bias towards row r and column c is (q . rel_h[r]) + (q . rel_w[c]): these
products are appended to the query's channels, and the key gets a 1 in the channels of its own row and column.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mam.nets.segment_anything import segment_anything_modeling

OPERATOR = "com.microsoft::MultiHeadAttention"


@contextmanager
def use_fused_attention(encoder: nn.Module) -> Iterator[None]:
    """Use the fused operator in the blocks of a SAM image encoder inside the `with`; other encoders are left alone.

    Args:
        encoder: an image encoder; its attention modules are put back afterwards.
    """
    blocks: Any = encoder.blocks if isinstance(encoder, segment_anything_modeling().ImageEncoderViT) else []
    plain = [block.attn for block in blocks]
    for block in blocks:
        block.attn = FusedAttention(block.attn)
    try:
        yield
    finally:
        for block, attention in zip(blocks, plain, strict=True):
            block.attn = attention


class FusedAttention(nn.Module):
    """Replaces `segment_anything`'s `Attention`: the same parameters, and the same numbers up to rounding.

    Args:
        plain: the module to replace.

    Source: segment_anything/modeling/image_encoder.py, `Attention` and `add_decomposed_rel_pos`.
    """

    def __init__(self, plain: Any) -> None:
        super().__init__()
        self.heads: int = plain.num_heads
        self.scale: float = plain.scale
        self.qkv: nn.Module = plain.qkv
        self.proj: nn.Module = plain.proj
        self.rel_pos_h: nn.Parameter = plain.rel_pos_h
        self.rel_pos_w: nn.Parameter = plain.rel_pos_w

    def forward(self, x: Tensor) -> Tensor:
        """Attention among the tokens of each image or window.

        Args:
            x: (B, H, W, C) float32.

        Returns:
            (B, H, W, C) float32.
        """
        b, h, w, channels = x.shape
        q, k, v = self.qkv(x).reshape(b, h, w, 3, self.heads, -1).unbind(3)
        relative = segment_anything_modeling().image_encoder.get_rel_pos
        # (B, H, W, heads, c) as (B, H, heads * W, c) against (H, c, H), and the same with H and W swapped.
        down = relative(h, h, self.rel_pos_h).transpose(1, 2)
        across = relative(w, w, self.rel_pos_w).transpose(1, 2)
        bias_h = (q.reshape(b, h, w * self.heads, -1) @ down).reshape(b, h, w, self.heads, h)
        bias_w = (
            (q.transpose(1, 2).reshape(b, w, h * self.heads, -1) @ across)
            .reshape(b, w, h, self.heads, w)
            .transpose(1, 2)
        )
        # Broadcast over the tokens by an addition: stored for every head, these ones would be larger than the weights.
        row = torch.eye(h).reshape(h, 1, h).expand(h, w, h)
        column = torch.eye(w).reshape(1, w, w).expand(h, w, w)
        own = F.pad(torch.cat([row, column], dim=-1), (k.shape[-1], 0)).unsqueeze(2)
        query = torch.cat([q * self.scale, bias_h, bias_w], dim=-1).reshape(b, h * w, -1)
        key = (F.pad(k, (0, h + w)) + own).reshape(b, h * w, -1)
        mixed = _Fused.apply(query, key, v.reshape(b, h * w, -1), self.heads)
        return self.proj(mixed.reshape(b, h, w, channels))


class _Fused(torch.autograd.Function):
    """Query and key (B, S, heads * c), value (B, S, heads * d) -> (B, S, heads * d); one node in the graph."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
        b, s, _ = query.shape
        q, k, v = (t.reshape(b, s, heads, -1).transpose(1, 2) for t in (query, key, value))
        # One head at a time, to save memory in torch too.
        mixed = [(q[:, i] @ k[:, i].transpose(1, 2)).softmax(-1) @ v[:, i] for i in range(heads)]
        return torch.stack(mixed, dim=2).reshape(b, s, -1)

    @staticmethod
    def symbolic(g: Any, query: Any, key: Any, value: Any, heads: int) -> Any:
        mixed = g.op(OPERATOR, query, key, value, num_heads_i=heads, scale_f=1.0)
        return mixed.setType(value.type())
