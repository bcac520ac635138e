"""EfficientNet-Lite with a feature pyramid: shapes of the contract, TensorFlow's padding, pretrained names."""

import pytest
import torch

from mam.nets.tiny.encoder import EfficientNetLite0, ImageEncoder, InvertedResidual


def test_the_1024_frame_gives_sams_embedding_and_sam_2s_finer_features():
    with torch.no_grad():
        embedding, fine0, fine1 = ImageEncoder().eval()(torch.zeros(1, 3, 1024, 1024))
    assert embedding.shape == (1, 256, 64, 64)
    assert fine0.shape == (1, 16, 256, 256)
    assert fine1.shape == (1, 32, 128, 128)


@pytest.mark.parametrize(("kernel", "padding"), [(3, (0, 1)), (5, (1, 2))])
def test_padding_is_tensorflows_same(kernel, padding):
    assert InvertedResidual(8, 8, 1, 2, kernel).padding == padding * 2
    assert InvertedResidual(8, 8, 1, 1, kernel)(torch.zeros(1, 8, 6, 7)).shape == (1, 8, 6, 7)


def test_pretrained_files_load_strictly_without_their_classifier(tmp_path):
    torch.manual_seed(0)
    net = EfficientNetLite0()
    state = {k: torch.randn_like(v) if v.is_floating_point() else v for k, v in net.state_dict().items()}
    extra = {"_conv_head.weight": torch.zeros(1), "_bn1.weight": torch.zeros(1), "_fc.weight": torch.zeros(1)}
    torch.save(state | extra, tmp_path / "lite0.pth")
    net.load_pretrained(tmp_path / "lite0.pth")
    assert all(torch.equal(v, state[k]) for k, v in net.state_dict().items())
    del state["_blocks.3._project_conv.weight"]
    torch.save(state, tmp_path / "cut.pth")
    with pytest.raises(RuntimeError, match="Missing key"):
        net.load_pretrained(tmp_path / "cut.pth")


def test_batch_norm_statistics_are_those_of_imagenet_in_training_too():
    net = ImageEncoder().train()
    before = net.backbone._bn0.running_mean.clone()
    net.encode_small(torch.randn(2, 3, 64, 64))
    assert torch.equal(net.backbone._bn0.running_mean, before)
    assert net.merge4.training
