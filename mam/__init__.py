"""Matting Anything made practical: a box, clicks, scribbles in, a soft alpha matte out. Start with `Matting.load()`."""

from mam.errors import GraphError, ImageTooLarge, InputError, MamError, PromptError, WeightsError
from mam.grounding import FoundBox, FoundBoxes, Grounding
from mam.matte import Matte, NothingFound
from mam.matting import Matting, Scene
from mam.prompts import Prompt
from mam.segment import Segment

__version__ = "0.10.0"

__all__ = [
    "FoundBox",
    "FoundBoxes",
    "GraphError",
    "Grounding",
    "ImageTooLarge",
    "InputError",
    "MamError",
    "Matte",
    "Matting",
    "NothingFound",
    "Prompt",
    "PromptError",
    "Scene",
    "Segment",
    "WeightsError",
]
