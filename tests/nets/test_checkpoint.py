"""Saving and loading of checkpoints, and the errors for files that do not match a variant."""

import dataclasses

import pytest
import torch

from mam.errors import WeightsError
from mam.model.variants import Tiny
from mam.nets import checkpoint


@pytest.fixture()
def files(mini, tmp_path):
    model = checkpoint.build_seeded(mini, 5)
    sam, m2m = tmp_path / "sam.pt", tmp_path / "m2m.pt"
    checkpoint.save(model.sam, mini, sam)
    checkpoint.save(model.m2m, mini, m2m)
    return model, sam, m2m


def test_round_trip_keeps_half_precision_exactly(mini, files) -> None:
    model, sam, m2m = files
    again = checkpoint.load(mini, sam, m2m)
    for (name, a), (_, b) in zip(model.state_dict().items(), again.state_dict().items(), strict=True):
        assert torch.equal(a.half().float() if a.is_floating_point() else a, b), name
    assert not again.training


def test_errors_describe_the_checkpoint(mini, files, tmp_path) -> None:
    _, sam, m2m = files
    with pytest.raises(
        WeightsError, match=r"Segmenter.*missing \(image_encoder.*seems to hold a Mask-to-Matte network"
    ):
        checkpoint.load_sam(mini, m2m)
    with pytest.raises(WeightsError, match=r"MatteUNet.*missing \(backbone.*seems to hold a small SAM of this project"):
        checkpoint.load_m2m(mini, sam)
    other = tmp_path / "other.pth"
    torch.save({"image_encoder.pos_embed": torch.zeros(1, 64, 64, 1024)}, other)
    with pytest.raises(WeightsError, match="seems to hold SAM ViT-L"):
        checkpoint.load_sam(mini, other)
    torch.save({"conv1.weight": torch.zeros(1)}, other)
    with pytest.raises(WeightsError, match=r"no network of this method \(its tensors are called conv1.weight\)"):
        checkpoint.load(mini, other)


def test_another_variant_is_refused(mini, files) -> None:
    _, sam, m2m = files
    with pytest.raises(WeightsError, match="of another shape"):
        checkpoint.load(dataclasses.replace(mini, networks=Tiny(high_res=(16, 8))), sam, m2m)
