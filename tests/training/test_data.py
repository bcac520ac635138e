"""Training examples: shapes, ranges, and that they depend on (seed, index) alone."""

import numpy as np
import pytest
import torch
from PIL import Image

from mam.training import prompts, softness
from mam.training.data import Library, Segments
from mam.training.matting import Composites
from mam.training.sets import SetComposites
from mam.training.softness import extend_colours, make, soften


@pytest.fixture(scope="module")
def library(data) -> Library:
    return Library(data)


def test_video_frames_are_grouped_by_shot(library) -> None:
    assert [len(shot) for shot in library.shots["davis"]] == [2, 1]


def test_an_empty_folder_is_refused(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="no photographs in"):
        Library(tmp_path)


def test_segments(library) -> None:
    for i in range(20):
        example = Segments(library, 64, 7)[i]
        again = Segments(library, 64, 7)[i]
        h, w = example["valid"]
        assert example["image"].shape == (64, 64, 3) and example["mask"].dtype == bool
        assert max(h, w) == 64 and not example["image"][h:].any() and not example["mask"][:, w:].any()
        assert 0.003 * h * w <= example["mask"].sum() < 0.95 * h * w
        assert all(np.array_equal(example[k], again[k]) for k in example)
    assert not np.array_equal(Segments(library, 64, 8)[0]["image"], Segments(library, 64, 7)[0]["image"])


def test_composites_have_soft_alpha_and_ignored_bands(library) -> None:
    soft = ignored = 0
    for i in range(8):
        example = Composites(library, 0)[i]
        assert example["image"].shape == (1024, 1024, 3) and example["alpha"].shape == (1024, 1024)
        soft += ((example["alpha"] > 0) & (example["alpha"] < 255)).sum()
        h, w = example["valid"]
        ignored += (example["known"][:h, :w] == 0).sum()
    assert soft > 1000 and ignored > 1000


def test_real_sets_give_examples_of_the_same_form(sets, tmp_path) -> None:
    examples = SetComposites(sets, 0)
    assert len(examples.foregrounds) == 4 and len(examples.backgrounds) == 2 and len(examples.pictures) == 2
    for i in range(6):
        example, again = examples[i], SetComposites(sets, 0)[i]
        assert example["image"].shape == (1024, 1024, 3) and example["alpha"].max() == 255
        assert all(np.array_equal(example[k], again[k]) for k in example)
    with pytest.raises(FileNotFoundError, match="holds neither RefMatte nor"):
        SetComposites(tmp_path, 0)


@pytest.mark.parametrize("kind", ["hair", "fur", "feathers", "defocus", "motion", "veil", "glass", "sheer", "edge"])
def test_every_treatment_keeps_the_size_and_softens(library, monkeypatch, kind) -> None:
    monkeypatch.setattr(softness, "_TREATMENTS", {kind: 1.0})
    padded = Image.new("RGBA", (200, 200))
    padded.paste(library.picture(library.cutouts[0]).convert("RGBA"), (68, 68))
    result = soften(np.random.default_rng(1), padded)
    alpha = np.asarray(result.getchannel("A"))
    assert result.size == (200, 200) and alpha.max() > 60
    if kind != "edge":
        assert ((alpha > 8) & (alpha < 247)).sum() > 100


@pytest.mark.parametrize("kind", ["grass", "twigs", "smoke", "net", "text"])
def test_every_made_foreground_is_partly_there(monkeypatch, kind) -> None:
    monkeypatch.setattr(softness, "_MADE", {kind: 1.0})
    made = make(np.random.default_rng(2), 300, lambda size: Image.new("RGB", size, "red"))
    share = (np.asarray(made.getchannel("A")) > 20).mean()
    assert made.mode == "RGBA" and max(made.size) <= 300 and 0.005 < share < 0.9


def test_colours_reach_beyond_the_edge(library) -> None:
    cutout = library.picture(library.cutouts[0]).convert("RGBA")
    colours = np.asarray(extend_colours(cutout))
    assert np.abs(colours[1, 32].astype(int) - 200).max() < 12  # transparent, and black before
    rng = np.random.default_rng(0)
    assert {soften(rng, cutout).size for _ in range(12)} == {cutout.size}


def test_simulated_users_point_where_they_should() -> None:
    torch.manual_seed(0)
    masks = torch.zeros(64, 128, 128, dtype=torch.bool)
    masks[:, 20:60, 30:90] = True
    boxes = prompts.boxes(masks)
    tight = torch.tensor([[240.0, 160.0], [719.0, 479.0]])
    assert (boxes == tight).all((1, 2)).float().mean() > 0.3  # about half are left tight
    assert (boxes - tight).abs().max() <= 0.2 * 480 + 1
    xy = (prompts.clicks(masks) / 8).long()
    assert masks[torch.arange(64), xy[:, 1], xy[:, 0]].all()
    predicted = torch.zeros_like(masks)
    predicted[:32] = True  # too much
    xy, labels = prompts.corrections(predicted, masks)
    assert (labels[:32] == 0).all() and (labels[32:] == 1).all()
    at = (xy / 8).long()
    assert not masks[torch.arange(32), at[:32, 1], at[:32, 0]].any()
    assert (prompts.corrections(masks, masks)[1] == -1).all()


def test_boxes_around_all_that_there_is_mean_the_large_object_in_it() -> None:
    torch.manual_seed(0)
    valid = torch.tensor([[512, 1024]]).expand(64, -1)
    large = torch.tensor([[[300.0, 100.0], [800.0, 480.0]]]).expand(64, -1, -1)
    out = prompts.loosened(large, valid)
    moved = (out != large).any(2).any(1)
    assert 0.1 < moved.float().mean() < 0.5
    assert (out[:, 0] <= large[:, 0]).all() and (out[:, 1] >= large[:, 1]).all()
    assert (out >= 0).all() and (out[:, 1] <= torch.tensor([1023.0, 511.0])).all()
    small = large * 0.4
    assert torch.equal(prompts.loosened(small, valid, share=1.0), small)


def test_surroundings_reach_all_four_edges_of_the_picture() -> None:
    masks = torch.zeros(3, 64, 64, dtype=torch.bool)
    valid = torch.tensor([[64, 64], [32, 64], [32, 64]])
    masks[0, 10:64, 20:40] = True  # a person cut by one edge
    masks[1, :32] = True
    masks[1, 8:24, 8:24] = False
    masks[2, :32, :40] = True  # three edges
    assert prompts.surroundings(masks, valid).tolist() == [False, True, False]
