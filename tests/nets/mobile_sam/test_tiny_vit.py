"""MobileSAM's encoder against values that the authors' code gave."""

import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mam.model.variants import VARIANTS, TinyViT
from mam.nets import checkpoint
from mam.nets.mobile_sam.tiny_vit import TinyViTEncoder

GOLDEN = Path(__file__).parents[2] / "reference" / "tiny_vit.npz"


def fill(net: nn.Module) -> None:
    """Give a network weights that follow from the names of its tensors alone."""
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


def an_image() -> Tensor:
    return torch.from_numpy(np.random.default_rng(5).standard_normal((1, 3, 1024, 1024), np.float32))


@pytest.fixture(scope="module")
def encoder() -> TinyViTEncoder:
    net = TinyViTEncoder(TinyViT()).eval()
    fill(net)
    return net


@torch.inference_mode()
def test_values_of_the_authors_code_are_reproduced(encoder) -> None:
    with np.load(GOLDEN) as golden:
        flat = encoder(an_image()).flatten()
        # The sums of torch's kernels differ in their order from processor to processor.
        np.testing.assert_allclose(flat[torch.from_numpy(golden["places"])], golden["values"], atol=1e-4)


def test_a_seeded_model_has_no_block_that_does_nothing() -> None:
    net = checkpoint.build_seeded(VARIANTS["mobile_sam"], 0).sam.image_encoder
    assert all(parameter.std() > 0 for name, parameter in net.named_parameters() if "attention_biases" in name)
