"""The library end to end: the embedded model on real photographs."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from mam import Matte, Matting, NothingFound, Prompt, PromptError, Scene
from mam.matting import BUNDLE, _best_candidate
from tests.conftest import EXAMPLES

FLOWER_BOX = (178, 82, 450, 360)
CUP_BOX = (72, 12, 482, 390)


@pytest.fixture(scope="module")
def flower_matte(flower) -> Matte:
    matte = flower.matte(box=FLOWER_BOX)
    assert isinstance(matte, Matte)
    return matte


def inside(box, size) -> np.ndarray:
    mask = np.zeros(size, bool)
    mask[box[1] : box[3], box[0] : box[2]] = True
    return mask


def test_a_box_cuts_the_flower_out(flower_matte: Matte) -> None:
    alpha = flower_matte.alpha
    assert alpha.shape == (427, 640) and alpha.dtype == np.float32
    assert alpha.min() >= 0 and alpha.max() <= 1
    assert alpha[150:280, 250:375].mean() > 0.95  # the blossom
    far = ~inside((145, 50, 485, 395), alpha.shape)
    assert alpha[far].mean() < 0.02
    assert flower_matte.mask.shape == alpha.shape and 0 < flower_matte.score <= 1.5


def test_cutout_and_composites_have_the_pictures_size(flower_matte: Matte, tmp_path) -> None:
    cutout = flower_matte.cutout()
    assert cutout.shape == (427, 640, 4) and np.array_equal(cutout[..., 3], flower_matte.alpha_uint8())
    assert np.array_equal(flower_matte.cutout(clean_colours=False)[..., :3], flower_matte.photo.pixels)
    blue = flower_matte.over("#0000ff")
    assert (blue[5, 5] == (0, 0, 255)).all() and (blue[215, 310] == flower_matte.photo.pixels[215, 310]).all()
    for picture in (
        flower_matte.over_blur(),
        flower_matte.over_checkerboard(),
        flower_matte.over(np.zeros((9, 9, 3), np.uint8)),
    ):
        assert picture.shape == (427, 640, 3) and picture.dtype == np.uint8
    saved = Image.open(flower_matte.save(tmp_path / "flower.png"))
    assert saved.mode == "RGBA" and np.array_equal(np.asarray(saved), cutout)


def test_several_objects_in_one_call_equal_one_by_one(flower) -> None:
    prompts = [Prompt(box=FLOWER_BOX), Prompt(points=[(310, 215)]), Prompt(box=(0, 0, 200, 200), points=[(9, 9)])]
    together = flower.mattes(prompts, guidance="mask")
    alone = [flower.mattes([p], guidance="mask")[0] for p in prompts]
    assert len(together) == 3
    for a, b in zip(together, alone):
        assert bool(a) == bool(b)
        if a:
            # One batched decoder call adds up in another order than three.
            assert (np.abs(a.alpha - b.alpha) > 2 / 255).mean() < 1e-3


def test_the_next_round_starts_from_the_previous_logits(flower, flower_matte: Matte) -> None:
    points, labels = [(310, 215), (60, 60)], [1, 0]
    fresh = flower.matte(box=FLOWER_BOX, points=points, labels=labels)
    corrected = flower.matte(box=FLOWER_BOX, points=points, labels=labels, previous=flower_matte)
    assert corrected and corrected.segment.chosen == 0
    assert not np.array_equal(fresh.segment.logits, corrected.segment.logits)
    assert corrected.alpha[215, 310] > 0.9


def test_a_small_object_gets_a_closer_look(flower) -> None:
    size = flower.photo.size
    small = Image.new("RGB", (2 * size[1], 2 * size[0]), (90, 110, 80))
    small.paste(Image.fromarray(flower.photo.pixels), (size[1], size[0]))
    scene = Scene.encoded(flower.graphs, replace(flower.photo, pixels=np.asarray(small)))
    box = tuple(v + size[1 - i % 2] for i, v in enumerate(FLOWER_BOX))
    close = scene.matte(box=box)
    x0, y0, x1, y1 = close.segment.crop
    assert 0 < x0 < box[0] and 0 < y0 < box[1] and (x1, y1) != small.size
    assert (
        close.alpha.shape == (2 * size[0], 2 * size[1]) and not close.alpha[:y0].any() and not close.alpha[:, :x0].any()
    )
    assert close.alpha[size[0] + 150 : size[0] + 280, size[1] + 250 : size[1] + 375].mean() > 0.95
    far = scene.mattes([Prompt(box=box)], recrop=False)[0]
    assert far.segment.crop == (0, 0, *small.size)
    # A correction inside stays with the look; its logits go on unchanged.
    corrected = scene.matte(box=box, points=[(size[1] + 310, size[0] + 215)], previous=close)
    assert corrected.segment.crop == close.segment.crop


def test_a_matte_of_another_picture_is_no_previous_round(matting, flower_matte: Matte) -> None:
    cup = matting.open(EXAMPLES / "coffee.png")
    with pytest.raises(PromptError, match="previous is a matte of a picture of"):
        cup.matte(box=CUP_BOX, previous=flower_matte)


def test_scribble_and_mask_prompts_find_the_flower(flower, flower_matte: Matte) -> None:
    scribbled = flower.matte(scribbles=[[(250, 180), (310, 215), (370, 250)]])
    masked = flower.matte(mask=flower_matte.mask)
    for other in (scribbled, masked):
        both, either = (other.mask & flower_matte.mask).sum(), (other.mask | flower_matte.mask).sum()
        assert both / either > 0.6


def test_guidance_changes_the_merge_only(flower, flower_matte: Matte) -> None:
    other = flower.matte(box=FLOWER_BOX, guidance="mask")
    assert np.array_equal(other.mask, flower_matte.mask)
    assert np.abs(other.alpha - flower_matte.alpha).max() > 0
    with pytest.raises(PromptError, match="guidance is 'both'"):
        flower.matte(box=FLOWER_BOX, guidance="both")


def test_a_bad_prompt_among_several_is_counted(flower) -> None:
    with pytest.raises(PromptError, match="^prompt 2: the box"):
        flower.mattes([Prompt(box=FLOWER_BOX), Prompt(box=(5, 5, 1, 1))])


def test_nothing_found_is_an_answer(flower, monkeypatch) -> None:
    def empty(self, *inputs):
        b = len(inputs[1])
        return np.full((b, 4, 256, 256), -3, np.float32), np.full((b, 4), 0.21, np.float32)

    monkeypatch.setattr("mam.runtime.OnnxGraphs.decode", empty)
    answer = flower.matte(box=FLOWER_BOX)
    assert isinstance(answer, NothingFound) and not answer
    assert "nothing found" in str(answer) and "0.21" in str(answer)


@pytest.mark.parametrize("size", [(64, 48), (1500, 1100), (33, 900)])
def test_any_size_comes_back_at_its_size(matting: Matting, size) -> None:
    picture = Image.open(EXAMPLES / "flower.jpg").resize((size[1], size[0]))
    scene = matting.open(picture)
    matte = scene.matte(box=(0.25 * size[1], 0.05 * size[0], 0.75 * size[1], 0.8 * size[0]))
    assert matte and matte.alpha.shape == size


def test_other_photographs(matting: Matting) -> None:
    cup = matting.open(EXAMPLES / "coffee.png").matte(box=CUP_BOX)
    assert cup.alpha[190:260, 220:380].mean() > 0.9 and cup.alpha[:, 560:].mean() < 0.05


def test_bundle_is_small_and_complete() -> None:
    files = [p for p in BUNDLE.iterdir() if p.is_file()]
    names = {"image_encoder.onnx", "mask_decoder.onnx", "matte.onnx", "tiny_sam.pt", "tiny_m2m.pt", "README.md"}
    assert names == {p.name for p in files}
    assert max(p.stat().st_size for p in files) < 10_000_000
    assert sum(p.stat().st_size for p in files) < 30_000_000


def test_alternatives_are_sams_four_answers(flower) -> None:
    (segment,) = flower.segment([Prompt(points=[(310, 215)])])
    others = flower.alternatives(segment)
    assert [other.chosen for other in others] == [0, 1, 2, 3]
    assert np.array_equal(others[segment.chosen].mask, segment.mask)
    assert [other.score for other in others] == [float(score) for score in segment.scores]


def test_any_segment_can_be_refined(flower) -> None:
    (segment,) = flower.segment([Prompt(box=FLOWER_BOX)])
    assert np.array_equal(flower.refine(segment).alpha, flower.matte(box=FLOWER_BOX).alpha)
    other = flower.refine(flower.alternatives(segment)[1])
    assert other.segment.chosen == 1 and other.alpha.shape == (427, 640)


def test_edges_of_a_matte(flower) -> None:
    matte = flower.matte(box=FLOWER_BOX)
    wider = matte.adjusted(grow=4)
    assert wider.alpha.sum() > matte.alpha.sum() and wider.segment is matte.segment
    assert np.array_equal(wider.cutout()[..., 3], wider.alpha_uint8())


def test_the_main_object_is_found_without_a_prompt(flower) -> None:
    from mam.automatic import find_main_object

    x0, y0, x1, y1 = find_main_object(flower)
    w, h = min(x1, 450) - max(x0, 178), min(y1, 360) - max(y0, 82)
    assert w * h / ((x1 - x0) * (y1 - y0) + 272 * 278 - w * h) > 0.6  # IoU with the flower's box; a bud touches it


def test_clicks_count_for_more_than_the_models_choice() -> None:
    masks = np.full((4, 256, 256), -5.0, np.float32)
    masks[0, :, :] = masks[1, :128, :] = masks[2, :128, :128] = masks[3, :64, :] = 5.0
    scores = np.float32([0.9, 0.5, 0.6, 0.4])

    def chosen(*clicks: tuple[float, float, int], rule: int = 0) -> int:
        coords, labels = np.float32([c[:2] for c in clicks]).reshape(-1, 2), np.float32([c[2] for c in clicks])
        return _best_candidate(masks, scores, coords, labels, rule)

    assert chosen((10, 10, 2), (900, 900, 3)) == chosen((0, 0, -1), (10, 10, 1)) == 0
    assert chosen((10, 10, 1), (10, 900, 0)) == 2  # the best-scoring of the three that agree with both
    assert chosen((10, 10, 1), (900, 300, 1), (10, 900, 0)) == 1
    assert chosen((10, 10, 1), (10, 900, 0), rule=3) == 3
    assert chosen((10, 10, 0), (10, 900, 0)) == 2  # none obeys both


def test_a_click_that_takes_away_is_obeyed_on_a_real_photograph(matting) -> None:
    scene = matting.open(EXAMPLES / "coffee.png")
    matte = scene.matte(box=CUP_BOX, points=[(280, 230), (90, 60)], labels=[1, 0])
    assert matte.mask[230, 280] and not matte.mask[60, 90]


def test_a_folder_comes_before_a_model_of_the_same_name(graphs_folder, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Matting.load("tiny", device="cpu").graphs.variant == "tiny"
    (tmp_path / "tiny").symlink_to(graphs_folder)
    assert Matting.load("tiny", device="cpu").graphs.variant == "mini"
