"""The loss of the matte stage: gradients reach M2M alone."""

import pytest
import torch

from mam.nets.checkpoint import build_seeded
from training.matting import matting_loss


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    """One image with a disc; its alpha falls off over some pixels."""
    y, x = torch.meshgrid(torch.arange(1024.0), torch.arange(1024.0), indexing="ij")
    alpha = ((300 - torch.hypot(x - 500, y - 450)) / 20 + 0.5).clamp(0, 1)
    image = (alpha[..., None] * torch.tensor([200.0, 60.0, 40.0]) + 30).to(torch.uint8)
    return {
        "image": image[None],
        "alpha": (255 * alpha[None]).to(torch.uint8),
        "known": torch.ones(1, 1024, 1024, dtype=torch.uint8),
        "valid": torch.tensor([[1024, 1024]]),
    }


@pytest.mark.parametrize("progress", [0.0, 0.5, 0.9])
def test_only_m2m_gets_gradients(mini, batch, progress) -> None:
    torch.manual_seed(0)
    model = build_seeded(mini, 0)
    model.m2m.train()
    loss, figures = matting_loss(model.sam, model.m2m, batch, progress, cells=6, views=2)
    loss.backward()
    assert torch.isfinite(loss) and all(0 <= value <= 1 for value in figures.values())
    assert all(p.grad is None for p in model.sam.parameters())
    assert all((p.grad is not None) == p.requires_grad for p in model.m2m.parameters())
