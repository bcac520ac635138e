"""Files that the page hands out. Gradio copies each into its own cache at once, so ours live only for a short while."""

from __future__ import annotations

import re
import shutil
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from mam.images import write_jpeg, write_png


class Downloads:
    """A temporary folder that goes with the process and is swept at every write.

    Args:
        seconds: how long a file stays at least.
    """

    def __init__(self, seconds: float = 600) -> None:
        self.seconds = seconds
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="mam_")

    def path(self, name: str) -> Path:
        """Where to write a file of this name: in a folder of its own. Characters that no file name may have are replaced."""
        root = Path(self._folder.name)
        with self._lock:
            for old in root.iterdir():
                if time.time() - old.stat().st_mtime > self.seconds:
                    shutil.rmtree(old)
        return Path(tempfile.mkdtemp(dir=root)) / safe_name(name)

    def png(self, pixels: np.ndarray, name: str, icc_profile: bytes | None = None) -> str:
        """Write uint8 pixels as `name`.png; returns the path."""
        return str(write_png(pixels, self.path(f"{name}.png"), icc_profile))

    def jpeg(self, pixels: np.ndarray, name: str, icc_profile: bytes | None = None) -> str:
        """Write (H, W, 3) uint8 as `name`.jpg; returns the path."""
        return str(write_jpeg(pixels, self.path(f"{name}.jpg"), icc_profile))


def safe_name(name: str) -> str:
    """A file name without what some system forbids, cut to 200 bytes; its ending stays."""
    stem, dot, ending = re.sub(r'[\x00-\x1f<>:"/\\|?*]+', "_", name).strip(". ").rpartition(".")
    if not dot or len(ending) > 5:
        stem, dot, ending = stem + dot + ending, "", ""
    return (stem.encode()[:200].decode(errors="ignore") or "picture") + dot + ending
