"""Files that visitors have sent to the server: where they are, and how much of the disk each client may fill."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from gradio import routes
from gradio.processing_utils import get_upload_folder
from starlette.formparsers import MultiPartException

from mam.serve.limits import client_of

_SHARE = 4  # a client may have the fourth part of what its files and the free space are together
_STEP = 8_000_000  # bytes between two looks at the disk
_upload = routes.upload_fn
_arriving = Counter[Path]()  # bytes by client's folder


def uploaded_file(path: object) -> Path | None:
    """Return the path of an upload; None for any other path, which a visitor may have made up and is never opened."""
    if not isinstance(path, str) or "\0" in path:
        return None
    file = Path(path).resolve()
    return file if file.is_relative_to(Path(get_upload_folder()).resolve()) else None


def limit_uploads() -> None:
    """Give each client a share of the disk: a new upload takes the place of its oldest ones.

    Gradio itself deletes uploads after a time, but keeps what arrived of one that was interrupted or has another name
    than "files".
    """
    routes.upload_fn = _upload_within_share


async def _upload_within_share(request: Any, upload_dir: str, *arguments: Any, **options: Any) -> Any:
    """Replace Gradio's `upload_fn`."""
    own = Path(upload_dir) / hashlib.sha256(client_of(request).encode()).hexdigest()[:16]
    folder = own / f"{time.time_ns():020}_{secrets.token_hex(8)}"
    stream, arrived = request.stream(), 0

    async def bounded() -> AsyncIterator[bytes]:
        nonlocal arrived
        async for chunk in stream:
            looks = arrived // _STEP
            arrived += len(chunk)
            _arriving[own] += len(chunk)
            if arrived // _STEP > looks:
                await asyncio.to_thread(_make_room, own)
            yield chunk

    request.stream = bounded
    try:
        folder.mkdir(parents=True)
        await asyncio.to_thread(_make_room, own)
        found = await _upload(request, str(folder), *arguments, **options)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        _arriving[own] -= arrived
        if not _arriving[own]:
            del _arriving[own]
    with contextlib.suppress(FileNotFoundError):  # a newer upload has taken its place
        for file in folder.iterdir():
            if file.is_file():
                file.unlink()  # sent under a form field other than "files"
    return found


def _make_room(own: Path) -> None:
    """Delete a client's oldest uploads until they are within its share; the newest one is arriving.

    Raises:
        MultiPartException: What is arriving exceeds the share alone.
    """
    uploads = sorted(own.iterdir())
    sizes = [_bytes_in(folder) for folder in uploads]
    share = (shutil.disk_usage(own).free + sum(sizes)) / _SHARE
    if _arriving[own] > share:
        raise MultiPartException(f"maximum allowed size: this server has room for {share / 1e6:.0f} MB from you")
    while len(uploads) > 1 and sum(sizes) > share:
        shutil.rmtree(uploads.pop(0), ignore_errors=True)
        sizes.pop(0)


def _bytes_in(folder: Path) -> int:
    total = 0
    with contextlib.suppress(OSError):  # it is being deleted
        for file in folder.rglob("*"):
            total += file.lstat().st_size
    return total
