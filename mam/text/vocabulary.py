"""The names that the embedded text model knows, and the English nouns that stand for them."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mam.errors import UnknownWord

_ENDS_NOUN = frozenset(
    ["in", "on", "at", "with", "without", "from", "under", "over", "above", "below", "behind", "beside", "near", "next"]
) | {"by", "to", "that", "which", "who", "is", "are", "between", "inside", "around", "of", "and", "or"}
"""Words that end the noun which names an object: "the girl in the red sweater", "the dog on the left"."""
_MAY_END_NOUN = frozenset(
    ["made", "left", "here", "outside", "during", "against", "into", "across", "like", "for", "as"]
)
"""The same after a known noun only; so do participles: "man riding a horse", "woman dressed in red"."""
_DETERMINERS = frozenset(
    ["a", "an", "the", "this", "these", "those", "my", "your", "his", "her", "its", "our", "their", "some", "any"]
)
_NO_PLURALS = frozenset(["glasses"])
"""Nouns that look like the plural of another one."""
_LONGEST = 40  # letters of a word that is compared with the names


@dataclass(frozen=True)
class Vocabulary:
    """The names, and the nouns that stand for them.

    Attributes:
        names: those that the model finds.
        outputs: the number of each name among the outputs of the graph.
        nouns: English nouns in the singular, each with the name that it stands for, names included.
    """

    names: tuple[str, ...]
    outputs: Mapping[str, int]
    nouns: Mapping[str, str]

    @classmethod
    def read_file(cls, file: Path) -> Vocabulary:
        """Read the JSON file beside the graph: `outputs` (all), `names` (offered), and `nouns` by name."""
        content = json.loads(file.read_text("utf-8"))
        names = tuple(content["names"])
        nouns = {noun: name for name in names for noun in content["nouns"].get(name, "").split(", ") if noun}
        outputs = {name: number for number, name in enumerate(content["outputs"])}
        return cls(names, outputs, nouns | {name: name for name in names})

    def split(self, phrase: str) -> list[str]:
        """Split a phrase that lists several known nouns: "two cats and a dog", but not "the man with cap and coat"."""
        parts = [part.strip() for part in re.split(r"[,;]|\band\b|\bor\b", phrase)]
        is_list = not set(_words(phrase)) & (_ENDS_NOUN - {"and", "or", "of"})
        return parts if is_list and all(self._noun_at_end(_words(part)) for part in parts) else [phrase]

    def name_for(self, phrase: str) -> str:
        """Return the name that a phrase in lower case asks for: that of its noun.

        Raises:
            UnknownWord: the noun stands for none of the names.
        """
        part: list[str] = []
        last: list[str] = []
        for word in [*_words(phrase), "of"]:
            noun = self._noun_at_end(part)
            if word not in _ENDS_NOUN and not (noun and self._may_end_noun(word)):
                part.append(word)
                continue
            if noun is not None:
                return self.nouns[noun]
            part, last = [], part or last
            if word != "of":  # "a slice of pizza"
                break
        unknown = " ".join(word for word in last if word not in _DETERMINERS) or phrase
        raise UnknownWord(unknown, tuple(self.closest(unknown)))

    def _noun_at_end(self, words: list[str]) -> str | None:
        """Return the known noun at the end of some words, the longest one."""
        ends = (" ".join(words[-length:]) for length in (2, 1) if len(words) >= length)
        return next((noun for end in ends for noun in _singulars(end) if noun in self.nouns), None)

    def _may_end_noun(self, word: str) -> bool:
        is_participle = word.endswith("ing") or (word.endswith("ed") and len(word) > 4)
        return word in _MAY_END_NOUN or (is_participle and word not in self.nouns)

    def is_exact(self, phrase: str, name: str) -> bool:
        """Return whether a phrase is a name, but for an article and the plural."""
        words = [word for word in _words(phrase) if word not in _DETERMINERS]
        return name in _singulars(" ".join(words))

    def closest(self, words: str, most: int = 3) -> list[str]:
        """Return names that are spelt like some words or like the last of them, best first."""
        found = [
            name
            for word in dict.fromkeys((words, words.split()[-1]))
            for name in difflib.get_close_matches(word[:_LONGEST], self.names, most, 0.75)
            if name[0] == word[0]
        ]
        return list(dict.fromkeys(found))[:most]


def _words(phrase: str) -> list[str]:
    """Return the words of a phrase, without the endings of possessives."""
    return re.findall(r"[^\W\d_]+", re.sub(r"['\u2019]s?\b", "", phrase))


def _singulars(noun: str) -> Iterator[str]:
    yield noun
    if noun in _NO_PLURALS:
        return
    for plural, singular in (("ies", "y"), ("ves", "fe"), ("ves", "f"), ("es", ""), ("s", "")):
        if noun.endswith(plural):
            yield noun.removesuffix(plural) + singular
