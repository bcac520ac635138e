"""Fixtures of the export's tests: the embedded model and a small SAM in torch, its graphs, an input image."""

import numpy as np
import pytest

from export.torch_graphs import TorchGraphs
from export.write import write_graphs
from mam.model.steps import encode
from mam.model.variants import VARIANTS
from mam.nets import checkpoint
from tests import small_vit
from tests.conftest import TINY_CHECKPOINTS


@pytest.fixture(scope="session")
def tiny():
    return checkpoint.load(VARIANTS["tiny"], *TINY_CHECKPOINTS)


@pytest.fixture(scope="session")
def small_sam():
    """Seeded, with relative positions that are not zero."""
    return checkpoint.build_seeded(small_vit.SMALL, 0)


@pytest.fixture(scope="session")
def small_sam_folder(small_sam, tmp_path_factory):
    out = tmp_path_factory.mktemp("small_sam")
    write_graphs(small_sam, "seed 0", out)
    return out


@pytest.fixture(scope="session")
def image():
    return np.random.default_rng(0).standard_normal((1, 3, 1024, 1024), np.float32)


@pytest.fixture(scope="session")
def embeddings(small_sam, image):
    """What the small SAM computes of `image` in torch."""
    return encode(TorchGraphs(small_sam), image)["image_embeddings"]
