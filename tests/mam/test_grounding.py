"""Grounding: phrases, tokens and boxes, alone and through the library, with a small model of random weights."""

import numpy as np
import pytest
from PIL import Image
from tokenizers import Tokenizer

from mam import GraphError, Grounding, Matting, NothingFound, PromptError
from mam.folders import BUNDLE
from mam.grounding import Canvas, FoundBox, FoundBoxes, Phrases
from mam.grounding.boxes import select_boxes
from mam.grounding.phrases import split_phrases
from mam.runtime import load_graphs
from mam.weights import graphs_folder
from tests.conftest import EXAMPLES

RED = "the girl in the red sweater"


class FakeGrounding:
    """A grounding model that finds two boxes for a text with "flower", and nothing for any other text."""

    def find(self, pixels, text, *, box_threshold, text_threshold, nms):
        self.arguments = text, box_threshold, text_threshold, nms
        boxes = (FoundBox((178, 82, 450, 360), 0.8, "a flower"), FoundBox((0, 0, 50, 50), 0.3, "a flower"))
        return FoundBoxes(boxes if "flower" in text else (), 0.8 if "flower" in text else 0.12, "a cat.")


@pytest.fixture(scope="module")
def fake():
    return FakeGrounding()


@pytest.fixture(scope="module")
def scene(fake):
    return Matting(load_graphs(BUNDLE, "cpu"), grounding=lambda: fake).open(EXAMPLES / "flower.jpg")


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("a cat", ("a cat",)),
        ("  A  Cat. a dog.. ", ("a cat", "a dog")),
        ("the man, left of the tree, in blue", ("the man, left of the tree, in blue",)),
        ("is it a cat? a dog", ("is it a cat", "a dog")),
        (["a cat.", "St. Bernard"], ("a cat", "st bernard")),
        ("a cat. A CAT", ("a cat",)),
        ("кошка. 猫", ("кошка", "猫")),
        ("cat;dog", ("cat;dog",)),
    ],
)
def test_full_stops_and_question_marks_separate_phrases(text, phrases) -> None:
    assert split_phrases(text) == phrases


@pytest.mark.parametrize(
    "text", ["", "  ", "...", "?!", "!!! . a cat", [], ["a cat", ""], ["."], 7, ["a cat", 7], b"a cat"]
)
def test_a_text_without_letters_and_digits_is_refused(text) -> None:
    with pytest.raises(PromptError, match=r"without letters|expected a string"):
        split_phrases(text)


def test_unknown_words_and_long_texts_are_refused(grounding) -> None:
    for text in ("猫", "a cat. zebra", "\N{CAT FACE} 7"):
        with pytest.raises(PromptError, match="knows no word"):
            Phrases.tokenise(text, grounding.tokenizer)
    assert Phrases.tokenise("a zebra", grounding.tokenizer).names == ("a zebra",)
    assert Phrases.tokenise(" ".join(["cat"] * 253), grounding.tokenizer).input_ids.shape == (1, 256)
    for text in (" ".join(["cat"] * 254), [" ".join(["cat"] * k) for k in range(1, 50)]):
        with pytest.raises(PromptError, match=r"tokens .* the model reads 256"):
            Phrases.tokenise(text, grounding.tokenizer)


def test_special_tokens_in_a_text_are_plain_text(grounding) -> None:
    assert list(Phrases.tokenise("a cat [SEP] [CLS]", grounding.tokenizer).input_ids[0]).count(102) == 1


