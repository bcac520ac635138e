"""The traceable modules: one per graph of the contract, made of a copy of the model."""

import torch

from export.graphs import modules
from mam.model import contract
from mam.nets.m2m import SpectralNorm


def test_every_graph_has_a_module_that_takes_its_inputs(model) -> None:
    found = modules(model)
    names = {"high_res_feats_0", "high_res_feats_1"}
    assert tuple(found) == tuple(graph.having(names) for graph in contract.GRAPHS)
    for graph, (_, inputs) in found.items():
        for tensor, value in zip(graph.inputs, inputs, strict=True):
            assert str(value.dtype) == f"torch.{tensor.dtype}" and value.ndim == len(tensor.shape)


def test_spectral_norms_are_folded_and_the_model_is_left_alone(small_sam) -> None:
    found = modules(small_sam.with_folded_spectral_norm())
    assert tuple(found) == tuple(graph.having({"image_embeddings"}) for graph in contract.GRAPHS)
    module, inputs = found[contract.MATTE]
    assert not any(isinstance(part, SpectralNorm) for part in module.modules())
    assert any(isinstance(part, SpectralNorm) for part in small_sam.modules())
    with torch.inference_mode():
        expected, got = small_sam.matte(*inputs), module(*inputs)
    assert got.shape == (2, 1, 525, 768)
    # Random weights: a pixel with a mask or alpha at a threshold may flip.
    assert ((got - expected).abs() > 1e-4).float().mean() < 1e-3
