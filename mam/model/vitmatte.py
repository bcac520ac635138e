"""ViTMatte, which finds the alpha inside the unknown parts of a trimap, in onnxruntime.

Source: Yao et al. 2023, "ViTMatte: Boosting Image Matting with Pretrained Plain Vision Transformers".
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from mam.errors import GraphError
from mam.images.boxes import full_box
from mam.model.frames import SIDE, Frame
from mam.model.matte_network import FOREGROUND, UNKNOWN, MatteNetwork
from mam.model.providers import Device, open_sessions, run_session

FILE = "vitmatte-small-distinctions-646.onnx"

_INPUT = ("pixel_values", [1, 4, SIDE, SIDE])


class ViTMatte(MatteNetwork):
    """The loaded network, from an ONNX file."""

    @classmethod
    def load(cls, file: Path, device: Device = "auto", threads: int | None = None) -> ViTMatte:
        """Load it; see `MatteNetwork.load`."""
        (session,), provider, note = open_sessions([file], device, threads)
        found = [(tensor.name, tensor.shape) for tensor in session.get_inputs()]
        # A file with dynamic sizes gives right alphas only at the size of its stored position embeddings.
        if found != [_INPUT]:
            raise GraphError(f"{file} has the inputs {found}; expected {[_INPUT]}, as in {FILE}.")
        if len(session.get_outputs()) != 1:
            raise GraphError(
                f"{file} has {len(session.get_outputs())} outputs; expected the alpha alone, as in {FILE}."
            )
        return cls(file, provider, note, session, device, threads)

    def run(self, pixels: np.ndarray, trimap: np.ndarray) -> np.ndarray | None:
        """Compute the alpha, which is 0 and 1 where the trimap is known; see `MatteNetwork.run`.

        Returns:
            None if the trimap has no foreground or nothing unknown.
        """
        if not ((trimap == FOREGROUND).any() and (trimap == UNKNOWN).any()):
            return None
        h, w = Frame.of(full_box(pixels.shape[:2])).input_size
        values = np.zeros((1, 4, SIDE, SIDE), np.float32)
        small = Image.fromarray(pixels).resize((w, h), Image.Resampling.BILINEAR)
        values[0, :3, :h, :w] = np.asarray(small, np.float32).transpose(2, 0, 1) / 255
        values[0, 3, :h, :w] = trimap / np.float32(255)
        (alpha,) = run_session(self.session, {_INPUT[0]: values}, self.file)
        if alpha.shape != (1, 1, SIDE, SIDE):
            raise GraphError(f"{self.file} answers with the shape {alpha.shape}; expected {(1, 1, SIDE, SIDE)}.")
        known = (trimap == FOREGROUND).astype(np.float32)
        return np.where(trimap == UNKNOWN, alpha[0, 0, :h, :w].clip(0, 1), known)
