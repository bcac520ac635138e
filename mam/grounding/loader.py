"""Load a grounding model when the first text prompt needs it, not before."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mam.grounding.model import Grounding
from mam.providers import Device


@dataclass(frozen=True)
class GroundingLoader:
    """A function that loads a grounding model at its first call and then returns the same one.

    A pickle holds the attributes below, not the model.

    Attributes:
        folder: as for `Grounding.load`, like the other two.
        device: as for `mam.Matting.load`.
        threads: CPU threads; None lets onnxruntime choose.
    """

    folder: str | os.PathLike[str] | None = None
    device: Device = "auto"
    threads: int | None = None

    def __call__(self) -> Grounding:
        """Return the model.

        Raises:
            GraphError: as for `Grounding.load`.
        """
        return self._model

    def __reduce__(self) -> tuple[Callable[..., GroundingLoader], tuple[Any, ...]]:
        return GroundingLoader, (self.folder, self.device, self.threads)

    @functools.cached_property
    def _model(self) -> Grounding:
        return Grounding.load(self.folder, self.device, self.threads)


load_default = GroundingLoader()
"""Loads the model of the default folder, once per process."""
