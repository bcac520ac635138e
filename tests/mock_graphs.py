"""Models for tests that answer at once with simple shapes: rectangles for boxes, discs for clicks, halves for texts."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from mam import FoundBox, FoundBoxes
from mam.model.contract import IMAGE_ENCODER, MASK_DECODER, InferencePolicy

SIDE = 256  # of the logits
RADIUS = 20  # of a click's disc, in 256ths of the longest side


class MockGraphs:
    """Stands for `mam.model.steps.Graphs`."""

    variant, folder, provider, note = "mock", Path("mock"), "CPUExecutionProvider", ""
    policy = InferencePolicy()

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds

    def run(self, graph, values):
        """Call the method for the graph."""
        if graph == IMAGE_ENCODER:
            return self.encode(values["image"])
        if graph == MASK_DECODER:
            names = ("image_embeddings", "point_coords", "point_labels", "mask_input", "has_mask_input")
            return dict(zip(("low_res_masks", "iou_predictions"), self.decode(*map(values.get, names)), strict=True))
        names = ("image", "image_embeddings", "mask_logits", "input_size", "original_size", "mask_guidance")
        return {"alpha": self.matte(*map(values.get, names))}

    def encode(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """An embedding of zeros."""
        time.sleep(self.seconds)
        return {"image_embeddings": np.zeros((1, 256, 64, 64), np.float32)}

    def decode(self, features, coords, labels, mask_input, has_mask):
        """Candidate k draws discs k times as large; a background click is removed from all of them."""
        rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
        logits = np.zeros((len(coords), 4, SIDE, SIDE), np.float32)
        for b in range(len(coords)):
            points = coords[b] * (SIDE / 1024)
            corners = points[labels[b] >= 2]
            for k in range(4):
                inside = mask_input[b, 0] > 0 if has_mask[b] else np.zeros((SIDE, SIDE), bool)
                if len(corners):
                    (x0, y0), (x1, y1) = corners
                    inside = inside | ((columns > x0) & (columns < x1) & (rows > y0) & (rows < y1))
                for label, draw in ((1, np.logical_or), (0, lambda old, disc: old & ~disc)):
                    for x, y in points[labels[b] == label]:
                        inside = draw(inside, np.hypot(columns - x, rows - y) < RADIUS * max(1, k))
                logits[b, k] = np.where(inside, 8.0, -8.0)
        return logits, np.tile(np.float32([0.9, 0.95, 0.8, 0.7]), (len(coords), 1))

    def matte(self, image, features, mask_logits, input_size, original_size, mask_guidance):
        """The mask itself, opaque."""
        time.sleep(self.seconds)
        (h, w), (height, width) = input_size, original_size
        rows = ((np.arange(height) + 0.5) * h / height * SIDE / 1024).astype(int)
        columns = ((np.arange(width) + 0.5) * w / width * SIDE / 1024).astype(int)
        return (mask_logits[:, :, rows][..., columns] > 0).astype(np.float32)


class MockGrounding:
    """Stands for `mam.text.Grounding`: finds "left", "right" and "both", each with a fixed score."""

    name = "mock"
    known_words = ()

    def read(self, text: str) -> dict[str, str]:
        """Any text can be searched."""
        return {text: text}

    def find(self, pixels: np.ndarray, text: str, **thresholds: float) -> FoundBoxes:
        """Halves of the image."""
        h, w = pixels.shape[:2]
        left, right = (
            FoundBox((0.0, 0.0, w / 2, float(h)), 0.8, "left"),
            FoundBox((w / 2, 0.0, float(w), float(h)), 0.6, "right"),
        )
        known = {"left": (left,), "right": (right,), "both": (left, right)}
        return FoundBoxes(known.get(text, ()), 0.8 if text in known else 0.12, f"{text}.")
