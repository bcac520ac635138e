"""The traceable modules: one per graph of the contract, made of a copy of the model."""

import torch

from export.graphs import modules
from mam import contract
from mam.nets.m2m import SpectralNorm


def test_every_graph_has_a_module_that_takes_its_inputs_and_leaves_the_model_alone(model) -> None:
    found = modules(model)
    assert tuple(found) == contract.GRAPHS
    for graph, (module, inputs) in found.items():
        for tensor, value in zip(graph.inputs, inputs, strict=True):
            assert str(value.dtype) == f"torch.{tensor.dtype}" and value.ndim == len(tensor.shape)
        assert not any(isinstance(part, SpectralNorm) for part in module.modules())
    assert any(isinstance(part, SpectralNorm) for part in model.modules())


def test_folded_modules_compute_what_the_model_does(model) -> None:
    module, inputs = modules(model)[contract.MATTE]
    with torch.inference_mode():
        expected, got = model.matte(*inputs), module(*inputs)
    assert got.shape == (2, 1, 525, 768)
    # Random weights: a pixel with a mask or alpha at a threshold may flip.
    assert ((got - expected).abs() > 1e-4).float().mean() < 1e-3
