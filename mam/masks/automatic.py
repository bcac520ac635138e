"""Find the main object of an image without a prompt: with the empty prompt, which only some models were trained for."""

from __future__ import annotations

import functools

import numpy as np

from mam.masks.decoding import decode_prompts
from mam.masks.encoded_crop import EncodedCrop
from mam.masks.prompts import CheckedPrompt
from mam.masks.segment import Segment
from mam.model.folders import BUNDLE
from mam.model.runtime import load_graphs
from mam.model.steps import Graphs

EMPTY_PROMPT = CheckedPrompt(None, np.zeros((0, 2)), np.zeros(0, np.int64), None, None)


@functools.cache
def embedded_graphs(threads: int | None = None) -> Graphs:
    """Load the embedded model on the CPU, once per process; it finds the main object for models that cannot."""
    return load_graphs(BUNDLE, "cpu", threads)


def find_main_object(graphs: Graphs, whole: EncodedCrop) -> Segment:
    """Segment the main object; its mask is empty if there is none.

    Args:
        graphs: a model with the policy `main_object`.
        whole: the whole image, encoded by this model.
    """
    (segment,) = decode_prompts(graphs, whole, [EMPTY_PROMPT], whole.frame.original_size)
    return segment
