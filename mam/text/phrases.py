"""Tokenisation of text prompts: token ids, positions and attention masks, one block per phrase."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mam.errors import NegatedText, NotEnglish, PromptError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MAX_TOKENS = 256
MAX_LENGTH = 10_000  # characters of a text
NEGATION = re.compile(
    r"(?<![\w-])(not|without|except|excepting|excluding|exclude|minus|neither|nor|never|other than|rather than"
    r"|apart from|instead of|aside from|(everything|anything|all|everyone|anyone) but)(?![\w-])|n['\u2019]t\b"
    r"|^(remove|delete|erase|hide|ignore|omit|drop|non|no(?!.*\bsigns?$)) |, no "
)


@dataclass(frozen=True, eq=False)
class Phrases:
    """Tokenised phrases, [CLS] a phrase . another . [SEP].

    Attributes:
        names: the phrases in lower case, with single spaces.
        token_phrase: (T,) int64, index of the phrase of each token; -1 for [CLS], [SEP] and full stops.
        input_ids: (1, T) int64.
        position_ids: (1, T) int64, counted from 0 in each phrase.
        text_mask: (1, T, T) bool, true for tokens that attend to each other, those of one phrase and its full stop.
    """

    names: tuple[str, ...]
    token_phrase: np.ndarray
    input_ids: np.ndarray
    position_ids: np.ndarray
    text_mask: np.ndarray

    @classmethod
    def tokenise(cls, text: str | Sequence[str], tokenizer: Tokenizer) -> Phrases:
        """Split a text into phrases and tokenise them, without repetitions.

        Args:
            text: as for `split_phrases`.
            tokenizer: BERT's, with [CLS], [SEP], [UNK] and the full stop.

        Raises:
            NotEnglish: a phrase has letters of another script.
            PromptError: there is no phrase, a phrase without a known word, or there are too many tokens.
        """
        names = split_phrases(text)
        require_latin(names)  # the vocabulary has many other letters, but the model was trained on English
        start, end, unknown, stop = (_token_id(tokenizer, token) for token in ("[CLS]", "[SEP]", "[UNK]", "."))
        blocks = [[start]]
        for name in names:
            phrase = tokenizer.encode(name, add_special_tokens=False).ids
            if not set(phrase) - {unknown}:
                raise PromptError(f"the model knows no word of {name!r}; try another text, in English.")
            blocks.append([*phrase, stop])
        blocks.append([end])
        lengths = [len(block) for block in blocks]
        if sum(lengths) > MAX_TOKENS:
            raise PromptError(
                f"the text has {sum(lengths)} tokens (words, parts of words and marks); the model reads {MAX_TOKENS}."
            )
        block_of = np.repeat(np.arange(len(blocks)), lengths)
        ids = np.concatenate(blocks).astype(np.int64)
        separators = (block_of == 0) | (block_of == len(names) + 1) | (ids == stop)
        positions = np.concatenate([np.arange(length) for length in lengths])
        return cls(
            names,
            np.where(separators, -1, block_of - 1),
            ids[None],
            positions[None],
            (block_of[:, None] == block_of)[None],
        )

    @property
    def text(self) -> str:
        """All phrases in one string, as the model reads them."""
        return ". ".join(self.names) + "."


def require_latin(phrases: Sequence[str]) -> None:
    """Raise `NotEnglish` for a phrase with letters of another script; accents are allowed, in borrowed words."""
    for phrase in phrases:
        if not all("LATIN" in unicodedata.name(letter, "") for letter in phrase if letter.isalpha()):
            raise NotEnglish(f"the text model reads English, and {phrase!r} is in another script; use English.")


def _token_id(tokenizer: Tokenizer, token: str) -> int:
    token_id = tokenizer.token_to_id(token)
    if token_id is None:  # `Grounding.load` refuses such a tokenizer
        raise PromptError(f"the tokenizer lacks the token {token}.")
    return token_id


def split_phrases(text: str | Sequence[str]) -> tuple[str, ...]:
    """Split a text into phrases at full stops and question marks, as the model does.

    Args:
        text: one string, or a list with one string per phrase; full stops and question marks in a list become spaces.

    Returns:
        The phrases in lower case, without repetitions; commas stay inside a phrase.

    Raises:
        PromptError: there is no phrase, or a phrase without letters and digits.
        NegatedText: a phrase names what is not meant.
    """
    if isinstance(text, str) or (isinstance(text, Sequence) and all(isinstance(part, str) for part in text)):
        length = len(text) if isinstance(text, str) else sum(map(len, text))
        if length > MAX_LENGTH:
            raise PromptError(f"the text has {length} characters; at most {MAX_LENGTH} are accepted.")
    if isinstance(text, str):
        phrases = [" ".join(part.lower().split()) for part in re.split(r"[.?]", text)]
        phrases = [phrase for phrase in phrases if phrase]
    elif isinstance(text, Sequence) and all(isinstance(part, str) for part in text):
        phrases = [" ".join(re.sub(r"[.?]", " ", part).lower().split()) for part in text]
    else:
        raise PromptError(f"the text is {text!r}; expected a string, or a list of strings, one phrase each.")
    for phrase in phrases or [""]:
        if not any(character.isalnum() for character in phrase):
            raise PromptError(
                f"the text {text!r} contains a phrase without letters or digits; describe what to find, "
                "such as 'the girl in the red sweater'."
            )
        if NEGATION.search(phrase):
            raise NegatedText(
                f"the text {phrase!r} excludes something, but a text model finds whatever is named; "
                "name what to cut out, and remove the rest with a click on the background."
            )
    return tuple(dict.fromkeys(phrases))
