"""The graphs' contract: names, and the metadata that carries the inference policy."""

import pytest

from mam.model import contract
from mam.model.contract import GRAPHS, GROUNDING, InferencePolicy


@pytest.mark.parametrize("policy", [InferencePolicy(), InferencePolicy(0.2, False, True), InferencePolicy(0.0, True)])
def test_a_policy_survives_the_metadata(policy) -> None:
    stamp = contract.metadata("tiny", "0" * 64, policy)
    assert InferencePolicy.from_stamp(stamp) == policy
    assert stamp["mam_variant"] == "tiny" and stamp["mam_contract"] == contract.VERSION
    assert all(isinstance(value, str) for value in stamp.values())


def test_files_and_tensors_have_names_of_their_own() -> None:
    graphs = (*GRAPHS, GROUNDING)
    assert len({graph.file for graph in graphs}) == 4 and all(graph.file == f"{graph.name}.onnx" for graph in graphs)
    for graph in graphs:
        names = [tensor.name for tensor in (*graph.inputs, *graph.outputs)]
        assert len(set(names)) == len(names)


def test_the_graphs_pass_the_same_embeddings_and_masks() -> None:
    encoder, decoder, matte = GRAPHS
    assert encoder.outputs == decoder.inputs[:3]
    assert encoder.outputs[0].shape == matte.inputs[1].shape
    assert decoder.outputs[0].shape == ("B", 4, *matte.inputs[2].shape[2:])


def test_optional_tensors_are_left_out_unless_named() -> None:
    encoder, decoder, matte = (graph.having(()) for graph in GRAPHS)
    assert [tensor.name for tensor in encoder.outputs] == ["image_embeddings"]
    assert [tensor.name for tensor in decoder.inputs[:2]] == ["image_embeddings", "point_coords"]
    assert [tensor.name for tensor in matte.inputs[:2]] == ["image", "mask_logits"]
    assert GRAPHS[1].having({"high_res_feats_0", "high_res_feats_1"}) == GRAPHS[1]
