"""Boxes for text prompts, by one of two models.

    ClosedSetModel              comes with the package and finds objects by the names that it knows

    preparation.prepare()       gets the published model: one download, converted without torch
    Grounding                   Grounding DINO for any phrase: the graph and the tokenizer, loaded
      .find() -> FoundBoxes     boxes with scores and phrases, best first; if no box passes the threshold, it is empty
                                and still gives the best score

Source: Liu et al. 2023, "Grounding DINO"; transformers/models/grounding_dino (masks, sizes, scores), the reference of
the tests.
"""

from mam.text.boxes import BOX_THRESHOLD, NMS_THRESHOLD, TEXT_THRESHOLD, FoundBox, FoundBoxes
from mam.text.closed_set import ClosedSetModel
from mam.text.loader import GroundingLoader, TextModel, load_default
from mam.text.model import MODELS, NAME, TOKENIZER, Grounding
from mam.text.phrases import Phrases
from mam.text.preprocessor import Preprocessor

__all__ = [
    "BOX_THRESHOLD",
    "MODELS",
    "NAME",
    "NMS_THRESHOLD",
    "TEXT_THRESHOLD",
    "TOKENIZER",
    "ClosedSetModel",
    "FoundBox",
    "FoundBoxes",
    "Grounding",
    "GroundingLoader",
    "Phrases",
    "Preprocessor",
    "TextModel",
    "load_default",
]
