"""Colour evidence: what looks like the object, wherever it lies, and what does not."""

import pytest
import torch
from torch import Tensor

from mam.nets.evidence import ColourEvidence
from mam.variants import Evidence

RED, GREEN = torch.tensor([2.0, -1.0, -1.0]), torch.tensor([-1.0, 1.0, -1.0])


def painted(*reds: tuple[slice, slice]) -> Tensor:
    """(1, 3, 64, 64): green, and red in some places; nothing in the lowest quarter, as under a wide picture."""
    picture = GREEN.reshape(1, 3, 1, 1).repeat(1, 1, 64, 64)
    for rows, columns in reds:
        picture[0, :, rows, columns] = RED.reshape(3, 1, 1)
    picture[:, :, 48:] = 0
    return picture


def masked(rows: slice, columns: slice) -> Tensor:
    """(1, 1, 128, 128) logits."""
    logits = torch.full((1, 1, 128, 128), -6.0)
    logits[..., rows, columns] = 6.0
    return logits


SURE = torch.ones(1, 1)


class Believe(torch.nn.Module):
    """Instead of the convolutions that weigh it: the evidence of one kind of bin alone, to four pixels each."""

    def __init__(self, kind: int) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, seen: Tensor) -> Tensor:
        return 20 * seen[:, 4 + self.kind, None].repeat(1, 4, 1, 1)


@pytest.fixture
def evidence() -> ColourEvidence:
    return ColourEvidence(Evidence(rounds=1))


@torch.inference_mode()
def test_untrained_it_changes_nothing(evidence) -> None:
    mask = torch.randn(3, 1, 128, 128)
    assert torch.equal(evidence(mask, torch.ones(3, 1), torch.randn(1, 3, 64, 64)), mask)


@torch.inference_mode()
def test_what_has_the_objects_colour_joins_it_and_what_has_not_leaves(evidence) -> None:
    picture = painted((slice(8, 40), slice(8, 40)))
    evidence.weigh = Believe(0)
    mended = evidence(masked(slice(20, 60), slice(20, 100)), SURE, picture) > 0  # a part of the red square, and green beside it
    expected = torch.zeros(128, 128, dtype=torch.bool)
    expected[16:80, 16:80] = True
    assert torch.equal(mended[0, 0, :96], expected[:96])


@torch.inference_mode()
def test_a_kind_that_goes_by_place_believes_only_what_is_near() -> None:
    net = ColourEvidence(Evidence(rounds=1, bins=((5.0, 0.0), (2.0, 8.0))))
    far = (slice(4, 12), slice(52, 60))
    picture = painted((slice(8, 40), slice(4, 24)), far)
    answers = []
    for kind in range(2):
        net.weigh = Believe(kind)
        answers.append((net(masked(slice(16, 80), slice(8, 48)), SURE, picture) > 0)[0, 0, 8:24, 104:120].float().mean())
    assert answers[0] == 1 and answers[1] < 0.1


@torch.inference_mode()
def test_what_lies_outside_the_picture_is_no_evidence(evidence) -> None:
    evidence.weigh = Believe(0)
    picture = painted()
    picture[0, :, 8:24, 8:24] = 0.01  # an object of the very grey that the padding is made of
    mended = evidence(masked(slice(16, 40), slice(16, 40)), SURE, picture) > 0
    assert mended[0, 0, 16:48, 16:48].all()


@torch.inference_mode()
def test_prompts_about_one_picture_share_its_bins(evidence) -> None:
    torch.nn.init.normal_(evidence.weigh[-1].weight)
    masks, picture = torch.randn(3, 1, 128, 128), torch.randn(1, 3, 64, 64)
    together = evidence(masks, torch.ones(3, 1), picture)
    assert torch.allclose(together, torch.cat([evidence(mask[None], SURE, picture) for mask in masks]), atol=1e-4)


@torch.inference_mode()
def test_masks_that_are_likely_wrong_stay_and_doubtful_ones_change_in_part(evidence) -> None:
    torch.nn.init.normal_(evidence.weigh[-1].weight)
    mask, picture = torch.randn(1, 1, 128, 128), torch.randn(1, 3, 64, 64)
    low, high = evidence.config.trusted
    wholly = evidence(mask, torch.tensor([[high]]), picture) - mask
    assert torch.equal(evidence(mask, torch.tensor([[low - 0.1]]), picture), mask)
    assert torch.allclose(evidence(mask, torch.tensor([[(low + high) / 2]]), picture) - mask, wholly / 2, atol=1e-4)
