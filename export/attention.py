"""SAM's attention with relative positions, rewritten as one fused operator, so that its large matrix is never stored.

At 1024 pixels a global block of SAM multiplies 4096 by 4096 tokens in every head; kept whole, as `Softmax` needs it, that is 0.8 GB
per copy for ViT-B. A fused operator works through it piece by piece, but knows no relative positions. They fold into its
inputs: a token's bias towards row r and column c is (q . rel_h[r]) + (q . rel_w[c]), so those products join the query as further
channels, and the key gets a 1 in the channels of its own row and column.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mam.nets.sam import segment_anything_modeling

OPERATOR = "com.microsoft::MultiHeadAttention"


@contextmanager
def fused(encoder: nn.Module) -> Iterator[None]:
    """Let the blocks of a SAM image encoder use the fused operator meanwhile; any other encoder stays as it is."""
    blocks = encoder.blocks if isinstance(encoder, segment_anything_modeling().ImageEncoderViT) else []
    plain = [block.attn for block in blocks]
    for block in blocks:
        block.attn = FusedAttention(block.attn)
    try:
        yield
    finally:
        for block, attention in zip(blocks, plain):
            block.attn = attention


class FusedAttention(nn.Module):
    """Stands for `segment_anything`'s `Attention`, with its parameters and its numbers up to rounding.

    Source: segment_anything/modeling/image_encoder.py, `Attention` and `add_decomposed_rel_pos`.
    """

    def __init__(self, plain: nn.Module) -> None:
        super().__init__()
        self.heads, self.scale = plain.num_heads, plain.scale
        self.qkv, self.proj = plain.qkv, plain.proj
        self.rel_pos_h, self.rel_pos_w = plain.rel_pos_h, plain.rel_pos_w

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, H, W, C)."""
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
        # Spread over the tokens by an addition: written out for every head, these ones would outweigh the weights.
        row = torch.eye(h).reshape(h, 1, h).expand(h, w, h)
        column = torch.eye(w).reshape(1, w, w).expand(h, w, w)
        own = F.pad(torch.cat([row, column], dim=-1), (k.shape[-1], 0)).unsqueeze(2)
        query = torch.cat([q * self.scale, bias_h, bias_w], dim=-1).reshape(b, h * w, -1)
        key = (F.pad(k, (0, h + w)) + own).reshape(b, h * w, -1)
        mixed = _Fused.apply(query, key, v.reshape(b, h * w, -1), self.heads)
        return self.proj(mixed.reshape(b, h, w, channels))


class _Fused(torch.autograd.Function):
    """(B, S, heads * c), twice, and (B, S, heads * d) -> (B, S, heads * d); one node in the graph."""

    @staticmethod
    def forward(ctx, query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
        b, s, _ = query.shape
        q, k, v = (t.reshape(b, s, heads, -1).transpose(1, 2) for t in (query, key, value))
        # Head by head, for the sake of memory here too.
        mixed = [(q[:, i] @ k[:, i].transpose(1, 2)).softmax(-1) @ v[:, i] for i in range(heads)]
        return torch.stack(mixed, dim=2).reshape(b, s, -1)

    @staticmethod
    def symbolic(g, query, key, value, heads: int):
        mixed = g.op(OPERATOR, query, key, value, num_heads_i=heads, scale_f=1.0)
        return mixed.setType(value.type())
