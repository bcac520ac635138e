"""Facts about this installation for `mam doctor`: package versions and the speed of a model."""

from __future__ import annotations

import importlib.metadata
import time
from dataclasses import dataclass

import numpy as np

from mam.matting import Matting

PACKAGES = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-openvino",
    "onnxruntime-directml",
    "numpy",
    "pillow",
    "tokenizers",
    "gradio",
    "torch",
    "segment-anything",
)


@dataclass(frozen=True)
class Timing:
    """Seconds of one run: to open and encode the image, and from a box to the alpha at full size."""

    encode: float
    matte: float


def package_versions() -> dict[str, str | None]:
    """Return the installed version of each of `PACKAGES`, None if it is not installed."""
    return {package: _version(package) for package in PACKAGES}


def onnxruntime_conflict() -> str | None:
    """Return a warning if several builds of onnxruntime are installed, which overwrite each other's files."""
    builds = [package for package in PACKAGES if package.startswith("onnxruntime") and _version(package)]
    if len(builds) < 2:
        return None
    return f"{' and '.join(builds)} share one module and break each other; uninstall all, then install one."


def measure_scene(matting: Matting) -> Timing:
    """Time one box on a synthetic image of 1024 x 768 pixels, a disc on a plain background."""
    disc = np.hypot(*np.ogrid[-384:384, -512:512]) < 250
    image = np.where(disc[..., None], [200, 60, 40], [40, 90, 60]).astype(np.uint8)
    start = time.perf_counter()
    scene = matting.open(image)
    encoded = time.perf_counter()
    scene.matte(box=(250, 120, 774, 648))
    return Timing(encoded - start, time.perf_counter() - encoded)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
