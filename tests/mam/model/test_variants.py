"""The facts of every variant."""

import json

import pytest

from mam import weights
from mam.model.variants import VARIANTS, SamM2M, Tiny


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_variants_can_be_stored_as_json(name) -> None:
    variant = VARIANTS[name]
    values = json.loads(json.dumps(variant.to_dict()))
    assert values["name"] == name and values["kind"] == type(variant.networks).__name__


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_checkpoints_are_registered_and_licences_are_stated(name) -> None:
    variant = VARIANTS[name]
    assert variant.name == name and variant.licence
    assert set(variant.checkpoints) <= set(weights.REGISTRY)
    assert len(variant.checkpoints) == (0 if isinstance(variant.networks, Tiny) else 1 if variant.m2m_of else 2)
    assert variant.m2m_of in ("", *VARIANTS)


@pytest.mark.parametrize("name", ["vit_b", "vit_l", "vit_h"])
def test_vits_have_four_layers_of_global_attention_and_end_with_one(name) -> None:
    networks = VARIANTS[name].networks
    assert isinstance(networks, SamM2M)
    encoder = networks.encoder
    assert len(encoder.global_attn_indexes) == 4
    assert encoder.global_attn_indexes[-1] == encoder.depth - 1
    assert encoder.embed_dim % encoder.num_heads == 0
