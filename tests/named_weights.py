"""Weights that follow from the names of a network's tensors alone, so that other code can be given the same ones."""

from __future__ import annotations

import zlib

import numpy as np
import torch
from torch import nn


def fill(net: nn.Module) -> None:
    """Give a network such weights."""
    for name, tensor in net.state_dict().items():
        if not tensor.is_floating_point():
            continue
        values = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(tuple(tensor.shape), np.float32)
        if name.endswith("running_var"):
            values = 0.5 + np.abs(values)
        elif tensor.ndim > 1 and not name.endswith("attention_biases"):
            values /= np.sqrt(values[0].size)
        elif name.endswith("weight"):
            values = 1 + 0.2 * values
        else:
            values *= 0.3
        tensor.copy_(torch.from_numpy(values))
