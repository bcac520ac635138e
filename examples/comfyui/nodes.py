"""The nodes "Load Matting Anything" and "Matte".

ComfyUI's tensors: IMAGE is (B, H, W, 3) float32 RGB in [0, 1], MASK is (B, H, W) or (H, W) float32 in [0, 1].
Source: https://docs.comfy.org/custom-nodes/backend/server_overview
"""

from __future__ import annotations

import json
from typing import Any, ClassVar

import numpy as np
import torch

from mam import Matte as Found
from mam import Matting, PromptError
from mam.model.variants import VARIANTS

_CATEGORY = "mask/matting"


class Load:
    """Loads a model; all but tiny are downloaded on first use."""

    CATEGORY, FUNCTION = _CATEGORY, "load"
    RETURN_TYPES, RETURN_NAMES = ("MATTING",), ("model",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Return the inputs, as ComfyUI asks for them."""
        return {"required": {"variant": (list(VARIANTS),), "edges": (["model", "vitmatte"],)}}

    def load(self, variant: str, edges: str) -> tuple[Matting]:
        """Return the model."""
        return (Matting.load(variant, matte="vitmatte" if edges == "vitmatte" else None),)


class Matte:
    """Cuts one object out of each image: the main one, or the one that mask, box, points or text point at."""

    CATEGORY, FUNCTION = _CATEGORY, "matte"
    RETURN_TYPES, RETURN_NAMES = ("IMAGE", "MASK"), ("image", "alpha")
    _TEXT: ClassVar[dict[str, Any]] = {"default": "", "multiline": False}

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Return the inputs, as ComfyUI asks for them."""
        box = {**cls._TEXT, "tooltip": "x0, y0, x1, y1 in pixels"}
        points = {**cls._TEXT, "tooltip": "[[x, y], [x, y, 0]] in pixels; with 0 on the background"}
        text = {**cls._TEXT, "tooltip": "names the object, such as dog, instead of a box"}
        return {
            "required": {"model": ("MATTING",), "image": ("IMAGE",)},
            "optional": {
                "mask": ("MASK",),
                "box": ("STRING", box),
                "points": ("STRING", points),
                "text": ("STRING", text),
            },
        }

    def matte(
        self,
        model: Matting,
        image: torch.Tensor,
        mask: torch.Tensor | None = None,
        box: str = "",
        points: str = "",
        text: str = "",
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the objects' clean colours (B, H, W, 3) and their alphas (B, H, W); of nothing found, an alpha of 0.

        Args:
            model: from `Load`.
            image: (B, H, W, 3).
            mask: (B, H, W), or one for all images; with points, a rough one that they correct. An empty one is ignored.
            box: four numbers, for all images.
            points: a list of JSON, for all images.
            text: names the object instead of a box.

        Raises:
            mam.MamError: the prompt cannot be read, or does not fit an image.
        """
        prompt = {"box": _read(box, "box"), "text": text.strip() or None, **_read_points(points)}
        masks = [] if mask is None else [one.cpu().numpy() > 0.5 for one in mask.reshape(-1, *mask.shape[-2:])]
        if len(masks) not in (0, 1, len(image)):
            raise PromptError(f"{len(masks)} masks for {len(image)} images; expected one for each, or one for all.")
        colours, alphas = [], []
        for number, pixels in enumerate((image.cpu().numpy() * 255 + 0.5).astype(np.uint8)):
            own = masks[number % len(masks)] if masks else None
            found = model.open(pixels).matte(**prompt, mask=own if own is not None and own.any() else None)
            colours.append(found.foreground if isinstance(found, Found) else pixels)
            alphas.append(found.alpha if isinstance(found, Found) else np.zeros(pixels.shape[:2], np.float32))
        return torch.from_numpy(np.stack(colours).astype(np.float32) / 255), torch.from_numpy(np.stack(alphas))


def _read(text: str, name: str) -> list[Any] | None:
    text = text.strip()
    try:
        values = json.loads(text if text.startswith("[") else f"[{text}]") if text else None
    except (ValueError, RecursionError):
        raise PromptError(f"{name} is {text[:80]!r}; expected numbers with commas, or a list of JSON.") from None
    return values or None


def _read_points(text: str) -> dict[str, Any]:
    points = _read(text, "points") or []
    if not all(isinstance(point, list) and len(point) in (2, 3) for point in points):
        raise PromptError(f"points are {text[:80]!r}; expected [[x, y], [x, y, 0]].")
    return {"points": [point[:2] for point in points], "labels": [point[2] if point[2:] else 1 for point in points]}
