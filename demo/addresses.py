"""Addresses in what visitors send: the server opens none of them, unless its owner sets MAM_FETCH_ADDRESSES=1.

Gradio would open them in files of API calls, with a check that lets some private networks through, and behind
`/gradio_api/file=`, for anyone. This replaces the functions that it does so with.
"""

import asyncio
import hashlib
import os
from pathlib import Path
from typing import NoReturn

from fastapi import HTTPException
from gradio import processing_utils, routes

from demo.canvas.protocol import LIMITS
from demo.messages import visitor_error
from mam.errors import InputError
from mam.images.fetch import fetch, name_of


def fetch_for_visitor(address: str) -> bytes:
    """Return what a data URI holds, or a public address if the owner of the server allows addresses.

    Raises:
        InputError: It is too large or cannot be read, or addresses are not allowed.
    """
    is_data = address[:5].lower() == "data:"
    if not is_data and os.environ.get("MAM_FETCH_ADDRESSES", "").lower() not in ("1", "true", "yes"):
        raise InputError("this server opens no addresses; upload the image, or send it as a data URI.")
    return fetch(address, LIMITS.upload_megabytes * 1_000_000, public_only=True)


async def _download(address: str, cache_dir: str) -> str:
    """Take the place of Gradio's download of an address into a file of its cache."""
    try:
        content = await asyncio.to_thread(fetch_for_visitor, address)
    except InputError as error:
        raise visitor_error(str(error)) from error
    folder = Path(cache_dir) / hashlib.sha256(content).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    name = processing_utils.client_utils.strip_invalid_filename_characters(name_of(address)) or "file"
    (folder / name).write_bytes(content)
    return str((folder / name).resolve())


async def _refuse(*_: object) -> NoReturn:
    raise HTTPException(403, "this server opens no addresses")


def guard_addresses() -> None:
    """Replace Gradio's functions that open addresses."""
    processing_utils.async_ssrf_protected_download = _download  # type: ignore[assignment]  # mypy compares parameter names
    processing_utils.async_ssrf_protected_get = _refuse  # type: ignore[assignment]
    routes.secure_url_stream_response = _refuse  # type: ignore[assignment]
