"""Mask-to-Matte and refinement against values computed by the authors' code (tests/reference/README.md)."""

import json
import math
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from mam.model.variants import M2M
from mam.nets.m2m import MaskToMatte, fold_spectral_norm
from mam.nets.refine import dilate, refine

REFERENCE = Path(__file__).parents[1] / "reference"


def golden_weights() -> dict[str, torch.Tensor]:
    """Build the seeded weights that tests/reference/README.md describes."""
    shapes = json.loads((REFERENCE / "m2m_state_dict.json").read_text())
    state = {}
    for name, shape in shapes.items():
        n = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)
        if name.endswith("num_batches_tracked"):
            value = np.zeros(shape, np.int64)
        elif name.endswith("running_var"):
            value = 0.5 + np.abs(n)
        elif name.endswith("running_mean") or name.endswith("bias"):
            value = 0.1 * n
        elif len(shape) == 1:
            value = 1 + 0.1 * n
        else:
            value = n / np.float32(math.sqrt(math.prod(shape[1:])))
            value = value * {"refine_OS1.3.weight": 6, "refine_OS4.3.weight": 2, "refine_OS8.3.weight": 2}.get(name, 1)
        state[name] = torch.from_numpy(np.asarray(value))
    for name in [n for n in state if n.endswith("weight_bar")]:
        matrix = state[name].double().reshape(state[name].shape[0], -1)
        u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
        state[name.replace("weight_bar", "weight_u")] = u[:, 0].float()
        state[name.replace("weight_bar", "weight_v")] = vh[0].float()
    return state


def test_m2m_has_the_authors_tensors() -> None:
    shapes = json.loads((REFERENCE / "m2m_state_dict.json").read_text())
    net = MaskToMatte(M2M())
    assert {k: list(v.shape) for k, v in net.state_dict().items()} == shapes
    assert sum(p.numel() for p in net.parameters()) == 2_714_619


@pytest.mark.parametrize("fold", [False, True], ids=["as trained", "spectral norm folded"])
def test_m2m_equals_the_authors(fold: bool) -> None:
    golden = {k: torch.from_numpy(v) for k, v in np.load(REFERENCE / "m2m_256.npz").items()}
    net = MaskToMatte(M2M()).eval()
    net.load_state_dict(golden_weights())
    if fold:
        net = fold_spectral_norm(net)
    with torch.inference_mode():
        got = net(golden["image_embeddings"], golden["image"], golden["mask"])
    for name, alpha in zip(("alpha_os8", "alpha_os4", "alpha_os1"), got, strict=True):
        # The order of float32 sums differs; the three alphas span [0, 1].
        assert (alpha - golden[name]).abs().max() <= 1e-5, name
        assert golden[name].std() > 0.02


@pytest.mark.parametrize("case", range(4))
@pytest.mark.parametrize("guidance", ["mask", "alpha"])
def test_refinement_equals_the_authors(case: int, guidance: str) -> None:
    golden = np.load(REFERENCE / "refine.npz")

    def read(name: str) -> torch.Tensor:
        return torch.from_numpy(golden[f"{case}_{name}"])[None, None].float() / 255

    mask = read("mask_in") > 0.5
    alpha = refine(mask, read("os8"), read("os4"), read("os1"), torch.tensor(guidance == "mask"))
    assert torch.equal(alpha, read(f"out_{guidance}"))


@pytest.mark.parametrize("size", [5, 10])
def test_one_pixel_is_dilated_to_opencvs_ellipse(size: int) -> None:
    pixel = torch.zeros(1, 1, 31, 31, dtype=torch.bool)
    pixel[..., 15, 15] = True
    golden = np.load(REFERENCE / "ellipses.npz")[f"k{size}"] > 0
    start = 15 - (size - 1 - size // 2)  # the anchor is mirrored
    grown = dilate(pixel, size)[0, 0].numpy()
    assert grown.sum() == golden.sum()
    assert np.array_equal(grown[start : start + size, start : start + size], golden[::-1, ::-1])


def test_refinement_of_an_empty_mask_is_empty() -> None:
    zero, some = torch.zeros(2, 1, 8, 9), torch.rand(2, 1, 8, 9)
    for guidance in (True, False):
        assert refine(zero.bool(), some, some, some, torch.tensor(guidance)).sum() == 0
