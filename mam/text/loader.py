"""Load a text model when the first text prompt needs it, not before."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mam.model.providers import Device
from mam.text.closed_set import ClosedSetModel
from mam.text.model import Grounding, default_folder, is_complete

TextModel = Grounding | ClosedSetModel
"""What finds objects for text prompts: the first reads any English phrase, the second knows some names."""


@dataclass(frozen=True)
class GroundingLoader:
    """A function that returns a text model, loaded once: a `Grounding`, or the embedded `ClosedSetModel`.

    A pickle holds the attributes below, not the model.

    Attributes:
        folder: where a `Grounding` is; None for `$MAM_GROUNDING`, the default folder or none.
        device: as for `mam.Matting.load`.
        threads: CPU threads; None lets onnxruntime choose.
    """

    folder: str | os.PathLike[str] | None = None
    device: Device = "auto"
    threads: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    def __call__(self) -> TextModel:
        """Return the model.

        Raises:
            GraphError: as for `Grounding.load`, if a folder was named.
        """
        named = self.folder is not None or os.environ.get("MAM_GROUNDING")
        with self._lock:  # two threads would load the same model twice
            return self._grounding if named or is_complete(default_folder()) else self._embedded

    def __reduce__(self) -> tuple[Callable[..., GroundingLoader], tuple[Any, ...]]:
        return GroundingLoader, (self.folder, self.device, self.threads)

    @functools.cached_property
    def _grounding(self) -> Grounding:
        return Grounding.load(self.folder, self.device, self.threads)

    @functools.cached_property
    def _embedded(self) -> ClosedSetModel:
        return ClosedSetModel(threads=self.threads)


load_default = GroundingLoader()
"""Loads the model of the default folder, once per process."""
