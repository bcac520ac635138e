"""The whole network in torch: cropping, and agreement with the library."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mam.model.variants import Tiny
from mam.nets.checkpoint import build_seeded
from mam.nets.mam import MattingAnything, crop_cells
from mam.nets.refine import refine
from mam.nets.resample import resample
from tests.small_vit import SMALL


def blob(y0: int, y1: int, x0: int, x1: int) -> torch.Tensor:
    logits = torch.full((1, 1, 256, 256), -5.0)
    logits[..., y0:y1, x0:x1] = 5.0
    return logits


def m2m_of(
    model: MattingAnything, embeddings: torch.Tensor, image: torch.Tensor, logits: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    return model.m2m(*((embeddings,) if model.m2m.uses_embeddings else ()), image, logits)


def matte_without_crop(
    model: MattingAnything,
    image: torch.Tensor,
    embeddings: torch.Tensor,
    logits: torch.Tensor,
    input_size: torch.Tensor,
    original_size: torch.Tensor,
    guidance: torch.Tensor,
) -> torch.Tensor:
    """`MattingAnything.matte` with M2M on the whole input frame."""
    h, w = input_size.tolist()

    def resize(x: torch.Tensor) -> torch.Tensor:
        return F.interpolate(x[..., :h, :w], original_size.tolist(), mode="bilinear", align_corners=False)

    alphas = [resize(alpha) for alpha in m2m_of(model, embeddings, image, logits)]
    return refine(resize(resample(logits, 4)) > 0, *alphas, guidance)


@pytest.mark.parametrize("networks", [SMALL.networks, Tiny(matte=(8, 8, 8, 8))], ids=["the authors'", "tiny"])
@pytest.mark.parametrize("guidance", [True, False])
@pytest.mark.parametrize(
    "where", [(100, 140, 120, 170), (0, 30, 0, 30), (150, 192, 200, 256)], ids=["middle", "top left", "edge"]
)
@torch.inference_mode()
def test_crop_equals_the_whole_frame(mini, where, guidance, networks) -> None:
    # M2M's receptive field depends on its depth, not on its widths.
    model = build_seeded(dataclasses.replace(mini, networks=networks), 3)
    image, embeddings = torch.randn(1, 3, 1024, 1024), torch.randn(1, 256, 64, 64)
    inputs = (
        image,
        embeddings,
        blob(*where),
        torch.tensor([768, 1024]),
        torch.tensor([480, 640]),
        torch.tensor(guidance),
    )
    cropped, full = model.matte(*inputs), matte_without_crop(model, *inputs)
    assert full.max() > 0.5
    # The order of sums depends on the size, so a pixel at a threshold of the refinement may differ.
    assert ((cropped - full).abs() > 5e-6).sum() <= 2


def test_crop_keeps_its_margin_and_stays_inside() -> None:
    mask = torch.zeros(1, 1, 256, 256, dtype=torch.bool)
    mask[..., 100:101, 4:9] = True  # cell row 25, cell columns 1 and 2
    y0, y1, x0, x1 = (int(v) for v in crop_cells(mask, 8))
    assert (y0, y1, x0, x1) == (25 - 8, 26 + 8, 0, 3 + 8)


@torch.inference_mode()
def test_forward_equals_the_library(model) -> None:
    from export.torch_graphs import TorchGraphs
    from mam import Matting
    from tests.conftest import EXAMPLES

    scene = Matting(TorchGraphs(model)).open(EXAMPLES / "cat.png")
    expected = scene.matte(box=(20, 30, 400, 280), guidance="mask")
    frame = scene.whole.frame
    coords = torch.from_numpy(frame.to_input(np.array([[[20, 30], [400, 280]]])))
    sizes = torch.tensor(frame.input_size), torch.tensor(frame.original_size)
    alpha = model(
        torch.from_numpy(scene.whole.input_image), coords, torch.tensor([[2.0, 3.0]]), *sizes, torch.tensor(True)
    )
    assert expected and np.array_equal(alpha[0, 0].numpy(), expected.alpha)


@torch.inference_mode()
def test_empty_mask_gives_an_empty_alpha(model) -> None:
    image, embeddings = torch.randn(1, 3, 1024, 1024), torch.randn(1, 256, 64, 64)
    sizes = torch.tensor([1024, 700]), torch.tensor([90, 61])
    alpha = model.matte(image, embeddings, torch.full((2, 1, 256, 256), -1.0), *sizes, torch.tensor(False))
    assert alpha.shape == (2, 1, 90, 61) and alpha.sum() == 0
