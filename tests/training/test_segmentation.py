"""The loss of interactive segmentation: prompts by kind, and a falling loss."""

import math

import numpy as np
import torch

from mam.nets.tiny.segmenter import Segmenter
from training.examples import KINDS, Examples
from training.library import Library
from training.segmentation import first_prompts, segmentation_loss


def test_each_kind_of_prompt_has_its_points():
    target = torch.zeros(6, 64, 64, dtype=torch.bool)
    target[:, 20:40, 10:50] = True
    part = target.clone()
    part[:, :, 30:] = False
    kind = torch.arange(6)
    torch.manual_seed(0)
    coords, labels = first_prompts({"mask": target, "part": part, "kind": kind, "valid": torch.full((6, 2), 64)})
    by_kind = {name: labels[i] for i, name in enumerate(KINDS)}
    assert (by_kind["empty"] == -1).all()
    assert (by_kind["click"] == 1).sum() == 1
    assert (by_kind["scribble"] == 1).sum() >= 2
    assert by_kind["box"][-2:].tolist() == [2, 3]
    assert ((by_kind["box+click"] == 1).sum(), *by_kind["box+click"][-2:].tolist()) == (1, 2, 3)
    clicked = coords[KINDS.index("click")][by_kind["click"] == 1][0] / 16
    assert part[0, int(clicked[1]), int(clicked[0])]


def test_the_loss_falls_when_one_batch_is_learnt(data, mini):
    torch.manual_seed(0)
    net = Segmenter(mini.networks)
    examples = Examples(Library(data), 64, 0)
    drawn = [examples[i] for i in range(4)]
    batch = {k: torch.from_numpy(np.stack([e[k] for e in drawn])) for k in drawn[0]}
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    losses = []
    for step in (0, 1, 2, 3, 5, 6, 7, 8, 10, 12, 13):
        torch.manual_seed(1)
        loss, figures = segmentation_loss(net.train(), batch, step, coarse=step < 6)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        assert all(0 <= value <= 1 or math.isnan(value) for value in figures.values())
    assert losses[-1] < 0.8 * losses[0]
