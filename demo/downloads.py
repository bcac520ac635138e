"""Temporary files for downloads and previews: Gradio copies each to its own cache, so ours are deleted soon."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from mam.images.encode import write_image

_LONGEST = 200  # bytes of a file name; numbers may still be added
_RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{kind}{n}" for kind in ("COM", "LPT") for n in range(1, 10))}  # on Windows


class Downloads:
    """A temporary folder that is removed with the process, and cleared of old files at every write.

    Args:
        seconds: The shortest time that a file is kept.
    """

    def __init__(self, seconds: float = 600) -> None:
        self.seconds = seconds
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="mam_", ignore_cleanup_errors=True)

    def path(self, name: str, ending: str) -> Path:
        """Return a path for a file of this name, in a new folder; see `safe_name`."""
        with self._lock:
            if not os.path.isdir(self._folder.name):  # the system's cleaner has removed it
                self._folder = tempfile.TemporaryDirectory(prefix="mam_", ignore_cleanup_errors=True)
            root = Path(self._folder.name)
            for old in root.iterdir():
                with contextlib.suppress(OSError):
                    if time.time() - old.stat().st_mtime > self.seconds:
                        shutil.rmtree(old, ignore_errors=True)
        return Path(tempfile.mkdtemp(dir=root)) / safe_name(name, ending)

    def png(self, pixels: np.ndarray, name: str, part: str, icc_profile: bytes | None = None) -> str:
        """Write (H, W), (H, W, 3) or (H, W, 4) uint8 as NAME_PART.png; returns the path."""
        return str(write_image(pixels, self.path(name, f"_{part}.png"), icc_profile))

    def jpeg(self, pixels: np.ndarray, name: str, part: str, icc_profile: bytes | None = None) -> str:
        """Write (H, W, 3) uint8 as NAME_PART.jpg; returns the path."""
        return str(write_image(pixels, self.path(name, f"_{part}.jpg"), icc_profile))


def safe_name(name: str, ending: str = "") -> str:
    """Return a file name without characters that some system forbids, of at most 200 bytes.

    Args:
        name: Cut if it is too long.
        ending: What must not be cut: the part's name and the suffix.
    """
    stem, ending = (re.sub(r'[\x00-\x1f\x7f<>:"/\\|?*]+', "_", part) for part in (name, ending))
    room = max(0, _LONGEST - len(ending.encode()))
    stem = stem.strip(". ").encode()[:room].decode(errors="ignore")
    if (stem + ending).split(".")[0].upper() in _RESERVED:
        stem = f"_{stem}"
    return (stem or "image") + ending
