"""The facts of every variant."""

import pytest

from mam import weights
from mam.model.variants import VARIANTS, Tiny


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_checkpoints_are_registered_and_licences_are_stated(name) -> None:
    variant = VARIANTS[name]
    assert variant.name == name and variant.licence
    assert set(variant.checkpoints) <= set(weights.REGISTRY)
    assert len(variant.checkpoints) == (0 if isinstance(variant.networks, Tiny) else 1 if variant.m2m_of else 2)
    assert variant.m2m_of in ("", *VARIANTS)
