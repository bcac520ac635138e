"""An encoded image: the embedded model on real photographs, text prompts, and the number of encodings."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from mam import FoundBox, FoundBoxes, Matte, Matting, NothingFound, Prompt, PromptError, Scene, Stroke
from mam.images import open_photo
from mam.images.profiles import convert_profile
from mam.masks.crops import is_cut_off, transfer_logits
from mam.masks.decoding import candidates
from mam.model.contract import InferencePolicy
from tests.colour_profiles import adobe_rgb
from tests.conftest import EXAMPLES, FLOWER_BOX
from tests.mock_graphs import MockGraphs

CUP_BOX = (72, 12, 482, 390)


class CountingGraphs(MockGraphs):
    """Crops as `tiny` does, and counts its encodings."""

    policy = InferencePolicy(crop_margin=0.2)
    encodings = 0

    def encode(self, image: np.ndarray) -> np.ndarray:
        self.encodings += 1
        return super().encode(image)


@pytest.fixture
def counted() -> Scene:
    return Matting(CountingGraphs()).open(np.zeros((600, 800, 3), np.uint8))


def test_three_boxes_are_three_encodings_beside_the_whole_image(counted: Scene) -> None:
    boxes = [(10, 10, 60, 60), (300, 300, 360, 380), (600, 100, 700, 200)]
    mattes = counted.mattes([Prompt(box=box) for box in boxes])
    assert all(mattes) and counted.graphs.encodings == 1 + 3
    corrected = counted.matte(box=boxes[2], points=[(650, 150)], previous=mattes[2])
    assert corrected and counted.graphs.encodings == 1 + 3  # in the crop that is already encoded
    counted.mattes([Prompt(box=box) for box in boxes], recrop=False)
    assert counted.graphs.encodings == 1 + 3


def test_an_answer_that_reaches_its_crops_edge_is_asked_again_in_a_larger_crop(counted: Scene) -> None:
    (inside,) = counted.segment([Prompt(box=(300, 300, 360, 380), points=[(330, 340)])])
    (reaching,) = counted.segment([Prompt(points=[(372, 340)], previous=inside)])
    assert inside.crop == (284, 284, 376, 396) and reaching.crop == (228, 228, 432, 452)
    assert reaching.mask[340, 380] and not is_cut_off(reaching.mask, reaching.crop)


@pytest.mark.slow
def test_a_mask_gives_the_same_matte_in_a_stretched_frame_and_after_a_padded_one() -> None:
    padded = Matting.load(device="cpu")
    stretched = Matting(replace(padded.graphs, policy=InferencePolicy(crop_margin=0.2, sam2=True)))
    ours, theirs = (matting.open(EXAMPLES / "flower.jpg") for matting in (stretched, padded))
    mask = theirs.matte(box=FLOWER_BOX).mask
    expected, found = theirs.matte(mask=mask), ours.matte(mask=mask)
    assert np.abs(found.alpha - expected.alpha).mean() < 0.002
    moved = transfer_logits(expected.segment.logits, expected.segment.frame, found.segment.frame)
    assert ((moved > 0) == (found.segment.logits > 0)).mean() > 0.99


@pytest.mark.parametrize("asks_again", [True, False])
def test_first_answers_are_asked_again_with_their_own_box(asks_again: bool) -> None:
    class Recording(MockGraphs):
        policy = InferencePolicy(crop_margin=0.2, multimask=not asks_again, main_object=True)

        def decode(self, features, coords, labels, mask_input, has_mask):
            self.last = labels[0].tolist()
            return super().decode(features, coords, labels, mask_input, has_mask)

    scene = Matting(Recording()).open(np.zeros((600, 800, 3), np.uint8))
    first = scene.matte(points=[(400, 300)])
    assert (scene.graphs.last == [1, 2, 3]) == asks_again
    scene.matte(points=[(400, 300), (700, 100)], previous=first)
    assert (scene.graphs.last == [1, 1, 2, 3]) == asks_again


def test_a_click_on_a_missing_part_keeps_the_object(flower, flower_matte: Matte) -> None:
    """The leaf is no part of the flower for the model, and was once all that was left after the click."""
    more = flower.matte(box=FLOWER_BOX, points=[(60, 380)], previous=flower_matte)
    assert more.mask[flower_matte.mask].mean() > 0.99 and more.mask.sum() > flower_matte.mask.sum()


def test_the_number_of_kept_crops_is_bounded_and_counted(counted: Scene) -> None:
    for i in range(6):
        counted.segment([Prompt(box=(10 + 100 * i, 10, 60 + 100 * i, 60))])
    encoded = 3 * 1024**2 + sum(values.nbytes for values in counted.whole.features.values())
    assert counted.nbytes == counted.photo.pixels.nbytes + 3 * encoded
    assert counted.whole.resized.nbytes <= 3 * 1024**2
    uncropped = Matting(MockGraphs()).open(counted.photo.pixels)
    assert uncropped.nbytes == counted.photo.pixels.nbytes + encoded


@pytest.mark.slow
def test_threads_share_a_scene(flower) -> None:
    boxes = [FLOWER_BOX, (200, 100, 430, 340), (150, 60, 460, 380), (230, 120, 400, 300)]
    alone = [flower.matte(box=box) for box in boxes]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda box: flower.matte(box=box), 2 * boxes))
    for a, b in zip(together, 2 * alone, strict=True):
        assert np.array_equal(a.alpha, b.alpha)


def test_a_scene_pickles_as_its_image() -> None:
    scene = Matting.load(device="cpu").open(np.full((40, 60, 3), 90, np.uint8))
    data = pickle.dumps(scene)
    assert len(data) < 10_000  # no embeddings
    again = pickle.loads(data)
    assert np.array_equal(again.whole.features["image_embeddings"], scene.whole.features["image_embeddings"])
    assert repr(again) == "Scene(Photo('image', 60 x 40), tiny)"


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
    assert flower_matte.mask.shape == alpha.shape and 0.5 < flower_matte.score < 1.1


@pytest.mark.slow
def test_several_objects_in_one_call_equal_one_by_one(flower) -> None:
    prompts = [Prompt(box=FLOWER_BOX), Prompt(points=[(310, 215)]), Prompt(box=(0, 0, 200, 200), points=[(9, 9)])]
    together = flower.mattes(prompts, guidance="mask")
    alone = [flower.mattes([p], guidance="mask")[0] for p in prompts]
    assert len(together) == 3
    for a, b in zip(together, alone, strict=True):
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


@pytest.mark.slow
def test_a_small_object_is_encoded_in_a_crop(flower) -> None:
    size = flower.photo.size
    small = Image.new("RGB", (2 * size[1], 2 * size[0]), (90, 110, 80))
    small.paste(Image.fromarray(flower.photo.pixels), (size[1], size[0]))
    scene = Scene(flower.graphs, replace(flower.photo, pixels=np.asarray(small)))
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
    # A correction inside the crop keeps it, so its logits are passed on unchanged.
    corrected = scene.matte(box=box, points=[(size[1] + 310, size[0] + 215)], previous=close)
    assert corrected.segment.crop == close.segment.crop


def test_a_matte_of_another_image_is_no_previous_round(matting, flower_matte: Matte) -> None:
    cup = matting.open(EXAMPLES / "coffee.png")
    with pytest.raises(PromptError, match=r"the previous round is of an image of"):
        cup.matte(box=CUP_BOX, previous=flower_matte)


def test_a_scribble_finds_the_flower(flower, flower_matte: Matte) -> None:
    scribbled = flower.matte(scribbles=[[(250, 180), (310, 215), (370, 250)]])
    both, either = (scribbled.mask & flower_matte.mask).sum(), (scribbled.mask | flower_matte.mask).sum()
    assert both / either > 0.6


def test_a_mask_is_taken_as_it_is_and_corrected_by_clicks(flower, flower_matte: Matte) -> None:
    given = flower_matte.mask
    given[:200] = False  # half of the flower, which no decoder would answer
    half = flower.matte(mask=given)
    assert np.array_equal(half.mask, given) and half.score == 1 and not half.segment.is_doubtful
    assert half.alpha[given].mean() > 0.9 and half.alpha[:150].max() < 0.1
    for corrected in (flower.matte(mask=given, points=[(310, 150)]), flower.matte(points=[(310, 150)], previous=half)):
        assert corrected.mask[150, 310] and corrected.mask[240, 310]


def test_guidance_changes_the_merge_only(flower, flower_matte: Matte) -> None:
    other = flower.matte(box=FLOWER_BOX, guidance="mask")
    assert np.array_equal(other.mask, flower_matte.mask)
    assert np.abs(other.alpha - flower_matte.alpha).max() > 0
    with pytest.raises(PromptError, match=r"guidance is 'both'"):
        flower.matte(box=FLOWER_BOX, guidance="both")
    with pytest.raises(PromptError, match=r"guidance is 'both'"):
        flower.refine(flower_matte.segment, "both")


def test_a_bad_prompt_among_several_is_counted(flower) -> None:
    with pytest.raises(PromptError, match=r"^prompt 2: the box"):
        flower.mattes([Prompt(box=FLOWER_BOX), Prompt(box=(5, 5, 1, 1))])


def test_nothing_found_counts_as_no_previous_round(flower, flower_matte: Matte) -> None:
    again = flower.matte(box=FLOWER_BOX, previous=NothingFound(0.1))
    assert np.array_equal(again.mask, flower_matte.mask)


def test_nothing_found_is_an_answer(flower) -> None:
    class EmptyMasks(MockGraphs):
        def decode(self, *inputs):
            b = len(inputs[1])
            return np.full((b, 4, 256, 256), -3, np.float32), np.full((b, 4), 0.21, np.float32)

    answer = Scene(EmptyMasks(), flower.photo).matte(box=FLOWER_BOX)
    assert isinstance(answer, NothingFound) and not answer
    assert "nothing found" in str(answer) and "0.21" in str(answer)


@pytest.mark.parametrize("size", [(64, 48), (1500, 1100), (33, 900)])
def test_any_size_comes_back_at_its_size(matting: Matting, size) -> None:
    image = Image.open(EXAMPLES / "flower.jpg").resize((size[1], size[0]))
    scene = matting.open(image)
    matte = scene.matte(box=(0.25 * size[1], 0.05 * size[0], 0.75 * size[1], 0.8 * size[0]))
    assert matte and matte.alpha.shape == size


@pytest.mark.slow
def test_any_segment_can_be_refined(flower) -> None:
    (segment,) = flower.segment([Prompt(box=FLOWER_BOX)])
    assert np.array_equal(flower.refine(segment).alpha, flower.matte(box=FLOWER_BOX).alpha)
    other = flower.refine(candidates(segment)[1])
    assert other.segment.chosen == 1 and other.alpha.shape == (427, 640)


def test_a_background_click_is_obeyed_on_a_real_photograph(matting) -> None:
    scene = matting.open(EXAMPLES / "coffee.png")
    matte = scene.matte(box=CUP_BOX, points=[(280, 230), (90, 60)], labels=[1, 0])
    assert matte.mask[230, 280] and not matte.mask[60, 90]


class FakeGrounding:
    """A grounding model that finds two boxes for a text with "flower", and nothing for any other text."""

    def find(self, pixels, text, *, box_threshold, text_threshold, nms):
        self.arguments = text, box_threshold, text_threshold, nms
        boxes = (FoundBox((178, 82, 450, 360), 0.8, "a flower"), FoundBox((0, 0, 50, 50), 0.3, "a flower"))
        return FoundBoxes(boxes if "flower" in text else (), 0.8 if "flower" in text else 0.12, "a cat.")


@pytest.fixture(scope="module")
def fake() -> FakeGrounding:
    return FakeGrounding()


@pytest.fixture(scope="module")
def described(matting, fake) -> Scene:
    return replace(matting, grounding=lambda: fake).open(EXAMPLES / "flower.jpg")


@pytest.mark.slow
def test_a_text_gives_the_matte_of_its_best_box(described, fake) -> None:
    matte = described.matte(text="a flower")
    assert fake.arguments == ("a flower", 0.25, 0.25, 0.5)
    assert np.array_equal(matte.alpha, described.matte(box=(178, 82, 450, 360)).alpha)
    corrected = described.matte(text="a flower", points=[(310, 215), (60, 60)], labels=[1, 0], previous=matte)
    given = described.matte(box=(178, 82, 450, 360), points=[(310, 215), (60, 60)], labels=[1, 0], previous=matte)
    assert np.array_equal(corrected.alpha, given.alpha)


def test_a_text_without_a_box_gives_nothing_found(described) -> None:
    nothing = described.matte(text="a cat")
    assert isinstance(nothing, NothingFound) and not nothing and nothing.score == 0.12
    assert str(nothing) == "nothing found for 'a cat.' (best score 0.12); try another text, or give a box"


def test_text_and_box_together_are_refused(described) -> None:
    with pytest.raises(PromptError, match="both text and a box"):
        described.matte(text="a flower", box=(1, 2, 30, 40))


def test_what_is_transparent_stays_so(matting) -> None:
    photo = Image.open(EXAMPLES / "flower.jpg").convert("RGBA")
    alpha = np.full((427, 640), 255, np.uint8)
    alpha[200:240, 290:330] = 0  # a hole in the flower
    alpha[160:190, 290:330] = 128
    photo.putalpha(Image.fromarray(alpha))
    matte = matting.open(photo).matte(box=FLOWER_BOX)
    assert (matte.alpha_uint8() <= alpha).all()
    assert matte.alpha_uint8()[220, 310] == 0 and matte.alpha_uint8()[140, 310] > 200
    assert matte.cutout()[220, 310, 3] == 0
    restored = matte.painted([Stroke([(310, 140), (310, 240)], 60, effect="restore", snap=False)])
    assert (restored.alpha_uint8() <= alpha).all()


def test_what_is_no_earlier_answer_is_refused(flower) -> None:
    with pytest.raises(PromptError, match="previous is of type int"):
        flower.matte(box=FLOWER_BOX, previous=3)


@pytest.mark.slow
def test_many_prompts_are_decoded_in_batches(flower) -> None:
    boxes = [(x, y, x + 200, y + 200) for x in range(0, 400, 100) for y in range(0, 200, 40)]
    segments = flower.segment([Prompt(box=box) for box in boxes], recrop=False)
    (alone,) = flower.segment([Prompt(box=boxes[17])], recrop=False)
    assert np.array_equal(segments[17].mask, alone.mask)


@pytest.mark.slow
def test_a_photo_of_another_profile_gives_the_alpha_of_its_colours() -> None:
    matting, flower = Matting.load(device="cpu", threads=1), open_photo(EXAMPLES / "flower.jpg")
    expected = matting.open(flower).matte(box=FLOWER_BOX)
    wide = replace(flower, pixels=convert_profile(flower.pixels, None, adobe_rgb()), icc_profile=adobe_rgb())
    found = matting.open(wide).matte(box=FLOWER_BOX)
    assert np.abs(found.alpha - expected.alpha).mean() < 2e-3  # rounding to 8 bits twice
    assert found.photo.icc_profile == adobe_rgb()
    raw = matting.open(replace(wide, icc_profile=None)).matte(box=FLOWER_BOX)
    assert np.abs(raw.alpha - expected.alpha).mean() > np.abs(found.alpha - expected.alpha).mean()


def test_nothing_is_found_in_a_transparent_image(matting) -> None:
    assert not matting.open(np.zeros((90, 90, 4), np.uint8)).matte(box=(20, 20, 70, 70))
