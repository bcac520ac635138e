"""The text model that comes with the package: it finds objects by the names that it knows, without a download."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from mam.errors import GraphError
from mam.model import contract, providers
from mam.model.folders import BUNDLE
from mam.model.frames import PIXEL_MEAN, PIXEL_STD
from mam.text.boxes import BOX_THRESHOLD, NMS_THRESHOLD, TEXT_THRESHOLD, FoundBox, FoundBoxes
from mam.text.phrases import require_latin, split_phrases
from mam.text.regions import boxes_of
from mam.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    import onnxruntime as ort

STEP = 32
"""Pixels per cell of the network's coarsest features: both sides of an image are a multiple of it."""
SIDE = 640
"""The longest side of the images that the network was trained for, in pixels."""
VOCABULARY = "words.json"


@dataclass(frozen=True)
class ClosedSetModel:
    """A text model for some names. It is loaded at its first search, and runs on the CPU.

    Attributes:
        folder: contains `words.onnx` and `words.json`.
        threads: CPU threads; None lets onnxruntime choose.
    """

    folder: Path = BUNDLE
    threads: int | None = None

    name = "words"
    provider = providers.CPU
    note = ""

    def __reduce__(self) -> tuple[type[ClosedSetModel], tuple[Path, int | None]]:
        return ClosedSetModel, (self.folder, self.threads)

    @functools.cached_property
    def vocabulary(self) -> Vocabulary:
        """The names, and the nouns that stand for them.

        Raises:
            GraphError: the file is missing or damaged.
        """
        file = self.folder / VOCABULARY
        try:
            return Vocabulary.read_file(file)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise GraphError(f"{file} is damaged ({error!r}); install the package again.") from error

    @property
    def known_words(self) -> tuple[str, ...]:
        """The names that can be found, in alphabetical order."""
        return tuple(sorted(self.vocabulary.names))

    def read(self, text: str | Sequence[str]) -> dict[str, str]:
        """Return the name that each phrase of a text asks for.

        Args:
            text: as for `find`.

        Raises:
            UnknownWord: a phrase asks for none of the names.
            NotEnglish: a phrase has letters of another script.
            PromptError: there is no phrase.
        """
        phrases = split_phrases(text)
        require_latin(phrases)
        return {part: self.vocabulary.name_for(part) for phrase in phrases for part in self.vocabulary.split(phrase)}

    def find(
        self,
        image: np.ndarray,
        text: str | Sequence[str],
        *,
        box_threshold: float = BOX_THRESHOLD,
        text_threshold: float = TEXT_THRESHOLD,
        nms: float = NMS_THRESHOLD,
    ) -> FoundBoxes:
        """Find the boxes of objects by their names.

        Only the noun of a phrase counts: "the red car" finds all cars. `FoundBoxes.readings` states such losses.

        Args:
            image: (H, W, 3) uint8 RGB.
            text: a noun, with or without other words; or several phrases, separated by full stops or as a list.
            box_threshold: boxes with a score up to this are dropped.
            text_threshold: no effect: every box has a name.
            nms: no effect: boxes of one name belong to separate regions.

        Returns:
            The boxes, best first; empty if no box passes.

        Raises:
            PromptError: as for `read`.
            GraphError: the graph cannot be loaded, or failed.
        """
        names = self.read(text)
        graph = contract.WORDS
        feed = {graph.inputs[0].name: prepare_image(image)}
        (maps,) = providers.run_session(self._session, feed, self.folder / graph.file)[0]  # logarithms, a map per name
        size = image.shape[0], image.shape[1]
        found: list[FoundBox] = []
        best = 0.0
        for name in dict.fromkeys(names.values()):
            boxes, peak = boxes_of(maps[self.vocabulary.outputs[name]], name, size, threshold=box_threshold)
            found, best = [*found, *boxes], max(best, peak)
        readings = tuple((phrase, name) for phrase, name in names.items() if not self.vocabulary.is_exact(phrase, name))
        searched = ". ".join(dict.fromkeys(names.values())) + "."
        return FoundBoxes(tuple(sorted(found, key=lambda one: -one.score)), best, searched, readings)

    @functools.cached_property
    def _session(self) -> ort.InferenceSession:
        file = self.folder / contract.WORDS.file
        (session,), _, _ = providers.open_sessions([file], "cpu", self.threads)
        metadata = session.get_modelmeta().custom_metadata_map
        expected = {"mam_graph": contract.WORDS.name, "mam_contract": contract.VERSION}
        if {key: metadata.get(key) for key in expected} != expected:
            raise GraphError(f"{file} is not the graph of this release; install the package again.")
        return session


def prepare_image(image: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Resize an image, nearly keeping its shape, and normalise it.

    Args:
        image: (H, W, 3) uint8 RGB.
        side: the longest side in pixels, a multiple of 32.

    Returns:
        (1, 3, h, w) float32, h and w multiples of 32.
    """
    scale = side / max(image.shape[:2])
    h, w = (max(STEP, round(length * scale / STEP) * STEP) for length in image.shape[:2])
    small = np.asarray(Image.fromarray(image).resize((w, h), Image.Resampling.BICUBIC), np.float32)
    normalised = (small - np.array(PIXEL_MEAN, np.float32)) / np.array(PIXEL_STD, np.float32)
    return np.ascontiguousarray(normalised.transpose(2, 0, 1)[None])
