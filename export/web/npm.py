"""Files of npm packages: pinned versions, verified, and cached after the first download."""

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

RUNTIME = "onnxruntime-web"
ZIP = "client-zip"
HEIC = "heic-to"
_LOCK = Path(__file__).parents[2] / "web" / "package-lock.json"
REGISTRY = "https://registry.npmjs.org"
_MAX_BYTES = 100_000_000


def pinned_version(package: str) -> str:
    """Return a package's version in `web/package-lock.json`.

    With onnxruntime-web 1.30.0 the site exceeds 15 MB, at about the same speed.
    """
    return _pin(package)["version"]


def _pin(package: str) -> dict[str, str]:
    return json.loads(_LOCK.read_text("utf-8"))["packages"][f"node_modules/{package}"]


def read_package(package: str, members: Sequence[str]) -> dict[str, bytes]:
    """Return files of a package by their paths in it; `$npm_config_registry` replaces the public registry.

    Raises:
        MamError: the package cannot be downloaded, or is not the pinned one.
    """
    archive = cache_folder() / "npm" / f"{package}-{pinned_version(package)}.tgz"
    if archive.is_file():
        content = archive.read_bytes()
        _verify(content, package, f"{archive} is not the pinned package; delete it")
    else:
        content = _download(package, archive)
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as opened:
        files = {name: opened.extractfile(f"package/{name}") for name in members}
        return {name: file.read() for name, file in files.items() if file is not None}


def _download(package: str, archive: Path) -> bytes:
    registry = os.environ.get("npm_config_registry", REGISTRY).rstrip("/")  # noqa: SIM112 - npm's own name
    address = f"{registry}/{package}/-/{archive.name}"
    try:
        content = fetch(address, _MAX_BYTES)
    except InputError as error:
        raise MamError(
            f"{archive.stem} is needed once: {error} Without a network, run "
            f"`npm pack {package}@{pinned_version(package)}` elsewhere and place the file at {archive}; "
            "$npm_config_registry chooses another registry."
        ) from error
    _verify(content, package, f"{address} is not the pinned package")
    archive.parent.mkdir(parents=True, exist_ok=True)
    write_content(content, archive)
    return content


def _verify(content: bytes, package: str, problem: str) -> None:
    found = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
    if found != (expected := _pin(package)["integrity"]):
        raise MamError(f"{problem}: its integrity is {found}, expected {expected}.")