@pytest.mark.parametrize("text", ["a cat", "a cat. the dogs in red, a girl. zebra cat", [RED, "cat", "a dog"]])
def test_tokens_masks_and_positions_equal_transformers(grounding, text) -> None:
    torch = pytest.importorskip("torch")
    from transformers.models.grounding_dino import modeling_grounding_dino as upstream

    phrases = Phrases.tokenise(text, grounding.tokenizer)
    assert phrases.input_ids[0].tolist() == grounding.tokenizer.encode(phrases.text).ids
    ids = torch.from_numpy(phrases.input_ids)
    mask, positions = upstream.generate_masks_with_special_tokens_and_transfer_map(
        ids, torch.tensor(upstream.SPECIAL_TOKENS)
    )
    assert np.array_equal(mask.numpy(), phrases.text_mask) and np.array_equal(positions.numpy(), phrases.position_ids)
    groups = upstream.build_label_maps(torch.zeros(1, 1, ids.shape[1]), ids)[0].numpy()
    assert np.array_equal(groups, np.arange(len(phrases.names))[:, None] == phrases.owner)


@pytest.mark.parametrize(
    "size", [(480, 640), (640, 480), (427, 640), (3000, 500), (800, 800), (799, 1333), (33, 4000), (1, 50)]
)
def test_images_are_prepared_as_in_transformers(size) -> None:
    from transformers.models.grounding_dino.image_processing_pil_grounding_dino import GroundingDinoImageProcessorPil

    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    image, mask = Canvas().place(pixels)
    h, w = Canvas().resized_size(size)
    assert image.shape == (1, 3, 1333, 1333) and not image[:, :, ~mask[0]].any()
    assert mask[0, :h, :w].all() and mask.sum() == h * w
    processed = GroundingDinoImageProcessorPil()(pixels, return_tensors="np", input_data_format="channels_last")
    expected = processed["pixel_values"]
    assert expected.shape == (1, 3, h, w)
    # Division by 255 before the normalisation, not within it, changes the last digits of float32.
    assert np.abs(image[:, :, :h, :w] - expected).max() < 1e-5


def test_thin_images_keep_a_pixel() -> None:
    assert Canvas().resized_size((1, 5000)) == (1, 1333) and Canvas(side=800).resized_size((5000, 1)) == (800, 1)
    image, mask = Canvas(side=64, shortest=48).place(np.full((1, 3000, 3), 9, np.uint8))
    assert mask.sum() == 64 and np.isfinite(image).all()


def test_boxes_scores_and_order_equal_transformers(grounding_source) -> None:
    torch = pytest.importorskip("torch")
    from transformers import BertTokenizer
    from transformers.models.grounding_dino import GroundingDinoImageProcessorPil, GroundingDinoProcessor
    from transformers.models.grounding_dino.modeling_grounding_dino import GroundingDinoObjectDetectionOutput

    tokenizer = BertTokenizer.from_pretrained(grounding_source)
    processor = GroundingDinoProcessor(GroundingDinoImageProcessorPil(), tokenizer)
    rng = np.random.default_rng(1)
    for text in ("a cat", "a cat. the red dog. the girl in red"):
        phrases = Phrases.tokenise(text, Tokenizer.from_str(tokenizer.backend_tokenizer.to_str()))
        logits = rng.normal(-2, 1.5, (200, phrases.input_ids.shape[1])).astype(np.float32)
        boxes = np.concatenate([rng.uniform(0, 1, (200, 2)), rng.uniform(0.05, 0.6, (200, 2))], 1).astype(np.float32)
        padded = torch.full((1, 200, 256), -torch.inf)
        padded[0, :, : logits.shape[1]] = torch.from_numpy(logits)
        outputs = GroundingDinoObjectDetectionOutput(logits=padded, pred_boxes=torch.from_numpy(boxes)[None])
        expected = processor.post_process_grounded_object_detection(
            outputs, torch.from_numpy(phrases.input_ids), threshold=0.25, text_threshold=0.25, target_sizes=[(480, 640)]
        )[0]
        ours = select_boxes(
            logits, boxes, phrases, (480, 640), box_threshold=0.25, text_threshold=0.25, nms_threshold=1.0
        )
        order = torch.argsort(-expected["scores"], stable=True)
        assert len(ours) == len(order) > 50
        theirs = expected["boxes"][order].clamp(min=0).minimum(torch.tensor([640, 480, 640, 480])).numpy()
        assert np.abs(theirs - [found.box for found in ours]).max() < 1e-3  # float32 pixels against float64
        assert np.abs(expected["scores"][order].numpy() - [found.score for found in ours]).max() < 1e-6
        for found, label in zip(ours, (expected["text_labels"][i] for i in order), strict=True):
            # Their label joins all tokens above the threshold, of any phrase; ours is one whole phrase.
            words = set(label.replace(".", " ").split()) - {"[SEP]"}
            assert (found.phrase == "") == (not words)
            assert not found.phrase or words & set(found.phrase.split())


