"""Text prompts: phrases, tokens and masks."""

import numpy as np
import pytest

from mam import PromptError
from mam.errors import NegatedText, NotEnglish
from mam.text import Phrases
from mam.text.phrases import split_phrases

RED = "the girl in the red sweater"


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
    for text in ("Übermut", "a cat. zebra", "\N{CAT FACE} 7"):
        with pytest.raises(PromptError, match="knows no word"):
            Phrases.tokenise(text, grounding.tokenizer)
    assert Phrases.tokenise("a zebra", grounding.tokenizer).names == ("a zebra",)
    assert Phrases.tokenise(" ".join(["cat"] * 253), grounding.tokenizer).input_ids.shape == (1, 256)
    for text in (" ".join(["cat"] * 254), [" ".join(["cat"] * k) for k in range(1, 50)]):
        with pytest.raises(PromptError, match=r"tokens .* the model reads 256"):
            Phrases.tokenise(text, grounding.tokenizer)


@pytest.mark.parametrize(
    "text", ["猫", "ねこ", "고양이", "кошка", "γάτα", "a cat. 猫", ["a cat", "con mèo", "a кошка"]]
)
def test_another_script_is_refused_with_a_hint(grounding, text) -> None:
    with pytest.raises(NotEnglish, match=r"reads English, and '.*' is in another script"):
        Phrases.tokenise(text, grounding.tokenizer)


@pytest.mark.parametrize("text", ["a café and a cat", "2 cats, 1/2", "the “cat” – left", "ＣＡＴ cat"])
def test_accents_numbers_and_marks_are_not_another_script(grounding, text) -> None:
    assert Phrases.tokenise(text, grounding.tokenizer).names == (text.lower(),)


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
    assert np.array_equal(groups, np.arange(len(phrases.names))[:, None] == phrases.token_phrase)


@pytest.mark.parametrize(
    "text",
    [
        "everything except the dog",
        "not the dog",
        "Without the dog.",
        "a cat. no dog",
        "all but the dog",
        "don't take the dog",
        "the cat, not the dog",
        "anything other than the dog",
        "remove the dog",
        ["cat", "Excluding people"],
    ],
)
def test_what_is_excluded_is_refused_with_a_hint(text) -> None:
    with pytest.raises(
        NegatedText, match=r"excludes something.*name what to cut out, and remove the rest with a click"
    ):
        split_phrases(text)


@pytest.mark.parametrize(
    "text", ["a forget-me-not", "a knot", "the no parking sign", "notes", "a button", "no parking sign"]
)
def test_words_that_only_contain_a_negation_are_read(text) -> None:
    assert split_phrases(text) == (text,)
