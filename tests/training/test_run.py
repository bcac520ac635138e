"""Both stages run, learn, and resume at the exact step after an interruption."""

import pytest
import torch
from PIL import Image

from mam.errors import WeightsError
from mam.nets import checkpoint
from mam.training import run
from mam.training.recipes import RECIPES


@pytest.fixture(autouse=True)
def small(mini, monkeypatch):
    monkeypatch.setitem(run.VARIANTS, "tiny", mini)


def quiet(line: str) -> None:
    pass


def test_segmentation_resumes_to_the_step(data, tmp_path, mini, monkeypatch) -> None:
    recipe = RECIPES["tiny-segment"].replace(steps=4, batch=2, lr=1e-3, warmup=1, read_side=64)
    whole = run.train_segmentation(recipe, data, tmp_path / "whole", log=quiet)

    # Interrupted after step 2: the schedule is that of 4 steps, so stop from inside.
    def stop_after_two(model, loss_of, *given, **settings):
        def loss(batch, step):
            if step == 2:
                raise KeyboardInterrupt
            return loss_of(batch, step)

        return train(model, loss, *given, **settings, save_every=1)

    train = run.train
    with monkeypatch.context() as patched:
        patched.setattr(run, "train", stop_after_two)
        with pytest.raises(KeyboardInterrupt):
            run.train_segmentation(recipe, data, tmp_path / "parts", log=quiet)
    parts = run.train_segmentation(recipe, data, tmp_path / "parts", log=quiet)
    a, b = (checkpoint.read_state(file, mini) for file in (whole, parts))
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert torch.load(parts, weights_only=True)["recipe"]["steps"] == 4
    with pytest.raises(WeightsError, match="give another --out"):
        run.train_segmentation(recipe.replace(lr=5e-4), data, tmp_path / "parts", log=quiet)


def test_segmentation_starts_from_a_checkpoint(data, tmp_path, mini) -> None:
    recipe = RECIPES["tiny-segment"].replace(steps=1, batch=2, lr=1e-9, read_side=64)
    sam = checkpoint.build_seeded(mini, 3).sam
    checkpoint.save(sam, mini, tmp_path / "start.pt")
    file = run.train_segmentation(recipe, data, tmp_path / "on", start=tmp_path / "start.pt", log=quiet)
    name = "mask_decoder.iou_token.weight"
    assert torch.allclose(checkpoint.read_state(file, mini)[name], sam.state_dict()[name], atol=1e-3)


def test_one_part_learns_and_the_others_stay(data, tmp_path, mini) -> None:
    sam = checkpoint.build_seeded(mini, 3).sam
    checkpoint.save(sam, mini, tmp_path / "start.pt")
    recipe = RECIPES["tiny-refiner"].replace(steps=2, batch=2, read_side=64)
    file = run.train_segmentation(recipe, data, tmp_path / "on", start=tmp_path / "start.pt", log=quiet)
    before, after = (checkpoint.read_state(f, mini) for f in (tmp_path / "start.pt", file))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all(name.startswith("evidence.") for name in changed)


def test_matte_stage_learns_and_shows_its_mattes(data, tmp_path, mini) -> None:
    checkpoint.save(checkpoint.build_seeded(mini, 0).sam, mini, tmp_path / "sam.pt")
    recipe = RECIPES["tiny-matte"].replace(steps=2, batch=1, cells=6, views=2)
    file = run.train_matte(recipe, data, tmp_path, sam_file=tmp_path / "sam.pt", log=quiet)
    trained = checkpoint.load(mini, tmp_path / "sam.pt", file).m2m
    assert not torch.equal(trained.refine_OS1[0].weight, checkpoint.build_seeded(mini, 0).m2m.refine_OS1[0].weight)
    assert Image.open(tmp_path / "mattes_000002.png").size == (768, 1024)


def test_the_papers_recipe_trains_on_the_real_sets_folders(sets, tmp_path, mini) -> None:
    """The same loop, another configuration: two steps with a small network in place of vit_b."""
    checkpoint.save(checkpoint.build_seeded(mini, 0).sam, mini, tmp_path / "sam.pt")
    recipe = RECIPES["vit_b-matte"].replace(variant="tiny", steps=2, batch=1, warmup=1, cells=8)
    assert recipe.clip is None and recipe.betas == (0.5, 0.99)
    file = run.train_matte(recipe, sets, tmp_path, sam_file=tmp_path / "sam.pt", log=quiet)
    assert torch.load(file, weights_only=True)["recipe"]["data"] == "sets"