def test_nms_is_by_phrase_and_thresholds_are_strict(grounding) -> None:
    phrases = Phrases.tokenise("cat. dog", grounding.tokenizer)  # [CLS] cat . dog . [SEP]
    logits = np.full((5, 6), -9, np.float32)
    logits[[0, 1, 2], 1] = 3, 2, 1  # three cats, the second almost the first
    logits[3, 3] = 2.5  # a dog in the same place
    logits[4, 4] = 0.5  # a full stop
    boxes = np.float32(
        [[0.5, 0.5, 0.2, 0.2], [0.51, 0.5, 0.2, 0.2], [0.2, 0.2, 0.1, 0.1], [0.5, 0.5, 0.2, 0.2], [0.9, 0.9, 0.4, 0.4]]
    )
    found = select_boxes(logits, boxes, phrases, (100, 200), box_threshold=0.25, text_threshold=0.25, nms_threshold=0.5)
    assert [f.phrase for f in found] == ["cat", "dog", "cat", ""]
    assert found[0].box == pytest.approx((80, 40, 120, 60), abs=1e-3)
    assert found[3].box == pytest.approx((140, 70, 200, 100), abs=1e-3)
    assert found[0].score == found.best_score == pytest.approx(1 / (1 + np.exp(-3)))
    every = select_boxes(logits, boxes, phrases, (9, 9), box_threshold=0.25, text_threshold=0.25, nms_threshold=0.95)
    assert len(every) == 5
    score = 1 / (1 + np.exp(np.float32(-0.5)))  # of the last box, which the threshold then excludes
    above = select_boxes(logits, boxes, phrases, (9, 9), box_threshold=score, text_threshold=0.25, nms_threshold=0.5)
    assert len(above) == 3
    none = select_boxes(
        logits - 9, boxes, phrases, (100, 200), box_threshold=0.25, text_threshold=0.25, nms_threshold=0.5
    )
    assert not none and none.best_score == pytest.approx(1 / (1 + np.exp(6)))
    assert str(none) == "nothing found for 'cat. dog.' (best score 0.00); try another text, or give a box"


def test_a_box_covers_a_pixel_at_least(grounding) -> None:
    phrases = Phrases.tokenise("cat", grounding.tokenizer)
    boxes = np.float32([[0, 0, 0, 0], [1, 1, 0, 0], [0.5, 0.5, 1e-4, 3]])
    found = select_boxes(
        np.full((3, 4), 2, np.float32),
        boxes,
        phrases,
        (1, 40),
        box_threshold=0.25,
        text_threshold=0.25,
        nms_threshold=0.5,
    )
    assert [f.box for f in found] == [(0, 0, 1, 1), (39, 0, 40, 1), pytest.approx((19.998, 0, 20.998, 1), abs=1e-3)]


@pytest.mark.parametrize("size", [(1, 3000), (3000, 1), (1, 1), (90, 160)])
def test_images_of_any_size_can_be_searched(grounding, size) -> None:
    found = grounding.find(np.full((*size, 3), 90, np.uint8), RED, box_threshold=0)
    h, w = size
    assert found and found.best_score == found[0].score == max(f.score for f in found)
    assert all(0 <= f.box[0] < f.box[2] <= w and 0 <= f.box[1] < f.box[3] <= h for f in found)


