"""The training loop: the learning rate, the order of the examples, and resuming."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from training.loop import Strided, build_optimizer, schedule, train
from training.recipes import RECIPES


def test_schedule() -> None:
    assert schedule(0, 100, 10, 1.0) == pytest.approx(0.1) and schedule(10, 100, 10, 1.0) == pytest.approx(1)
    assert schedule(50, 100, 10, 1.0) < 0.7 and schedule(69, 100, 10, 0.3) == 1
    assert schedule(99, 100, 10, 1.0) < 0.02 and schedule(99, 100, 10, 0.3) < 0.02


def test_a_pretrained_backbone_learns_at_its_own_rate() -> None:
    net = nn.ModuleDict({"backbone": nn.Linear(2, 2), "head": nn.Linear(2, 2)})
    recipe = RECIPES["tiny-segment"].replace(lr=1.0, backbone_lr=0.1)
    groups = build_optimizer(net, recipe).param_groups
    rates = {id(p): (group["rate"], group["weight_decay"]) for group in groups for p in group["params"]}
    assert rates[id(net["backbone"].weight)] == (0.1, recipe.weight_decay)
    assert rates[id(net["head"].weight)] == (1.0, recipe.weight_decay)
    assert rates[id(net["head"].bias)] == (1.0, 0.0)


def test_processes_read_each_example_once_and_a_resumed_run_continues() -> None:
    recipe = RECIPES["tiny-segment"].replace(batch=2)
    first, second = (list(Strided(0, 3, recipe, rank, 2)) for rank in (0, 1))
    assert first == [[0, 1], [4, 5], [8, 9]] and second == [[2, 3], [6, 7], [10, 11]]
    assert list(Strided(2, 3, recipe, 0, 2)) == first[2:]


def test_large_images_come_in_small_batches() -> None:
    recipe = RECIPES["tiny-segment"].replace(batch=8, read_sides=(32, 64))
    batches = list(Strided(0, 3, recipe, 0, 1))
    assert batches == [list(range(8)), [8, 9], list(range(16, 24))]


class Numbers(Dataset):
    """Each example is its index."""

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        return {"index": np.float32(index)}


def test_an_interrupted_run_ends_with_the_same_average(tmp_path) -> None:
    recipe = RECIPES["tiny-segment"].replace(steps=6, batch=2, lr=1e-2, warmup=2)

    def run(folder: str, stop_at: int | None = None) -> tuple[torch.Tensor, list[list[float]]]:
        torch.manual_seed(0)
        net, read = nn.Linear(1, 1), []

        def loss_of(batch: dict[str, torch.Tensor], step: int) -> tuple[torch.Tensor, dict[str, float]]:
            if step == stop_at:
                raise KeyboardInterrupt
            read.append(batch["index"].tolist())
            return (net(batch["index"].unsqueeze(1)) - torch.rand(2, 1)).square().mean(), {}

        average = train(net, loss_of, Numbers(), recipe, tmp_path / folder / "state.pt", save_every=1, log=print)
        return average.weight, read

    whole, read = run("whole")
    assert read == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11]]
    with pytest.raises(KeyboardInterrupt):
        run("parts", stop_at=4)
    parts, rest = run("parts")
    assert rest == read[4:] and torch.equal(parts, whole)
