"""The fused attention against Meta's, in torch and in the exported graph."""

import onnx
import pytest
import torch

from export.attention import OPERATOR, use_fused_attention
from export.parity import relative_error
from export.write import write_graphs
from mam.model.contract import GRAPHS
from mam.model.runtime import load_graphs
from mam.model.steps import encode

LIMIT = 1e-5  # relative, float32 sums in another order; 2.4e-6 was measured


@pytest.mark.parametrize("block", [0, 1], ids=["windowed", "global"])
def test_fused_attention_is_the_same_function(small_sam, block) -> None:
    encoder = small_sam.sam.image_encoder
    side = 14 if block == 0 else 64
    tokens = torch.randn(3, side, side, 32, generator=torch.Generator().manual_seed(1))
    plain = encoder.blocks[block].attn
    with torch.inference_mode():
        expected = plain(tokens)
        with use_fused_attention(encoder):
            assert encoder.blocks[block].attn is not plain
            got = encoder.blocks[block].attn(tokens)
    assert encoder.blocks[block].attn is plain
    # The same products; only how a sum of some hundred of them is grouped may differ.
    assert torch.allclose(got, expected, rtol=0, atol=1e-6 * expected.abs().max().item())
    with torch.no_grad():  # and it would differ without the relative positions
        kept, plain.rel_pos_h = plain.rel_pos_h, torch.nn.Parameter(torch.zeros_like(plain.rel_pos_h))
        assert not torch.allclose(plain(tokens), expected, rtol=0, atol=1e-3 * expected.abs().max().item())
        plain.rel_pos_h = kept


def test_fused_encoder_equals_torch_and_stores_no_large_matrix(small_sam_folder, image, embeddings) -> None:
    nodes = onnx.load(small_sam_folder / "image_encoder.onnx").graph.node
    assert sum(f"{node.domain}::{node.op_type}" == OPERATOR for node in nodes) == 2
    assert "Softmax" not in {node.op_type for node in nodes}
    assert relative_error(encode(load_graphs(small_sam_folder, "cpu"), image)["image_embeddings"], embeddings) < LIMIT


def test_plain_export_has_standard_operators_only(small_sam, tmp_path, image, embeddings) -> None:
    write_graphs(small_sam, "seed 0", tmp_path, plain=True)
    for graph in GRAPHS:
        assert {node.domain for node in onnx.load(tmp_path / graph.file).graph.node} == {""}
    assert relative_error(encode(load_graphs(tmp_path, "cpu"), image)["image_embeddings"], embeddings) < LIMIT
