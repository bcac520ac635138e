"""The image encoder: shapes of the contract, and frozen statistics."""

import pytest
import torch

from mam.nets.tiny.encoder import ImageEncoder


@pytest.mark.parametrize(("backbone", "read_side"), [("lite0", 256), ("lite0", 384), ("lite2", 512)])
def test_the_1024_frame_gives_sams_embedding_and_sam_2s_finer_features(backbone, read_side):
    with torch.no_grad():
        embedding, fine0, fine1 = ImageEncoder(backbone, read_side).eval()(torch.zeros(1, 3, 1024, 1024))
    assert embedding.shape == (1, 256, 64, 64)
    assert fine0.shape == (1, 16, 256, 256)
    assert fine1.shape == (1, 32, 128, 128)


def test_batch_norm_statistics_are_those_of_imagenet_in_training_too():
    net = ImageEncoder().train()
    before = net.backbone._bn0.running_mean.clone()
    net.encode_small(torch.randn(2, 3, 64, 64))
    assert torch.equal(net.backbone._bn0.running_mean, before)
    assert net.merge4.training
