"""The batched SAM of `mam.nets.sam` against Meta's own modules."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from mam.nets.sam import Sam
from mam.nets.segment_anything import segment_anything_modeling
from tests.small_vit import SMALL


@pytest.fixture(scope="module")
def sam() -> Sam:
    torch.manual_seed(1)
    return Sam(SMALL.networks).eval()


@torch.inference_mode()
def test_prompts_and_masks_equal_metas(sam: Sam) -> None:
    embeddings, masks = torch.randn(1, 256, 64, 64), torch.randn(3, 1, 256, 256)
    points, labels = torch.rand(3, 2, 2) * 1024, torch.tensor([[1, 0], [1, 1], [0, 1]])
    boxes = torch.rand(3, 4) * 1024
    sparse, dense = sam.prompt_encoder((points, labels), boxes, masks)
    expected = sam.mask_decoder.predict_masks(embeddings, sam.prompt_encoder.get_dense_pe(), sparse, dense)
    coords = torch.cat([points, boxes.reshape(3, 2, 2)], 1)
    kinds = torch.cat([labels, torch.tensor([[2, 3]] * 3)], 1).float()
    got = sam.decode(embeddings, *sam.embed_prompts(coords, kinds, masks, torch.ones(3)))
    for mine, metas in zip(got, expected, strict=True):
        assert torch.allclose(mine, metas, atol=1e-5)  # the same sums, batched


@torch.inference_mode()
def test_a_click_needs_the_padding_point_that_meta_adds(sam: Sam) -> None:
    point, label = torch.tensor([[[300.0, 200.0]]]), torch.tensor([[1]])
    expected, dense = sam.prompt_encoder((point, label), None, None)
    coords = torch.cat([point, torch.zeros(1, 1, 2)], 1)
    got, no_mask = sam.embed_prompts(coords, torch.tensor([[1.0, -1.0]]), torch.zeros(1, 1, 256, 256), torch.zeros(1))
    assert torch.allclose(got, expected, atol=1e-6)
    assert torch.allclose(no_mask, dense.expand_as(no_mask), atol=1e-6)


@torch.inference_mode()
def test_one_image_per_prompt_equals_one_at_a_time(sam: Sam) -> None:
    embeddings = torch.randn(2, 256, 16, 16)
    prompts = torch.rand(2, 2, 2) * 1024, torch.tensor([[2.0, 3.0]] * 2), torch.zeros(2, 1, 64, 64), torch.zeros(2)
    together, _ = sam.predict_masks([embeddings], *prompts)
    for i in range(2):
        alone, _ = sam.predict_masks([embeddings[i : i + 1]], *(values[i : i + 1] for values in prompts))
        assert torch.allclose(together[i], alone[0], atol=1e-4)


def test_best_mask_is_chosen_per_prompt_among_the_last_three() -> None:
    masks = torch.arange(8.0).reshape(2, 4, 1, 1)
    quality = torch.tensor([[0.9, 0.1, 0.3, 0.2], [0.9, 0.8, 0.3, 0.2]])
    chosen = Sam.select_single_mask(SimpleNamespace(multimask=True), masks, quality)
    assert chosen.flatten().tolist() == [2.0, 5.0]


def test_modelling_loads_without_torchvision() -> None:
    code = (
        "import sys; sys.modules['torchvision'] = None\n"
        "from mam.nets.segment_anything import segment_anything_modeling as load; load().PromptEncoder\n"
        "assert 'segment_anything' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert segment_anything_modeling() is segment_anything_modeling()
