"""Both stages run, learn, and go on to the step after an interruption."""

import pytest
import torch

from mam.nets import checkpoint
from mam.training import run
from mam.training.loop import schedule
from mam.training.losses import laplacian_l1, mask_iou, mask_losses, weighted_l1


@pytest.fixture(autouse=True)
def small(mini, monkeypatch):
    monkeypatch.setitem(run.VARIANTS, "tiny", mini)
    monkeypatch.setattr(run, "READ_SIDE", 64)


def test_segmentation_resumes_to_the_step(data, tmp_path, mini) -> None:
    options = {"batch": 2, "lr": 1e-3, "log": lambda line: None}
    whole = run.train_segmentation(data, tmp_path / "whole", steps=4, **options)

    # Interrupted after step 2: the schedule is that of 4 steps, so stop from inside.
    def stop_after_two(model, loss_of, examples, state_file, **settings):
        def loss(batch, step):
            if step == 2:
                raise KeyboardInterrupt
            return loss_of(batch, step)

        return train(model, loss, examples, state_file, **{**settings, "save_every": 1})

    train = run.train
    run.train = stop_after_two
    try:
        with pytest.raises(KeyboardInterrupt):
            run.train_segmentation(data, tmp_path / "parts", steps=4, **options)
    finally:
        run.train = train
    parts = run.train_segmentation(data, tmp_path / "parts", steps=4, **options)
    a, b = (checkpoint.read_state(file, mini) for file in (whole, parts))
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_matte_stage_learns(data, tmp_path, mini) -> None:
    sam = checkpoint.seeded(mini, 0).sam
    checkpoint.save(sam, mini, tmp_path / "sam.pt")
    lines: list[str] = []
    file = run.train_matte(data, tmp_path, sam_file=tmp_path / "sam.pt", steps=3, batch=1, lr=2e-3, log=lines.append)
    trained = checkpoint.load(mini, tmp_path / "sam.pt", file).m2m
    assert not torch.equal(trained.refine_OS1[0].weight, checkpoint.seeded(mini, 0).m2m.refine_OS1[0].weight)


def test_schedule() -> None:
    assert schedule(0, 100, 10) == pytest.approx(0.1) and schedule(10, 100, 10) == pytest.approx(1)
    assert schedule(99, 100, 10) < 0.02


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
