"""Pixels near a threshold count as undecided, others do not."""

import numpy as np
import pytest
import torch

from export.undecided import undecided_pixels


class Fixed:
    """A network with given mask logits and alphas."""

    def __init__(self, logits: np.ndarray, alphas: np.ndarray) -> None:
        self.predict_alphas = lambda *_: (torch.from_numpy(logits), torch.from_numpy(alphas).split(1, 1))


def undecided(logits=8.0, alpha=0.5, low_res=8.0):
    """A 64 x 64 image of constant logits and alphas, but for one pixel in its middle."""
    full = np.full((1, 1, 64, 64), 8.0, np.float32)
    alphas = np.full((1, 3, 64, 64), 0.5, np.float32)
    masks = np.full((1, 1, 256, 256), 8.0, np.float32)
    full[0, 0, 32, 32], alphas[0, 0, 32, 32], masks[0, 0, 128, 128] = logits, alpha, low_res
    empty = np.zeros((1, 3, 8, 8), np.float32)
    return undecided_pixels(Fixed(full, alphas), empty, {"image_embeddings": empty}, masks, (1024, 1024), (64, 64))


def test_nothing_is_undecided_away_from_thresholds() -> None:
    found = undecided()
    assert not found.matte.any() and not found.chain.any()


@pytest.mark.parametrize(
    ("case", "side"),
    [
        ({"alpha": 1 / 255 + 1e-5}, 15),
        ({"alpha": 254 / 255}, 15),
        ({"alpha": 1 / 255 + 1e-4}, 0),
        ({"logits": 1e-5}, 19),
    ],
)
def test_a_doubtful_pixel_reaches_as_far_as_refinement_dilates(case, side) -> None:
    found = undecided(**case)
    assert found.matte.sum() == side**2 and np.array_equal(found.matte, found.chain)


def test_a_doubtful_low_resolution_logit_counts_for_the_chain_alone() -> None:
    found = undecided(low_res=1e-5)
    assert not found.matte.any()
    # 25 low-resolution pixels are 100 of the input frame, and 16 of those are one of this image.
    assert 6**2 <= found.chain.sum() <= 7**2
