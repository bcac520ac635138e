"""Mask refinement by colour histograms, prompts and predicted IoU."""

import pytest
import torch
from torch import Tensor

from mam.nets import evidence as module
from mam.nets.evidence import ColourEvidence
from mam.variants import Evidence

RED, GREEN = torch.tensor([2.0, -1.0, -1.0]), torch.tensor([-1.0, 1.0, -1.0])


def painted(*reds: tuple[slice, slice]) -> Tensor:
    """(1, 3, 128, 128) of 2 x 2 equal pixels: green, red in places of 64 x 64, zero padding in the lowest quarter."""
    picture = GREEN.reshape(1, 3, 1, 1).repeat(1, 1, 64, 64)
    for rows, columns in reds:
        picture[0, :, rows, columns] = RED.reshape(3, 1, 1)
    picture[:, :, 48:] = 0
    return double(picture)


def double(picture: Tensor) -> Tensor:
    return picture.repeat_interleave(2, 2).repeat_interleave(2, 3)


def masked(rows: slice, columns: slice) -> Tensor:
    """(1, 1, 128, 128) logits."""
    logits = torch.full((1, 1, 128, 128), -6.0)
    logits[..., rows, columns] = 6.0
    return logits


class Believe(torch.nn.Module):
    """Instead of the convolutions that weigh it: the evidence of one kind of bin alone, to four pixels each."""

    def __init__(self, kind: int) -> None:
        super().__init__()
        self.kind, self.features = kind, torch.nn.Identity()

    def forward(self, seen: Tensor, features: Tensor) -> Tensor:
        return 20 * seen[:, 4 + self.kind, None].repeat(1, 4, 1, 1)


EVERYTHING = ((0.0, 0.0), (1023.0, 1023.0))


