"""EfficientNet-Lite: TensorFlow's padding, pretrained names, truncation."""

import pytest
import torch

from mam.nets.tiny.backbone import EfficientNetLite, InvertedResidual


@pytest.mark.parametrize(("kernel", "padding"), [(3, (0, 1)), (5, (1, 2))])
def test_padding_is_tensorflows_same(kernel, padding):
    assert InvertedResidual(8, 8, 1, 2, kernel).padding == padding * 2
    assert InvertedResidual(8, 8, 1, 1, kernel)(torch.zeros(1, 8, 6, 7)).shape == (1, 8, 6, 7)


def test_pretrained_files_load_strictly_without_their_classifier(tmp_path):
    torch.manual_seed(0)
    net = EfficientNetLite(taps=(2, 3))
    state = {k: torch.randn_like(v) if v.is_floating_point() else v for k, v in net.state_dict().items()}
    extra = {"_conv_head.weight": torch.zeros(1), "_bn1.weight": torch.zeros(1), "_fc.weight": torch.zeros(1)}
    torch.save(state | extra, tmp_path / "lite0.pth")
    net.load_pretrained(tmp_path / "lite0.pth")
    assert all(torch.equal(v, state[k]) for k, v in net.state_dict().items())
    del state["_blocks.3._project_conv.weight"]
    torch.save(state, tmp_path / "cut.pth")
    with pytest.raises(KeyError, match=r"_blocks\.3\._project_conv"):
        net.load_pretrained(tmp_path / "cut.pth")


def test_features_of_the_taps_and_no_later_stages():
    net = EfficientNetLite(taps=(2, 3)).eval()
    shapes = [tuple(feature.shape) for feature in net(torch.zeros(1, 3, 64, 96))]
    assert shapes == [(1, 32, 32, 48), (1, 24, 16, 24), (1, 40, 8, 12), (1, 80, 4, 6)]
    assert len(net._blocks) == 8
    assert len(EfficientNetLite(taps=(2, 4, 6))._blocks) == 16
    assert len(EfficientNetLite(taps=(2, 4, 6), size="lite2")._blocks) == 21


def test_folded_batch_norms_change_nothing():
    torch.manual_seed(0)
    block = InvertedResidual(8, 8, 6, 1, 3).eval()
    for norm in (block._bn0, block._bn1, block._bn2):
        norm.running_mean.uniform_(-1, 1), norm.running_var.uniform_(0.5, 2)
    x = torch.randn(2, 8, 6, 6)
    y = torch.relu(block._bn0(block._expand_conv(x))).clamp(max=6)
    y = torch.relu(block._bn1(block._depthwise_conv(y))).clamp(max=6)
    assert torch.allclose(block(x), x + block._bn2(block._project_conv(y)), atol=1e-5)
