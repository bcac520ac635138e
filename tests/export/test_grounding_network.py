"""The installed transformers is the one that the replacements expect, and they compute what the originals do."""

import pytest
import torch
from transformers.models.grounding_dino import modeling_grounding_dino as upstream

from export.grounding import Source, load_network, write_grounding
from export.grounding_network import (
    PARAMETERS,
    SPECIAL_TOKENS,
    TraceableGrounding,
    check_transformers,
    replace_untraceable,
)
from mam import WeightsError


def test_transformers_is_what_the_replacements_expect() -> None:
    check_transformers()
    assert SPECIAL_TOKENS == [101, 102, 1012, 1029]


@pytest.mark.parametrize("name", PARAMETERS)
def test_another_transformers_is_refused_first(monkeypatch, grounding_source, tmp_path, name) -> None:
    owner, _, attribute = name.rpartition(".")
    monkeypatch.setattr(getattr(upstream, owner) if owner else upstream, attribute, lambda other: None)
    with pytest.raises(WeightsError, match=rf"transformers .* has another {name}: parameters .'other'"):
        write_grounding(Source.in_folder(grounding_source), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_originals_are_put_back_even_after_an_error() -> None:
    def state():
        encoder, embedding = upstream.GroundingDinoEncoder, upstream.GroundingDinoContrastiveEmbedding
        return [
            upstream.generate_masks_with_special_tokens_and_transfer_map,
            upstream.torch_compilable_check,
            vars(encoder)["get_reference_points"],
            vars(embedding)["forward"],
        ]

    before = state()
    with pytest.raises(ZeroDivisionError), replace_untraceable(None, None):
        assert not set(map(id, state())) & set(map(id, before))
        raise ZeroDivisionError
    assert state() == before


def test_replaced_reference_points_are_the_same() -> None:
    ratios = torch.rand(1, 3, 2, generator=torch.manual_seed(0)) / 2 + 0.5
    shapes = [(12, 20), (6, 10), (1, 5)]
    expected = upstream.GroundingDinoEncoder.get_reference_points(shapes, ratios, "cpu")
    with replace_untraceable(None, None):
        assert torch.allclose(
            upstream.GroundingDinoEncoder.get_reference_points(shapes, ratios, "cpu"), expected, atol=1e-6
        )


def test_attention_that_would_add_the_mask_is_refused(grounding_source) -> None:
    model = load_network(Source.in_folder(grounding_source))
    model.model.text_backbone.config._attn_implementation = "eager"
    with pytest.raises(WeightsError, match="'eager' attention"):
        TraceableGrounding(model)
