"""Graphs on a ZeroGPU Space, where a GPU is lent for the length of one call.

The sessions are made inside the decorated function, on first use in the process that has the GPU; arrays go in and out.
Elsewhere the `spaces` package is not needed, and not imported.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from mam.runtime import OnnxGraphs, load_graphs

_SECONDS = 20  # of GPU time that one call asks for at most


def is_here() -> bool:
    """True on a ZeroGPU Space."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "true")


class LentGraphs:
    """Stands for `mam.runtime.Graphs`; every call runs where the GPU is.

    Args:
        folder: of exported graphs.
    """

    def __init__(self, folder: Path) -> None:
        import spaces

        described = load_graphs(folder, "cpu")  # checks the files, and says what they are
        self.variant, self.folder, self.policy = described.variant, described.folder, described.policy
        self.provider, self.note = "CUDAExecutionProvider", "A GPU is lent for each step (ZeroGPU)."
        self._answer = spaces.GPU(duration=_SECONDS)(_answer)

    def encode(self, *values: Any) -> np.ndarray:
        """As `Graphs.encode`."""
        return self._answer(str(self.folder), "encode", values)

    def decode(self, *values: Any) -> tuple[np.ndarray, np.ndarray]:
        """As `Graphs.decode`."""
        return self._answer(str(self.folder), "decode", values)

    def matte(self, *values: Any) -> np.ndarray:
        """As `Graphs.matte`."""
        return self._answer(str(self.folder), "matte", values)


def _answer(folder: str, step: str, values: tuple[Any, ...]) -> Any:
    answer = getattr(_graphs(folder), step)(*values)
    return answer.numpy() if isinstance(answer, ort.OrtValue) else answer  # nothing stays on a GPU that is given back


@functools.cache
def _graphs(folder: str) -> OnnxGraphs:
    return load_graphs(folder, "cuda")
