"""onnxruntime-web, taken from its npm package: a pinned version, verified, and cached after the first download."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path

from mam.errors import InputError, MamError
from mam.images.encode import write_content
from mam.images.fetch import fetch
from mam.weights.cache import cache_folder

PACKAGE = "onnxruntime-web"
_LOCK = Path(__file__).parents[2] / "web" / "package-lock.json"
REGISTRY = "https://registry.npmjs.org"
_MAX_BYTES = 100_000_000


def pinned_version() -> str:
    """Return the version in `web/package-lock.json`. With 1.30.0 the site exceeds 15 MB, at about the same speed."""
    return _pin()["version"]


def _pin() -> dict[str, str]:
    return json.loads(_LOCK.read_text("utf-8"))["packages"][f"node_modules/{PACKAGE}"]


def read_package(members: Sequence[str]) -> dict[str, bytes]:
    """Return files of the package by their paths in it; `$npm_config_registry` replaces the public registry.

    Raises:
        MamError: the package cannot be downloaded, or is not the pinned one.
    """
    archive = cache_folder() / "npm" / f"{PACKAGE}-{pinned_version()}.tgz"
    if archive.is_file():
        content = archive.read_bytes()
        _verify(content, f"{archive} is not the pinned package; delete it")
    else:
        content = _download(archive)
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as package:
        files = {name: package.extractfile(f"package/{name}") for name in members}
        return {name: file.read() for name, file in files.items() if file is not None}


def _download(archive: Path) -> bytes:
    registry = os.environ.get("npm_config_registry", REGISTRY).rstrip("/")  # noqa: SIM112 - npm's own name
    address = f"{registry}/{PACKAGE}/-/{archive.name}"
    try:
        content = fetch(address, _MAX_BYTES)
    except InputError as error:
        raise MamError(
            f"{archive.stem} is needed once: {error} Without a network, run `npm pack {PACKAGE}@{pinned_version()}` "
            f"elsewhere and place the file at {archive}; $npm_config_registry chooses another registry."
        ) from error
    _verify(content, f"{address} is not the pinned package")
    archive.parent.mkdir(parents=True, exist_ok=True)
    write_content(content, archive)
    return content


def _verify(content: bytes, problem: str) -> None:
    found = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
    if found != (expected := _pin()["integrity"]):
        raise MamError(f"{problem}: its integrity is {found}, expected {expected}.")