def mend(
    net: ColourEvidence,
    mask: Tensor,
    picture: Tensor,
    quality: float = 1.0,
    labels: tuple = (2, 3),
    coords: tuple = EVERYTHING,
) -> Tensor:
    """What becomes of masks after a box around everything, or clicks at its corners, or other prompts."""
    b = len(mask)
    corners, kinds = torch.tensor([coords]).expand(b, -1, -1), torch.tensor([labels]).expand(b, -1)
    features = torch.ones(b, 256, *(side // 4 for side in mask.shape[2:]))
    return net(mask, torch.full((b, 1), quality), picture, features, corners, kinds)


@pytest.fixture
def evidence() -> ColourEvidence:
    return ColourEvidence(Evidence(rounds=1, share=1.0)).eval()


@torch.inference_mode()
def test_untrained_it_changes_nothing(evidence) -> None:
    mask = torch.randn(3, 1, 128, 128)
    assert torch.equal(mend(evidence, mask, torch.randn(1, 3, 128, 128)), mask)


@torch.inference_mode()
def test_what_has_the_objects_colour_joins_it_and_what_has_not_leaves(evidence) -> None:
    picture = painted((slice(8, 40), slice(8, 40)))
    evidence.weigh = Believe(0)
    mended = (
        mend(evidence, masked(slice(20, 60), slice(20, 100)), picture) > 0
    )  # a part of the red square, and green beside it
    expected = torch.zeros(128, 128, dtype=torch.bool)
    expected[16:80, 16:80] = True
    assert torch.equal(mended[0, 0, :96], expected[:96])


@torch.inference_mode()
def test_a_kind_that_goes_by_place_believes_only_what_is_near() -> None:
    net = ColourEvidence(Evidence(rounds=1, share=1.0, bins=((5.0, 0.0), (2.0, 8.0)))).eval()
    far = (slice(4, 12), slice(52, 60))
    picture = painted((slice(8, 40), slice(4, 24)), far)
    answers = []
    for kind in range(2):
        net.weigh = Believe(kind)
        answers.append(
            (mend(net, masked(slice(16, 80), slice(8, 48)), picture) > 0)[0, 0, 8:24, 104:120].float().mean()
        )
    assert answers[0] == 1 and answers[1] < 0.1


@torch.inference_mode()
def test_what_lies_outside_the_picture_is_no_evidence(evidence) -> None:
    evidence.weigh = Believe(0)
    picture = painted()
    picture[0, :, 16:48, 16:48] = 0.01  # an object of the very grey that the padding is made of
    mended = mend(evidence, masked(slice(16, 40), slice(16, 40)), picture) > 0
    assert mended[0, 0, 16:48, 16:48].all()


@torch.inference_mode()
def test_prompts_about_one_picture_share_its_bins(evidence) -> None:
    torch.nn.init.normal_(evidence.weigh.leave[-1].weight)
    masks, picture = torch.randn(3, 1, 128, 128), torch.randn(1, 3, 128, 128)
    together = mend(evidence, masks, picture)
    assert torch.allclose(together, torch.cat([mend(evidence, mask[None], picture) for mask in masks]), atol=1e-4)


@torch.inference_mode()
def test_prompts_are_seen_where_they_are() -> None:
    coords = torch.tensor(
        [[[256.0, 512.0], [900.0, 100.0], [0.0, 0.0]], [[128.0, 256.0], [640.0, 768.0], [512.0, 512.0]]]
    )
    labels = torch.tensor([[1.0, 0.0, -1.0], [2.0, 3.0, 1.0]])
    said = module.prompt_maps(coords, labels, 64)  # 16 pixels of the input frame each
    assert said[0, 0].argmax() in (31 * 64 + 15, 31 * 64 + 16, 32 * 64 + 15, 32 * 64 + 16)
    assert said[0, 1, 6, 56] > 0.8 and said[0, 1, 32, 16] < 0.01 and said[0, 0, 0, 0] < 0.01
    assert (said[0, 2] == 0).all() and said[1, 1].max() == 0
    inside = torch.zeros(64, 64, dtype=torch.bool)
    inside[16:48, 8:40] = True
    assert torch.equal(said[1, 2] > 0, inside) and said[1, 2].min() < -0.99 and said[1, 2].max() > 0.99


@torch.inference_mode()
def test_after_clicks_masks_that_are_likely_wrong_stay_and_doubtful_ones_change_in_part(evidence) -> None:
    torch.nn.init.normal_(evidence.weigh.leave[-1].weight)
    mask, picture = torch.randn(1, 1, 128, 128), torch.randn(1, 3, 128, 128)
    low, high = evidence.config.trusted
    clicks = (1.0, 0.0)
    wholly = mend(evidence, mask, picture, high, clicks) - mask
    assert wholly.abs().max() > 0.1
    assert torch.equal(mend(evidence, mask, picture, low - 0.1, clicks), mask)
    assert torch.allclose(mend(evidence, mask, picture, (low + high) / 2, clicks) - mask, wholly / 2, atol=1e-4)
    assert torch.allclose(
        mend(evidence, mask, picture, 0.1), mend(evidence, mask, picture, 0.9)
    )  # a box leaves little doubt


AROUND_RED = ((112.0, 112.0), (660.0, 660.0))  # with some of the green


@torch.inference_mode()
def test_a_box_tells_an_object_from_a_plain_wall_whatever_sam_made_of_it(evidence) -> None:
    picture = painted((slice(8, 40), slice(8, 40)), (slice(8, 16), slice(50, 56)))
    mended = mend(evidence, torch.full((1, 1, 128, 128), -1.0), picture, coords=AROUND_RED)[0, 0, :96] > 0
    expected = torch.zeros(96, 128, dtype=torch.bool)
    expected[16:80, 16:80] = True  # not the other red thing, beyond the box
    assert (mended == expected).float().mean() > 0.98 and not mended[:, 90:].any()


@torch.inference_mode()
def test_a_box_has_no_say_where_colours_are_alike_inside_and_outside(evidence) -> None:
    stripes = painted(*[(slice(0, 48), slice(x, x + 2)) for x in range(0, 64, 4)])
    mask = torch.randn(1, 1, 128, 128)
    for picture in (stripes, painted(), torch.randn(1, 3, 128, 128)):
        assert torch.equal(mend(evidence, mask, picture, coords=AROUND_RED), mask)


@torch.inference_mode()
def test_a_click_beside_the_object_counts_for_more_than_the_boxs_colours(evidence) -> None:
    picture = painted((slice(8, 40), slice(8, 40)))
    clicked = (
        mend(evidence, torch.full((1, 1, 128, 128), -1.0), picture, 1.0, (2, 3, 0), (*AROUND_RED, (500.0, 500.0)))[0, 0]
        > 0
    )
    assert not clicked[61:64, 61:64].any() and clicked[20:40, 20:40].all()


@torch.inference_mode()
def test_counting_again_finds_what_has_nearly_the_same_colour_and_loses_what_has_not(evidence) -> None:
    """A pale arm that the mask lost, a shadow that it took: colours that differ by little from those next to them."""
    picture = painted((slice(4, 20), slice(4, 20)), (slice(4, 8), slice(40, 60)))
    picture[..., 50:60, 8:40] += 0.1  # green still, and so is much of the rest
    picture[..., 30:96, 60:128] += 0.1
    told = evidence.recounted(masked(slice(8, 60), slice(8, 40)), picture, torch.tensor([[2.0, 3.0]]))[0, 0]
    gain, loss = evidence.config.recount
    assert told.shape == (128, 128) and told.max() <= gain and told.min() >= -loss
    assert (
        told[12:36, 12:36].min() > gain / 4 and told[9:15, 84:116].min() > gain / 4
    )  # the square, and the bar that was lost
    assert told[52:58, 12:36].max() < -loss / 12 and told[40:90, 70:120].max() < -loss / 12


@torch.inference_mode()
def test_counting_again_needs_a_box(evidence) -> None:
    picture, outlined = painted((slice(4, 20), slice(4, 20))), masked(slice(8, 60), slice(8, 40)).expand(2, -1, -1, -1)
    told = evidence.recounted(outlined, picture, torch.tensor([[1.0, 2.0, 3.0], [1.0, 0.0, -1.0]]))
    assert told[0].max() > 1 and not told[1].any()
