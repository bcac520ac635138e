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
    ["in", "on", "at", "of", "with", "without", "from", "under", "over", "above", "below", "behind", "beside", "near"]
) | {"next", "by", "to", "and", "or", "that", "which", "who", "is", "are", "between", "inside", "around"}
"""Words that end the noun which names an object: "the girl in the red sweater", "the dog on the left"."""
_DETERMINERS = frozenset(
    ["a", "an", "the", "this", "these", "those", "my", "your", "his", "her", "its", "our", "their", "some", "any"]
)


@dataclass(frozen=True)
class Vocabulary:
    """What can be named.

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

    def name_for(self, phrase: str) -> str:
        """Return the name that a phrase in lower case asks for: that of its noun.

        Raises:
            UnknownWord: the noun stands for none of the names.
        """
        words = re.findall(r"[^\W\d_]+", phrase)
        part: list[str] = []
        first: list[str] = []
        for word in [*words, "of"]:
            if word not in _ENDS_NOUN:
                part.append(word)
                continue
            for noun in _last_nouns(part):
                if noun in self.nouns:
                    return self.nouns[noun]
            if word != "of":  # "a pair of scissors"
                break
            part, first = [], first or part
        part = [word for word in first or part if word not in _DETERMINERS]
        raise UnknownWord(" ".join(part) or phrase, tuple(self.closest(part)))

    def is_exact(self, phrase: str, name: str) -> bool:
        """Return whether a phrase is a name, but for an article and the plural."""
        words = [word for word in re.findall(r"[^\W\d_]+", phrase) if word not in _DETERMINERS]
        return name in _singulars(" ".join(words))

    def closest(self, words: list[str], most: int = 5) -> list[str]:
        """Return known nouns that are spelt like one of the words, best first."""
        found = [
            noun
            for word in reversed(words)
            if len(word) > 2
            for noun in difflib.get_close_matches(word, self.nouns, most, 0.75)
        ]
        return list(dict.fromkeys(found))[:most]


def _last_nouns(words: list[str]) -> Iterator[str]:
    """Yield what may be the noun at the end of some words, the longest first, in all forms of its singular."""
    while len(words) > 1 and words[-1].endswith("ing"):  # "a dog running"
        words = words[:-1]
    for length in (2, 1):
        if len(words) >= length:
            yield from _singulars(" ".join(words[-length:]))


def _singulars(noun: str) -> Iterator[str]:
    yield noun
    for plural, singular in (("ies", "y"), ("ves", "fe"), ("ves", "f"), ("es", ""), ("s", "")):
        if noun.endswith(plural):
            yield noun.removesuffix(plural) + singular
