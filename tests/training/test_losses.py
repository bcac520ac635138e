"""Loss terms against values computed by hand."""

import pytest
import torch

from training.losses import laplacian_l1, mask_iou, mask_losses, weighted_l1


def test_losses_by_hand() -> None:
    target = torch.tensor([[[True, True], [False, False]]])
    right = torch.tensor([[[[9.0, 9.0], [-9.0, -9.0]], [[-9.0, -9.0], [9.0, 9.0]]]])
    losses = mask_losses(right, target)
    assert losses[0, 0] < 0.01 and losses[0, 1] > 20
    assert mask_iou(right, target).tolist() == [[1.0, 0.0]]
    a, b = torch.zeros(1, 1, 64, 64), torch.zeros(1, 1, 64, 64)
    b[..., :32] = 0.5
    weights = torch.zeros_like(a)
    weights[..., 0, 28:36] = 1
    assert weighted_l1(a, b, weights) == pytest.approx(0.25)
    assert laplacian_l1(b, b, torch.ones_like(a)) == 0 and laplacian_l1(a, b, torch.ones_like(a)) > 0.05
