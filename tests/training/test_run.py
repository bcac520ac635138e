"""Both stages run, learn, and resume at the exact step after an interruption."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mam.errors import WeightsError
from mam.nets import checkpoint
from mam.training import run
from mam.training.data import Segments
from mam.training.recipes import RECIPES, Recipe


def quiet(line: str) -> None:
    pass


def test_segmentation_resumes_to_the_step(data, tmp_path, mini, monkeypatch) -> None:
    recipe = RECIPES["tiny-segment"].replace(steps=4, batch=2, lr=1e-3, warmup=1, read_side=64)

    def train(name: str, recipe: Recipe = recipe) -> Path:
        return run.train_segmentation(recipe, data, tmp_path / name, variant=mini, save_every=1, log=quiet)

    whole = train("whole")
    draw = Segments.__getitem__

    def stop_after_two_steps(examples: Segments, index: int) -> dict[str, np.ndarray]:
        if index >= 2 * recipe.batch:
            raise KeyboardInterrupt
        return draw(examples, index)

    with monkeypatch.context() as patched:
        patched.setattr(Segments, "__getitem__", stop_after_two_steps)
        with pytest.raises(KeyboardInterrupt):
            train("parts")
    assert torch.load(tmp_path / "parts" / "segment.state.pt", weights_only=True)["step"] == 2
    parts = train("parts")
    a, b = (checkpoint.read_state(file, mini) for file in (whole, parts))
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert torch.load(parts, weights_only=True)["recipe"]["steps"] == 4
    with pytest.raises(WeightsError, match="give another --out"):
        train("parts", recipe.replace(lr=5e-4))


def test_segmentation_starts_from_a_checkpoint(data, tmp_path, mini) -> None:
    recipe = RECIPES["tiny-segment"].replace(steps=1, batch=2, lr=1e-9, read_side=64)
    sam = checkpoint.build_seeded(mini, 3).sam
    checkpoint.save(sam, mini, tmp_path / "start.pt")
    file = run.train_segmentation(recipe, data, tmp_path / "on", start=tmp_path / "start.pt", variant=mini, log=quiet)
    name = "mask_decoder.iou_token.weight"
    assert torch.allclose(checkpoint.read_state(file, mini)[name], sam.state_dict()[name], atol=1e-3)


def test_one_part_learns_and_the_others_stay(data, tmp_path, mini) -> None:
    sam = checkpoint.build_seeded(mini, 3).sam
    checkpoint.save(sam, mini, tmp_path / "start.pt")
    recipe = RECIPES["tiny-refiner"].replace(steps=2, batch=2, read_side=64)
    file = run.train_segmentation(recipe, data, tmp_path / "on", start=tmp_path / "start.pt", variant=mini, log=quiet)
    before, after = (checkpoint.read_state(f, mini) for f in (tmp_path / "start.pt", file))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all(name.startswith("evidence.") for name in changed)


def test_matte_stage_learns_and_shows_its_mattes(data, tmp_path, mini) -> None:
    checkpoint.save(checkpoint.build_seeded(mini, 0).sam, mini, tmp_path / "sam.pt")
    recipe = RECIPES["tiny-matte"].replace(steps=2, batch=1, cells=6, views=2)
    file = run.train_matte(recipe, data, tmp_path, sam_file=tmp_path / "sam.pt", variant=mini, log=quiet)
    trained = checkpoint.load(mini, tmp_path / "sam.pt", file).m2m
    assert not torch.equal(trained.refine_OS1[0].weight, checkpoint.build_seeded(mini, 0).m2m.refine_OS1[0].weight)
    assert Image.open(tmp_path / "mattes_000002.png").size == (768, 1024)


def test_the_papers_recipe_trains_on_the_real_sets_folders(sets, tmp_path, mini) -> None:
    """The same loop, another configuration: two steps with a small network in place of vit_b."""
    checkpoint.save(checkpoint.build_seeded(mini, 0).sam, mini, tmp_path / "sam.pt")
    recipe = RECIPES["vit_b-matte"].replace(steps=2, batch=1, warmup=1, cells=8)
    assert recipe.clip is None and recipe.betas == (0.5, 0.99)
    file = run.train_matte(recipe, sets, tmp_path, sam_file=tmp_path / "sam.pt", variant=mini, log=quiet)
    assert torch.load(file, weights_only=True)["recipe"]["data"] == "sets"
