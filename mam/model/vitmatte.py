"""ViTMatte, which finds the alpha inside the unknown parts of a trimap, in onnxruntime.

Source: Yao et al. 2023, "ViTMatte: Boosting Image Matting with Pretrained Plain Vision Transformers".
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from mam.errors import GraphError
from mam.images.boxes import full_box
from mam.model.frames import SIDE, Frame
from mam.model.providers import Device, open_sessions, run_session
from mam.weights import Progress, fetch

if TYPE_CHECKING:
    import onnxruntime as ort

NAME = "vitmatte"
FILE = "vitmatte-small-distinctions-646.onnx"
BACKGROUND, UNKNOWN, FOREGROUND = 0, 128, 255
"""The values of a trimap."""

_INPUT = ("pixel_values", [1, 4, SIDE, SIDE])


@dataclass(frozen=True, eq=False)
class ViTMatte:
    """The loaded network; a pickle holds the file's path, device and threads.

    Attributes:
        file: the ONNX file.
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
    def load(
        cls,
        file: str | os.PathLike[str] = NAME,
        device: Device = "auto",
        threads: int | None = None,
        progress: Callable[[str], Progress | None] = lambda name: None,
    ) -> ViTMatte:
        """Load it.

        Args:
            file: "vitmatte" for `FILE`, which is downloaded on first use; or the path of an ONNX file with its input.
            device: as for `mam.Matting.load`.
            threads: CPU threads; None lets onnxruntime choose.
            progress: as for `mam.Matting.load`.

        Raises:
            GraphError: there is no such file, it is another network, or the device is not available.
            WeightsError: the file cannot be downloaded, or is damaged.
        """
        path = fetch(FILE, progress(FILE)) if str(file) == NAME else Path(file)
        if not path.is_file():
            raise GraphError(f"matte is {str(file)!r}; expected {NAME!r}, or the path of an ONNX file of ViTMatte.")
        (session,), provider, note = open_sessions([path], device, threads)
        found = [(tensor.name, tensor.shape) for tensor in session.get_inputs()]
        # A file with dynamic sizes gives right alphas only at the size of its stored position embeddings.
        if found != [_INPUT]:
            raise GraphError(f"{path} has the inputs {found}; expected {[_INPUT]}, as in {FILE}.")
        return cls(path, provider, note, session, device, threads)

    def __reduce__(self) -> tuple[Callable[..., ViTMatte], tuple[Any, ...]]:
        return ViTMatte.load, (self.file, self.device, self.threads)

    def __repr__(self) -> str:
        return f"ViTMatte({self.file.name} on {self.provider})"

    def run(self, pixels: np.ndarray, trimap: np.ndarray) -> np.ndarray:
        """Compute the alpha of an image; the slow step.

        Args:
            pixels: (H, W, 3) uint8 RGB, of any size.
            trimap: (h, w) uint8 with the three values, where (h, w) is `Frame.input_size`.

        Returns:
            (h, w) float32 in [0, 1]; 0 and 1 where the trimap is known.

        Raises:
            GraphError: the graph failed.
        """
        h, w = Frame.of(full_box(pixels.shape[:2])).input_size
        values = np.zeros((1, 4, SIDE, SIDE), np.float32)
        small = Image.fromarray(pixels).resize((w, h), Image.Resampling.BILINEAR)
        values[0, :3, :h, :w] = np.asarray(small, np.float32).transpose(2, 0, 1) / 255
        values[0, 3, :h, :w] = trimap / np.float32(255)
        (alpha,) = run_session(self.session, {_INPUT[0]: values}, self.file)
        known = (trimap == FOREGROUND).astype(np.float32)
        return np.where(trimap == UNKNOWN, alpha[0, 0, :h, :w].clip(0, 1), known)
