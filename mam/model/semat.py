"""SEMat, which computes a matte from an image and a box around the object, in onnxruntime.

Source: Xia et al. 2024, "Towards Natural Image Matting in the Wild via Real-Scenario Prior"; XiaRho/SEMat, demo.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mam.images.boxes import full_box, mask_bounds
from mam.model import contract
from mam.model.folders import TEMPLATES
from mam.model.frames import PIXEL_MEAN, PIXEL_STD, Frame, normalise, resize_to_input
from mam.model.matte_network import BACKGROUND, MatteNetwork
from mam.model.providers import Device, open_sessions, run_session
from mam.model.template import complete_graph, read_manifest
from mam.weights.checkpoint_reader import read_tensors

TEMPLATE = TEMPLATES / "semat"
FILE = "SEMat_SAM.pth"


class Semat(MatteNetwork):
    """The loaded network, from the authors' checkpoint."""

    @classmethod
    def load(cls, file: Path, device: Device = "auto", threads: int | None = None) -> Semat:
        """Load it; see `MatteNetwork.load`."""
        (part,) = read_manifest(TEMPLATE).values()
        stored = file.resolve()  # onnxruntime does not follow links out of the folder
        graph = complete_graph(TEMPLATE / contract.SEMAT.file, part.shapes, read_tensors(stored), stored)
        (session,), provider, note = open_sessions([graph], device, threads)
        return cls(file, provider, note, session, device, threads)

    def run(self, pixels: np.ndarray, trimap: np.ndarray) -> np.ndarray | None:
        """Compute the alpha of the object in the trimap's bounds, of which nothing else is read.

        Returns:
            (h, w) float32 in [0, 1]; None if the trimap is all background.
        """
        bounds = mask_bounds(trimap != BACKGROUND)
        if bounds is None:
            return None
        frame = Frame.of(full_box(pixels.shape[:2]))
        h, w = frame.input_size
        image = normalise(resize_to_input(pixels, frame))
        # Unlike SAM's, its padding is black before it is normalised.
        black = (-np.array(PIXEL_MEAN, np.float32) / np.array(PIXEL_STD, np.float32))[:, None, None]
        image[0, :, h:], image[0, :, :, w:] = black, black
        x0, y0, x1, y1 = bounds
        box = np.array([[x0, y0, x1 - 1, y1 - 1]], np.float32)  # the authors' boxes end at the last pixel
        (alpha,) = run_session(self.session, {"image": image, "box": box}, self.file)
        return alpha[0, 0, :h, :w].clip(0, 1)
