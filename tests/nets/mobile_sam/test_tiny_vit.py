"""MobileSAM's encoder against values that the authors' code gave."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from mam.model.variants import VARIANTS, TinyViT
from mam.nets import checkpoint
from mam.nets.mobile_sam.tiny_vit import TinyViTEncoder
from tests.named_weights import fill

GOLDEN = Path(__file__).parents[2] / "reference" / "tiny_vit.npz"


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
