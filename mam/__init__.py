"""Matting Anything made practical: a box, clicks, scribbles in, a soft alpha matte out. Start with `Matting.load()`."""

from mam.compose.composition import Background, Blur, Gradient, OutputOptions, Style
from mam.compose.placement import Placement
from mam.errors import GraphError, ImageTooLarge, InputError, MamError, PromptError, WeightsError
from mam.images import ImageSource, Photo
from mam.masks.painting import Stroke
from mam.masks.prompts import Prompt
from mam.masks.segment import Segment
from mam.matte import Matte, NothingFound
from mam.matting import Matting
from mam.model.providers import Device
from mam.scene import Guidance, Scene
from mam.text import FoundBox, FoundBoxes, Grounding

__version__ = "0.11.0"

__all__ = [
    "Background",
    "Blur",
    "Device",
    "FoundBox",
    "FoundBoxes",
    "Gradient",
    "GraphError",
    "Grounding",
    "Guidance",
    "ImageSource",
    "ImageTooLarge",
    "InputError",
    "MamError",
    "Matte",
    "Matting",
    "NothingFound",
    "OutputOptions",
    "Photo",
    "Placement",
    "Prompt",
    "PromptError",
    "Scene",
    "Segment",
    "Stroke",
    "Style",
    "WeightsError",
]
