"""Temporary files for downloads and previews: Gradio copies each to its own cache, so ours are deleted soon."""

from __future__ import annotations

import re
import shutil
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from mam.writing import write_image


class Downloads:
    """A temporary folder that is removed with the process, and cleared of old files at every write.

    Args:
        seconds: The shortest time that a file is kept.
    """

    def __init__(self, seconds: float = 600) -> None:
        self.seconds = seconds
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="mam_")

    def path(self, name: str) -> Path:
        """Return a path for a file of this name, in a new folder and without forbidden characters."""
        root = Path(self._folder.name)
        with self._lock:
            root.mkdir(mode=0o700, exist_ok=True)  # the system's cleaner may have removed it
            for old in root.iterdir():
                if time.time() - old.stat().st_mtime > self.seconds:
                    shutil.rmtree(old, ignore_errors=True)
        return Path(tempfile.mkdtemp(dir=root)) / safe_name(name)

    def png(self, pixels: np.ndarray, name: str, icc_profile: bytes | None = None) -> str:
        """Write (H, W), (H, W, 3) or (H, W, 4) uint8 as `name`.png; returns the path."""
        return str(write_image(pixels, self.path(f"{name}.png"), icc_profile))

    def jpeg(self, pixels: np.ndarray, name: str, icc_profile: bytes | None = None) -> str:
        """Write (H, W, 3) uint8 as `name`.jpg; returns the path."""
        return str(write_image(pixels, self.path(f"{name}.jpg"), icc_profile))


def safe_name(name: str) -> str:
    """Return a file name without characters that some system forbids, cut to 200 bytes before its extension."""
    stem, dot, extension = re.sub(r'[\x00-\x1f<>:"/\\|?*]+', "_", name).strip(". ").rpartition(".")
    if not dot or len(extension) > 5:
        stem, dot, extension = stem + dot + extension, "", ""
    return (stem.encode()[:200].decode(errors="ignore") or "image") + dot + extension
