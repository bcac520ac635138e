"""Fast depthwise convolutions of bfloat16 images on CPUs, by depthwise.c, which is compiled when training starts.

The gradients of oneDNN take 5 to 15 times as long for kernels of 5 x 5, which was 40% of the time of a step of `tiny`.
"""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from mam.nets.tiny import blocks

# The parts of -ffast-math that the sums need. The whole option links code that rounds subnormal numbers to zero in the
# entire process.
_FAST_MATH = ("-fassociative-math", "-fno-signed-zeros", "-fno-trapping-math", "-fno-math-errno", "-ffinite-math-only")


def enable() -> bool:
    """Compile depthwise.c and let all depthwise convolutions use them under autocast; False without a compiler."""
    with tempfile.TemporaryDirectory() as folder:
        library, source = Path(folder) / "depthwise.so", Path(__file__).with_suffix(".c")
        options = ("-O3", "-march=native", *_FAST_MATH, "-shared", "-fPIC")
        try:
            subprocess.run(["cc", *options, "-o", library, source], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            return False
        _Convolution.library = ctypes.CDLL(str(library))
    blocks.fast_depthwise = convolve
    return True


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int) -> Tensor:
    """Convolve each channel on its own, with sums in float32.

    Args:
        x: (B, C, H, W) on the CPU; C a multiple of 16.
        weight: (C, 1, k, k) float32, k 3, 5 or 7.
        bias: (C,) float32, or None.
        stride: 1, or 2 for k 3 and 5.
        padding: on all sides.

    Returns:
        (B, C, h, w) bfloat16.
    """
    x = x.bfloat16().contiguous(memory_format=torch.channels_last)
    y: Tensor = _Convolution.apply(x, weight, bias, stride, padding)
    return y


class _Convolution(torch.autograd.Function):
    library: ctypes.CDLL

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int) -> Tensor:
        ctx.stride, ctx.padding = stride, padding
        ctx.save_for_backward(x, weight)
        (b, c, h, w), kernel = x.shape, weight.shape[-1]
        rows, columns = ((side + 2 * padding - kernel) // stride + 1 for side in (h, w))
        y = torch.empty(b, c, rows, columns, dtype=x.dtype, memory_format=torch.channels_last)
        _run("forward", stride, padding, x, _by_tap(weight), weight.new_zeros(c) if bias is None else bias, y, like=y)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        kernel, stride, padding = weight.shape[-1], ctx.stride, ctx.padding
        grad = grads[0].bfloat16().contiguous(memory_format=torch.channels_last)
        taps = _by_tap(weight)
        taps_grad = torch.zeros_like(taps)
        needed = ctx.needs_input_grad[0]
        x_grad = torch.empty_like(x) if needed and stride == 2 else None
        _run("gradients", stride, padding, x, grad, taps, x_grad, taps_grad, like=grad)
        if needed and stride == 1:  # oneDNN is fast where the kernel is turned round
            turned = weight.flip(2, 3).bfloat16()
            x_grad = F.conv2d(grad, turned, None, 1, kernel - 1 - padding, 1, x.shape[1])
        bias_grad = grad.sum((0, 2, 3), dtype=torch.float32) if ctx.needs_input_grad[2] else None
        return x_grad, taps_grad.t().reshape(weight.shape), bias_grad, None, None


def _by_tap(weight: Tensor) -> Tensor:
    """(C, 1, k, k) -> (k * k, C)."""
    return weight.detach().float().flatten(1).t().contiguous()


def _run(name: str, stride: int, padding: int, x: Tensor, *tensors: Tensor | None, like: Tensor) -> None:
    """Call a function of depthwise.c; `like` has the shape of the output."""
    b, c, h, w = x.shape
    kernel = round(next(t for t in tensors if t is not None and t.dtype == torch.float32).shape[0] ** 0.5)
    scratch = torch.empty(32 * (h + 2 * padding) * (w + 2 * padding))
    pointers = (ctypes.c_void_p(None if t is None else t.data_ptr()) for t in (x, *tensors, scratch))
    function = getattr(_Convolution.library, f"depthwise_{name}")
    if function(kernel, stride, *pointers, b, h, w, c, *like.shape[2:], padding):
        raise ValueError(f"no depthwise convolution of {kernel} x {kernel} with a stride of {stride}.")
