"""Files of a training data folder, unpacked or in a few archives that are read into memory whole.

Archives are quick to copy to a rented machine, and a GPU does not wait for many small files.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from mam.errors import MamError

SHARD = 60 * 10**6  # bytes of one archive, about
LARGEST = 4 * 10**6  # bytes reserved for the last file and the archive's directory
_NAME = "data-{:03}.zip"


class Files:
    """Files by name relative to a root, with "/" as separator, sorted.

    Args:
        root: a folder of files, or of the archives that `pack` wrote, which are read into memory at once.

    Raises:
        MamError: an archive is damaged.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._packed: dict[str, bytes] = {}
        shards = sorted(root.glob("data-*.zip"))
        for shard in shards:
            try:
                with zipfile.ZipFile(shard) as archive:
                    self._packed |= {name: archive.read(name) for name in archive.namelist()}
            except zipfile.BadZipFile as error:
                raise MamError(f"{shard} is not a complete archive ({error}): copy or pack it again.") from error
        names = self._packed if shards else (p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
        self.names = sorted(names)

    def open(self, name: str) -> BinaryIO:
        """Open one file, from memory or from disk."""
        return io.BytesIO(self._packed[name]) if self._packed else open(self._root / name, "rb")


def pack(
    root: Path, out: Path, longest: int | None = None, log: Callable[[str], None] = print, shard: int = SHARD
) -> list[Path]:
    """Write the images of a data folder as archives `data-000.zip`, `data-001.zip` and so on.

    Args:
        root: a folder of files.
        out: folder for the archives; created if needed.
        longest: pixels; photographs and backgrounds with a longer side, and their label maps, are downsampled to it.
        log: called with a line per archive.
        shard: bytes of one archive, about.

    Returns:
        The paths of the archives.

    Raises:
        MamError: there is nothing to pack, or `out` holds archives already.
    """
    files = Files(root)
    if not files.names:
        raise MamError(f"{root} holds no files to pack.")
    if any(out.glob("*.zip")):
        raise MamError(f"{out} holds archives already; give another folder.")
    out.mkdir(parents=True, exist_ok=True)
    partial: list[Path] = []
    waiting = list(reversed(files.names))
    while waiting:
        partial.append(out / f"{_NAME.format(len(partial))}.partial")
        # Not compressed, because the images are already.
        with open(partial[-1], "wb") as stream, zipfile.ZipFile(stream, "w") as archive:
            while waiting and stream.tell() < shard - LARGEST:
                name = waiting.pop()
                archive.writestr(name, _downsample(name, files.open(name).read(), longest))
        log(f"{partial[-1].stem}  {partial[-1].stat().st_size / 1e6:.1f} MB")
    # All or none: a run would accept some of the archives and train on a part of the images.
    return [file.rename(file.with_suffix("")) for file in partial]


def _downsample(name: str, content: bytes, longest: int | None) -> bytes:
    """Content of a file, with the longest side of an image at most `longest`; label maps keep their values."""
    kind = Path(name).suffix
    if longest is None or kind not in (".jpg", ".webp", ".png") or name.startswith("cutouts/"):
        return content
    image = Image.open(io.BytesIO(content))
    if max(image.size) <= longest:
        return content
    labels = kind == ".png"
    width, height = (max(1, round(side * longest / max(image.size))) for side in image.size)
    stream = io.BytesIO()
    small = image.resize((width, height), Image.Resampling.NEAREST if labels else Image.Resampling.LANCZOS)
    if labels:
        small.save(stream, "PNG")
    else:
        small.save(stream, "WEBP" if kind == ".webp" else "JPEG", quality=90)
    return stream.getvalue()
