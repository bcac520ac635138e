"""The names that the embedded text model knows, and the English nouns that stand for them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mam.errors import UnknownWord

ENDS_NOUN = frozenset(
    ["in", "on", "at", "with", "without", "from", "under", "over", "above", "below", "behind", "beside", "near", "next"]
) | {"by", "to", "that", "which", "who", "is", "are", "between", "inside", "around", "of", "and", "or"}
"""Words that end the noun which names an object: "the girl in the red sweater", "the dog on the left"."""
MAY_END_NOUN = frozenset(
    ["made", "left", "here", "outside", "during", "against", "into", "across", "like", "for", "as"]
)
"""The same after a known noun only; so do participles: "man riding a horse", "woman dressed in red"."""
DETERMINERS = frozenset(
    ["a", "an", "the", "this", "these", "those", "my", "your", "his", "her", "its", "our", "their", "some", "any"]
)
NO_PLURALS = frozenset(["glasses"])
"""Nouns that look like the plural of another one."""
_LONGEST = 40  # letters of a word that is compared with the nouns
_COST_PER_LETTER, _DOUBLED, _SIMILAR = 0.31, 0.5, 0.8
_VOWELS = set("aeiouy")


@dataclass(frozen=True)
class Vocabulary:
    """The names, and the nouns that stand for them.

    Attributes:
        names: the names that the model finds.
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
        is_list = not set(_words(phrase)) & (ENDS_NOUN - {"and", "or", "of"})
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
            if word not in ENDS_NOUN and not (noun and self._may_end_noun(word)):
                part.append(word)
                continue
            if noun is not None:
                return self.nouns[noun]
            part, last = [], part or last
            if word != "of":  # "a slice of pizza"
                break
        unknown = " ".join(word for word in last if word not in DETERMINERS) or phrase
        raise UnknownWord(unknown, tuple(self.closest(unknown)))

    def _noun_at_end(self, words: list[str]) -> str | None:
        """Return the known noun at the end of some words, the longest one."""
        ends = (" ".join(words[-length:]) for length in (2, 1) if len(words) >= length)
        return next((noun for end in ends for noun in _singulars(end) if noun in self.nouns), None)

    def _may_end_noun(self, word: str) -> bool:
        is_participle = word.endswith("ing") or (word.endswith("ed") and len(word) > 4)
        return word in MAY_END_NOUN or (is_participle and word not in self.nouns)

    def is_exact(self, phrase: str, name: str) -> bool:
        """Return whether a phrase is a name, but for an article and the plural."""
        words = [word for word in _words(phrase) if word not in DETERMINERS]
        return name in _singulars(" ".join(words))

    def closest(self, words: str, most: int = 3) -> list[str]:
        """Return nouns of which some words, or the last of them, are probably a misspelling, the likeliest first."""
        found: dict[str, float] = {}
        for word in {words[:_LONGEST], words.split()[-1][:_LONGEST]}:
            for single in _singulars(word):
                limit = _COST_PER_LETTER * len(single)
                for noun in self.nouns:
                    if abs(len(noun) - len(single)) <= 2 * limit:
                        found[noun] = min(_misspelling(single, noun) - limit, found.get(noun, 0.0))
        likely = [noun for noun, cost in found.items() if cost < 0]
        return sorted(likely, key=lambda noun: (found[noun], noun not in self.outputs, noun))[:most]


def _misspelling(typed: str, meant: str) -> float:
    """Return how unlikely it is that a word was typed for another: the least cost of changes that lead from one to it.

    A letter that is doubled or not costs a half, swapped neighbours and another vowel a little more, other changes 1.
    """
    before, rows = "", [[float(column) for column in range(len(meant) + 1)]]
    for index in range(1, len(meant) + 1):  # a doubled letter is missing
        rows[0][index] = rows[0][index - 1] + (_DOUBLED if meant[index - 1] == meant[index - 2 : index - 1] else 1)
    for letter in typed:
        above = rows[-1]
        row = [above[0] + (_DOUBLED if letter == before else 1)]
        for index, other in enumerate(meant, 1):
            change = 0.0 if letter == other else _SIMILAR if {letter, other} <= _VOWELS else 1.0
            cost = min(
                above[index - 1] + change,
                above[index] + (_DOUBLED if letter == before else 1),
                row[index - 1] + (_DOUBLED if meant[index - 2 : index - 1] == other else 1),
            )
            if len(rows) > 1 and index > 1 and letter == meant[index - 2] and before == other:
                cost = min(cost, rows[-2][index - 2] + _SIMILAR)
            row.append(cost)
        rows.append(row)
        before = letter
    return rows[-1][-1]


def _words(phrase: str) -> list[str]:
    """Return the words of a phrase, without the endings of possessives."""
    return re.findall(r"[^\W\d_]+", re.sub(r"['\u2019]s?\b", "", phrase))


def _singulars(noun: str) -> Iterator[str]:
    yield noun
    if noun in NO_PLURALS:
        return
    for plural, singular in (("ies", "y"), ("ves", "fe"), ("ves", "f"), ("es", ""), ("s", "")):
        if noun.endswith(plural):
            yield noun.removesuffix(plural) + singular
