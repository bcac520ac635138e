"""What finds objects for text prompts: the interface that the library, the command line, the API and the page use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from mam.text.boxes import BOX_THRESHOLD, NMS_THRESHOLD, TEXT_THRESHOLD, FoundBoxes


class TextModel(Protocol):
    """`mam.Grounding`, which reads any English phrase, or `mam.text.ClosedSetModel`, which knows some names.

    Attributes:
        name: the model's name.
        folder: that it is loaded from.
        provider: the execution provider that runs it.
        note: one sentence for users that explains the choice of provider; empty if no explanation is needed.
        known_words: the names that it can find; empty if it reads any phrase.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - described above, as are the next four

    @property
    def folder(self) -> Path: ...  # noqa: D102

    @property
    def provider(self) -> str: ...  # noqa: D102

    @property
    def note(self) -> str: ...  # noqa: D102

    @property
    def known_words(self) -> tuple[str, ...]: ...  # noqa: D102

    def read(self, text: str | Sequence[str], /) -> dict[str, str]:
        """Return what is searched for, by phrases of the text; raises `PromptError` for a text that cannot be."""

    def find(
        self,
        image: np.ndarray,
        text: str | Sequence[str],
        /,
        *,
        box_threshold: float = BOX_THRESHOLD,
        text_threshold: float = TEXT_THRESHOLD,
        nms: float = NMS_THRESHOLD,
    ) -> FoundBoxes:
        """Return the boxes for a text, best first; see `mam.Grounding.find`."""
