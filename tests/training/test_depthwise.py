"""The fast depthwise convolutions against torch's in float64."""

import pytest
import torch
from torch.nn import functional as F

from mam.nets.tiny import blocks
from training import depthwise


@pytest.fixture(scope="module", autouse=True)
def fast():
    before = blocks.fast_depthwise
    if not depthwise.enable():
        pytest.skip("there is no C compiler")
    yield
    blocks.fast_depthwise = before


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 1), (3, 2, 0), (5, 1, 2), (5, 2, 0), (7, 1, 3)])
def test_outputs_and_gradients(kernel, stride, padding):
    torch.manual_seed(0)
    # Values that bfloat16 holds exactly, so that only the results are rounded.
    x, weight, bias = (
        torch.randn(*shape).bfloat16().float() for shape in ((2, 32, 11, 9), (32, 1, kernel, kernel), (32,))
    )
    results = []
    for dtype in (torch.float32, torch.float64):
        inputs = [tensor.to(dtype).requires_grad_() for tensor in (x, weight, bias)]
        if dtype == torch.float32:
            y = depthwise.convolve(*inputs, stride, padding)
        else:
            y = F.conv2d(*inputs, stride, padding, groups=32)
        torch.manual_seed(1)
        results.append((y, *torch.autograd.grad(y, inputs, torch.randn(y.shape).bfloat16().to(y.dtype))))
    for mine, exact in zip(*results, strict=True):
        assert (mine - exact).norm() < 0.01 * exact.norm()


def test_subnormal_numbers_stay_what_they_are():
    assert float("1e-310") * 0.5 > 0  # enable() has loaded the library


def test_they_are_used_under_autocast_alone():
    net, x = blocks.DepthwiseConv2d(16, 5), torch.randn(1, 16, 8, 8)
    assert net(x).dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        assert net(x).dtype == torch.bfloat16
        assert blocks.DepthwiseConv2d(8, 5)(x[:, :8]).dtype == torch.float32
