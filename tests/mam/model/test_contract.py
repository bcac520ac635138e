"""The graphs' contract: names, and the metadata that carries the inference policy."""

import pytest

from mam.model import contract
from mam.model.contract import GRAPHS, InferencePolicy


@pytest.mark.parametrize(
    "policy", [InferencePolicy(), InferencePolicy(0.2, False, True), InferencePolicy(0.0, True, sam2=True)]
)
def test_a_policy_survives_the_metadata(policy) -> None:
    stamp = contract.metadata("tiny", "0" * 64, policy)
    assert InferencePolicy.from_stamp(stamp) == policy
    assert stamp["mam_variant"] == "tiny" and stamp["mam_contract"] == contract.VERSION
    assert all(isinstance(value, str) for value in stamp.values())


def test_optional_tensors_are_left_out_unless_named() -> None:
    encoder, decoder, matte = (graph.having(()) for graph in GRAPHS)
    assert [tensor.name for tensor in encoder.outputs] == ["image_embeddings"]
    assert [tensor.name for tensor in decoder.inputs[:2]] == ["image_embeddings", "point_coords"]
    assert [tensor.name for tensor in matte.inputs[:2]] == ["image", "mask_logits"]
    assert GRAPHS[1].having({"high_res_feats_0", "high_res_feats_1"}) == GRAPHS[1]