def test_a_text_gives_the_matte_of_its_best_box(scene, fake) -> None:
    matte = scene.matte(text="a flower")
    assert fake.arguments == ("a flower", 0.25, 0.25, 0.5)
    assert np.array_equal(matte.alpha, scene.matte(box=(178, 82, 450, 360)).alpha)
    corrected = scene.matte(text="a flower", points=[(310, 215), (60, 60)], labels=[1, 0], previous=matte)
    given = scene.matte(box=(178, 82, 450, 360), points=[(310, 215), (60, 60)], labels=[1, 0], previous=matte)
    assert np.array_equal(corrected.alpha, given.alpha)


def test_a_text_without_a_box_gives_nothing_found(scene) -> None:
    nothing = scene.matte(text="a cat")
    assert isinstance(nothing, NothingFound) and not nothing and nothing.score == 0.12
    assert str(nothing) == "nothing found for 'a cat.' (best score 0.12); try another text, or give a box"


def test_text_and_box_together_are_refused(scene) -> None:
    with pytest.raises(PromptError, match="both text and a box"):
        scene.matte(text="a flower", box=(1, 2, 30, 40))


def test_the_library_loads_a_model_from_a_folder(grounding, grounding_folder) -> None:
    scene = Matting.load(device="cpu", grounding=grounding_folder).open(EXAMPLES / "coffee.png")
    found = scene.find(["a cat", RED], box_threshold=0.0)
    alone = Grounding.load(grounding_folder, "cpu").find(scene.photo.pixels, ["a cat", RED], box_threshold=0.0)
    assert found.boxes == alone.boxes
    assert {f.phrase for f in found} <= {"a cat", RED, ""}
    h, w = scene.photo.size
    assert all(0 <= f.box[0] < f.box[2] <= w and 0 <= f.box[1] < f.box[3] <= h for f in found)


def test_without_a_model_the_error_names_the_export(tmp_path, monkeypatch, grounding_folder) -> None:
    monkeypatch.setenv("MAM_HOME", str(tmp_path))
    scene = Matting.load(device="cpu").open(np.full((20, 30, 3), 90, np.uint8))
    with pytest.raises(GraphError, match="python -m export grounding --model tiny"):
        scene.find("a cat")
    base = graphs_folder("grounding-dino-base")
    base.parent.mkdir(parents=True)
    base.symlink_to(grounding_folder)  # the larger model is used if it is the only one
    assert scene.find("a cat").text == "a cat."


def test_broken_folders_are_clear_errors(tmp_path, grounding_folder) -> None:
    (tmp_path / "grounding.onnx").write_bytes((BUNDLE / "matte.onnx").read_bytes())
    with pytest.raises(GraphError, match=r"lacks tokenizer\.json"):
        Grounding.load(tmp_path, "cpu")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(GraphError, match="is not a tokenizer"):
        Grounding.load(tmp_path, "cpu")
    (tmp_path / "tokenizer.json").write_bytes((grounding_folder / "tokenizer.json").read_bytes())
    with pytest.raises(GraphError, match=r"has the metadata .*'matte'.*python -m export grounding"):
        Grounding.load(tmp_path, "cpu")


def test_on_the_command_line(tmp_path, capsys, grounding_folder) -> None:
    from mam.cli import main, parse

    flower, out = str(EXAMPLES / "flower.jpg"), tmp_path / "out.png"
    command = ["matte", flower, "--device", "cpu", "--grounding", str(grounding_folder), "-o", str(out)]
    status = main([*command, "--text", "the flower", "--point", "310,215"])
    assert status == 0 and Image.open(out).size == (640, 427)
    assert main([*command, "--text", "..."]) == 1 and "without letters" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        parse([*command, "--text", "the flower", "--box", "1,2,3,4"])
    assert main([*command[:4], "--grounding", str(tmp_path), "--text", "a cat"]) == 1
    assert "python -m export grounding" in capsys.readouterr().err
