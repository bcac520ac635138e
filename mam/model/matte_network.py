"""A network that computes mattes again, behind any model: what `ViTMatte` and `Semat` have in common."""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mam.model.providers import Device

if TYPE_CHECKING:
    import onnxruntime as ort

BACKGROUND, UNKNOWN, FOREGROUND = 0, 128, 255
"""The values of a trimap."""


@dataclass(frozen=True, eq=False)
class MatteNetwork(abc.ABC):
    """A loaded network; a pickle holds the file's path, device and threads.

    Attributes:
        file: the file of its weights.
        provider: the execution provider that runs it.
        note: a sentence that explains the choice of provider; empty if it needs none.
        session: the onnxruntime session.
        device: as requested.
        threads: as requested.
    """

    file: Path
    provider: str
    note: str
    session: ort.InferenceSession
    device: Device = "auto"
    threads: int | None = None

    @classmethod
    @abc.abstractmethod
    def load(cls, file: Path, device: Device = "auto", threads: int | None = None) -> MatteNetwork:
        """Load it.

        Args:
            file: the file of its weights.
            device: as for `mam.Matting.load`.
            threads: CPU threads; None lets onnxruntime choose.

        Raises:
            GraphError: the device is not available, or it is the graph of another network.
            WeightsError: it is the checkpoint of another network, or damaged.
        """

    def __reduce__(self) -> tuple[Callable[..., MatteNetwork], tuple[Any, ...]]:
        return type(self).load, (self.file, self.device, self.threads)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.file.name} on {self.provider})"

    @abc.abstractmethod
    def run(self, pixels: np.ndarray, trimap: np.ndarray) -> np.ndarray | None:
        """Compute the alpha of an image; the slow step.

        Args:
            pixels: (H, W, 3) uint8 RGB, of any size.
            trimap: (h, w) uint8 with the three values, where (h, w) is `Frame.input_size`.

        Returns:
            (h, w) float32 in [0, 1]; None if the network cannot answer this trimap.

        Raises:
            GraphError: the graph failed.
        """
