"""Loss terms against values computed by hand."""

import pytest
import torch

from training.losses import edge_weights, laplacian_l1, mask_iou, mask_losses, weighted_l1


def test_losses_by_hand() -> None:
    targets = torch.tensor([[[[True, True], [False, False]]]]).expand(1, 2, 2, 2)
    right = torch.tensor([[[[9.0, 9.0], [-9.0, -9.0]], [[-9.0, -9.0], [9.0, 9.0]]]])
    losses = mask_losses(right, targets, torch.ones(1, 2, 2, 2))
    assert losses[0, 0] < 0.01 and losses[0, 1] > 20
    assert mask_iou(right, targets).tolist() == [[1.0, 0.0]]
    a, b = torch.zeros(1, 1, 64, 64), torch.zeros(1, 1, 64, 64)
    b[..., :32] = 0.5
    weights = torch.zeros_like(a)
    weights[..., 0, 28:36] = 1
    assert weighted_l1(a, b, weights) == pytest.approx(0.25)
    assert laplacian_l1(b, b, torch.ones_like(a)) == 0 and laplacian_l1(a, b, torch.ones_like(a)) > 0.05


def test_pixels_of_edges_and_thin_parts_weigh_more() -> None:
    target = torch.zeros(1, 1, 352, 352, dtype=torch.bool)
    target[..., 100:200, 100:200] = target[..., 300, 100:200] = True
    weights = edge_weights(target, 5.0)[0, 0]
    assert weights[150, 150] == weights[20, 20] == 1  # the inside of an object, and far from all
    assert weights[150, 199] > 3  # an edge
    assert weights[300, 150] > 5  # a line one pixel wide
    assert (edge_weights(target, 0.0) == 1).all()
