"""The words that the embedded text model knows: nouns in phrases, synonyms, plurals, refusals."""

import pickle
import time

import numpy as np
import pytest

from mam import PromptError
from mam.errors import NotEnglish, UnknownWord
from mam.text import ClosedSetModel


@pytest.fixture(scope="module")
def words():
    return ClosedSetModel()


@pytest.mark.parametrize(
    ("phrase", "name"),
    [
        ("a dog", "dog"),
        ("Dogs", "dog"),
        ("the woman in the red sweater", "person"),
        ("two women", "person"),
        ("people", "person"),
        ("puppies", "dog"),
        ("a poodle, on the left", "dog"),
        ("the red car", "car"),
        ("sofa", "couch"),
        ("knives", "knife"),
        ("a hot dog", "hot dog"),
        ("my teddy bear", "teddy bear"),
        ("the dog on the couch", "dog"),
        ("a dog running", "dog"),
        ("a cup of coffee", "cup"),
        ("a slice of pizza", "pizza"),
    ],
)
def test_the_noun_of_a_phrase_counts(words, phrase, name) -> None:
    assert words.read(phrase) == {" ".join(phrase.lower().split()): name}


def test_only_articles_and_plurals_are_no_loss(words) -> None:
    exact = [phrase for phrase in ("dog", "the dogs", "a red dog", "puppy") if words.vocabulary.is_exact(phrase, "dog")]
    assert exact == ["dog", "the dogs"]


@pytest.mark.parametrize(
    ("phrase", "word", "closest"),
    [
        ("a dogg", "dogg", "dog"),
        ("the persn", "persn", "person"),
        ("kiten", "kiten", "kitten"),
        ("the old wolf", "old wolf", ""),
    ],
)
def test_unknown_words_are_refused_in_one_line_with_those_spelt_alike(words, phrase, word, closest) -> None:
    with pytest.raises(UnknownWord) as caught:
        words.read(phrase)
    assert caught.value.word == word and (closest in caught.value.closest or not closest)
    message = str(caught.value)
    assert "\n" not in message and "`mam doctor` lists its words" in message
    assert "`mam weights get grounding-dino-tiny`" in message


def test_other_scripts_and_no_words_are_refused_as_by_the_other_model(words) -> None:
    with pytest.raises(NotEnglish):
        words.read("猫")
    with pytest.raises(PromptError, match="without letters or digits"):
        words.read("...")


@pytest.mark.parametrize(
    ("phrase", "names"),
    [
        ("woman wearing pink", ["person"]),
        ("man riding a horse", ["person"]),
        ("a man wearing glasses", ["person"]),
        ("the man dressed in red", ["person"]),
        ("chair made of wood", ["chair"]),
        ("the king", ["person"]),
        ("the sleeping cat", ["cat"]),
        ("the left dog", ["dog"]),
        ("men's bicycle", ["bicycle"]),
        ("two cats and a dog", ["cat", "dog"]),
        ("cat, dog or horse", ["cat", "dog", "horse"]),
        ("cat; dog", ["cat", "dog"]),
        ("the person with a dog and a cat", ["person"]),
    ],
)
def test_the_subject_of_a_phrase_is_searched(words, phrase, names) -> None:
    assert list(words.read(phrase).values()) == names


def test_long_texts_are_refused_or_read_at_once(words) -> None:
    with pytest.raises(PromptError, match="11000 characters"):
        words.read("a" * 11_000)
    begun = time.process_time()
    with pytest.raises(UnknownWord) as caught:
        words.read("blorp " * 1600)
    assert time.process_time() - begun < 1 and len(str(caught.value)) < 300


def test_a_model_that_has_searched_can_be_pickled(words) -> None:
    words.find(np.zeros((64, 64, 3), np.uint8), "dog")
    again = pickle.loads(pickle.dumps(words))
    assert again == words and again.read("dog") == {"dog": "dog"}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("kiten", "kitten"),
        ("kitens", "kitten"),
        ("dgo", "dog"),
        ("cta", "cat"),
        ("bananna", "banana"),
        ("persn", "person"),
        ("elefant", "elephant"),
        ("bycicle", "bicycle"),
        ("hoarse", "horse"),
        ("the red umbrela", "umbrella"),
    ],
)
def test_suggestions_are_those_of_a_person(words, typed, meant) -> None:
    assert words.vocabulary.closest(typed)[0] == meant


@pytest.mark.parametrize("word", ["wolf", "tree", "hat", "moon", "tiger"])
def test_other_words_are_no_misspellings(words, word) -> None:
    assert words.vocabulary.closest(word) == []
