"""Masks that end where the picture has edges: against an exact minimum cut, and what a user would see of it."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

from mam.nets import graph_cut as module
from mam.nets.encoder import carried, packed, pooled
from mam.nets.graph_cut import graph_cut, settle

BOX = torch.tensor([[[0.0, 0.0], [1023.0, 1023.0]]]), torch.tensor([[2.0, 3.0]])


def halves(side: int = 32) -> torch.Tensor:
    """(1, 3, side, side): dark on the left, light on the right, with some grain."""
    picture = torch.full((1, 3, side, side), -1.0)
    picture[..., side // 2 :] = 1.0
    return picture + 0.05 * torch.randn(picture.shape, generator=torch.Generator().manual_seed(0))


def energy(object_: np.ndarray, logits: np.ndarray, likeness: list[np.ndarray]) -> float:
    along = np.abs(np.diff(object_, axis=1)) * likeness[0], np.abs(np.diff(object_, axis=0)) * likeness[1]
    return float(-(logits * object_).sum() + module._LENGTH * sum(part.sum() for part in along))


@pytest.mark.parametrize("seed", range(4))
def test_it_comes_to_the_minimum_cut(seed, monkeypatch) -> None:
    """Many steps approach the exact minimum, which is the maximum flow that scipy computes."""
    monkeypatch.setattr(module, "_STEPS", 1000)
    generator = torch.Generator().manual_seed(seed)
    side = 9
    logits, picture = (
        6 * torch.randn(1, 1, side, side, generator=generator),
        torch.randn(1, 3, side, side, generator=generator),
    )
    got = (graph_cut(logits, picture) > 0.5).double().numpy()[0, 0]
    likeness = [part[0, 0].double().numpy() for part in module._likeness(picture)]
    unary = logits[0, 0].double().numpy()

    fine = 10_000  # scipy's flows are whole numbers
    source, sink = side * side, side * side + 1
    index = np.arange(side * side).reshape(side, side)
    edges = [(source, i, max(u, 0)) for i, u in zip(index.flat, unary.flat, strict=True)] + [
        (i, sink, max(-u, 0)) for i, u in zip(index.flat, unary.flat, strict=True)
    ]
    for there, following, weights in ((index[:, :-1], index[:, 1:], likeness[0]), (index[:-1], index[1:], likeness[1])):
        for i, j, weight in zip(there.flat, following.flat, (module._LENGTH * weights).flat, strict=True):
            edges += [(i, j, weight), (j, i, weight)]
    rows, columns, capacities = zip(*edges, strict=True)
    capacities = np.round(fine * np.array(capacities)).astype(np.int32)
    flow = (
        maximum_flow(csr_array((capacities, (rows, columns)), shape=(side * side + 2,) * 2), source, sink).flow_value
        / fine
    )
    least = flow - np.maximum(unary, 0).sum()  # of the cut, counted as `energy` counts
    assert energy(got, unary, likeness) == pytest.approx(least, abs=0.05)


def test_the_outline_moves_to_the_edge_and_specks_go() -> None:
    logits = torch.full((1, 1, 32, 32), -3.0)
    logits[..., 18:] = 3.0  # two pixels short of the edge
    logits[..., 5:7, 5:7] = 3.0
    logits[..., 24:26, 24:26] = -3.0
    expected = torch.zeros(32, 32, dtype=torch.bool)
    expected[:, 16:] = True
    logits[..., 16:18] = -0.5
    settled = settle(logits, halves(), *BOX)[0, 0]
    assert torch.equal(settled > 0, expected) and settled.abs().max() <= 6


def test_what_the_mask_is_sure_of_stays() -> None:
    logits = torch.full((1, 1, 32, 32), -20.0)
    logits[..., 8:24, 8:24] = 20.0  # right across the picture's edge
    assert torch.equal(settle(logits, halves(), *BOX) > 0, logits > 0)


def test_what_the_mask_grants_a_click_is_certain_and_the_box_ends_what_is_in_doubt() -> None:
    logits = torch.full((1, 1, 128, 128), -3.0)
    logits[..., 64:] = 3.0
    logits[..., 39:42, 39:42] = 3.0
    logits[..., 99:102, 99:102] = -3.0
    at = torch.tensor([[[324.0, 324.0], [804.0, 804.0], [804.0, 324.0]]])  # 8 pixels of the input frame each
    for labels, kept in ((torch.tensor([[1.0, 0.0, 0.0]]), True), (torch.tensor([[-1.0, -1.0, -1.0]]), False)):
        settled = settle(logits, halves(128), at, labels)[0, 0] > 0
        assert settled[40, 40] == kept and settled[100, 100] != kept and settled[40, 100]
    doubtful = torch.full((1, 1, 32, 32), 0.5)
    boxed = settle(doubtful, halves(), torch.tensor([[[512.0, 0.0], [1023.0, 1023.0]]]), BOX[1])[0, 0] > 0
    assert boxed[:, 17:].all() and not boxed[:, :15].any()


def test_masks_of_one_picture_do_not_touch_each_other() -> None:
    masks, picture = 4 * torch.randn(3, 1, 32, 32), halves()
    assert torch.allclose(
        graph_cut(masks, picture), torch.cat([graph_cut(mask[None], picture) for mask in masks]), atol=1e-5
    )


def test_an_embedding_carries_the_picture() -> None:
    features, picture = torch.randn(2, 32, 8, 8), torch.randn(2, 3, 32, 32)
    embedding = packed(features, picture)
    assert embedding.shape == (2, 256, 8, 8) and torch.equal(carried(embedding), picture)
    half = pooled(embedding, 2)
    assert half.shape == (2, 256, 4, 4) and torch.equal(carried(half), torch.nn.functional.avg_pool2d(picture, 2))
