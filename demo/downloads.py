"""Files that the page hands out. Gradio copies each into its own cache at once, so ours live only for a short while."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from mam.images import write_png


class Downloads:
    """A temporary folder that goes with the process and is swept at every write.

    Args:
        seconds: how long a file stays at least.
    """

    def __init__(self, seconds: float = 600) -> None:
        self.seconds = seconds
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="mam_")

    def write(self, pixels: np.ndarray, name: str, icc_profile: bytes | None = None) -> str:
        """Write uint8 pixels as `name`.png in a folder of its own; returns the path."""
        root = Path(self._folder.name)
        with self._lock:
            for old in root.iterdir():
                if time.time() - old.stat().st_mtime > self.seconds:
                    shutil.rmtree(old)
        return str(write_png(pixels, Path(tempfile.mkdtemp(dir=root)) / f"{name}.png", icc_profile))
