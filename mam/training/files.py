"""The files of a data folder, as they lie there or packed: a few archives that load into memory whole.

A machine that is lent for an hour gets its pictures in a handful of large files, and a GPU does not wait for small ones.
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
LARGEST = 4 * 10**6  # of them kept for the last file and the archive's list
_NAME = "data-{:03}.zip"


class Files:
    """Files by their names relative to a root, "/" between the parts; sorted.

    Args:
        root: a folder of files, or of the archives that `pack` wrote, which are read into memory at once.

    Raises:
        MamError: an archive is damaged.
    """

    def __init__(self, root: Path) -> None:
        self._root, self._packed = root, {}
        shards = sorted(root.glob("data-*.zip"))
        for shard in shards:
            try:
                with zipfile.ZipFile(shard) as archive:
                    self._packed |= {name: archive.read(name) for name in archive.namelist()}
            except zipfile.BadZipFile as error:
                raise MamError(f"{shard} is no whole archive ({error}): copy it again, or pack again.") from error
        names = self._packed if shards else (p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
        self.names = sorted(names)

    def open(self, name: str) -> BinaryIO:
        """A stream of one file, whole in memory or from the disk."""
        return io.BytesIO(self._packed[name]) if self._packed else open(self._root / name, "rb")


def pack(root: Path, out: Path, longest: int | None = None, log: Callable[[str], None] = print) -> list[Path]:
    """Write the pictures of a data folder as archives `data-000.zip`, ... of about 60 MB each.

    Args:
        root: a folder of files.
        out: gets the archives; made if it is not there.
        longest: photographs and backgrounds whose longest side has more pixels are shrunk to it, label maps with them.
        log: gets a line per archive.

    Returns:
        The paths of the archives.

    Raises:
        MamError: nothing to pack, or `out` holds archives already.
    """
    files = Files(root)
    if not files.names:
        raise MamError(f"{root} holds no files to pack.")
    if any(out.glob("*.zip")):
        raise MamError(f"{out} holds archives already; give another folder.")
    out.mkdir(parents=True, exist_ok=True)
    partial, waiting = [], list(reversed(files.names))
    while waiting:
        partial.append(out / f"{_NAME.format(len(partial))}.partial")
        with zipfile.ZipFile(partial[-1], "w") as archive:  # stored: pictures are compressed already
            while waiting and archive.fp.tell() < SHARD - LARGEST:
                name = waiting.pop()
                archive.writestr(name, _shrunk(name, files.open(name).read(), longest))
        log(f"{partial[-1].stem}  {partial[-1].stat().st_size / 1e6:.1f} MB")
    # All or none: half of the archives would train as well, on half of the pictures.
    return [file.rename(file.with_suffix("")) for file in partial]


def _shrunk(name: str, content: bytes, longest: int | None) -> bytes:
    """A picture with its longest side at most `longest`; label maps keep their values, files that are no picture all of it."""
    kind = Path(name).suffix
    if longest is None or kind not in (".jpg", ".png"):
        return content
    image = Image.open(io.BytesIO(content))
    if max(image.size) <= longest:
        return content
    labels = kind == ".png"
    size = tuple(max(1, round(side * longest / max(image.size))) for side in image.size)
    stream = io.BytesIO()
    small = image.resize(size, Image.Resampling.NEAREST if labels else Image.Resampling.LANCZOS)
    small.save(stream, "PNG" if labels else "JPEG", **({} if labels else {"quality": 90}))
    return stream.getvalue()
