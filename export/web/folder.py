"""The folder of a site: which files it has, and how one site replaces another in it."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
from dataclasses import dataclass
from pathlib import Path

from mam.errors import InputError
from mam.images.encode import write_content
from mam.model.contract import WORDS

BUDGET = 15_000_000
"""Compressed bytes that a first visit may take."""
ON_DEMAND = (
    *("examples/", "backgrounds/", f"model/{WORDS.file}", "vocabulary.js", "words.js", "runtime/heic-to"),
    *("runtime/ort.webgpu", "runtime/ort-wasm-simd-threaded.asyncify", "model/ort-wasm-simd-threaded.asyncify"),
)
"""How the names of files begin that a first visit does not need."""
LOOK = "look.json"
"""What an owner may change; another build keeps it."""
ROOT = Path(__file__).parents[2]

_SOURCES = ("demo", "export", "mam", "tests", "training", "web")  # folders in which no site is written
_MANIFEST = "site-files.json"  # lists the files of a site, so that the next build removes its own and no others
_OWNERS = ("README.md", "LICENSE")  # which an owner may have written
_NOT_KEPT = (*_OWNERS, _MANIFEST, LOOK, "package.json", "mam.d.ts")  # by the service worker


@dataclass(frozen=True)
class SiteFile:
    """A file of the site.

    Attributes:
        name: its path in the folder.
        size: in bytes.
        compressed: bytes after gzip, which is what hosts send; `size` for a file that is compressed already.
        optional: not needed by a first visit.
    """

    name: str
    size: int
    compressed: int
    optional: bool


def copy_site(site: Path, out: Path) -> None:
    """Copy a site into a folder, and remove what only an earlier site had there; other files stay.

    The folder itself is kept, because it may be a mount or a link. A README.md or LICENSE of its owner is kept too.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        earlier = _earlier_files(out)
        new = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()} - {_MANIFEST}
        new -= {name for name in _OWNERS if name not in earlier and (out / name).exists()}
        # Until the end the list has the files of both, and the page comes after what it needs.
        _write_list(out, earlier | new)
        for name in sorted(new, key=lambda name: (name in ("index.html", "service_worker.js"), name)):
            (out / name).parent.mkdir(exist_ok=True)
            if name == LOOK and (out / name).exists():
                continue
            write_content((site / name).read_bytes(), out / name)
        for name in earlier - new:
            (out / name).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # not empty
                (out / name).parent.rmdir()
        _write_list(out, new)
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror or error}).") from error


def _write_list(out: Path, names: set[str]) -> None:
    write_content(json.dumps(sorted(names), indent=1).encode(), out / _MANIFEST)


def _earlier_files(out: Path) -> set[str]:
    """Return the files of an earlier site in a folder."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        return {name for name in json.loads((out / _MANIFEST).read_text("utf-8")) if _is_inside(name)}
    return set()


def _is_inside(name: str) -> bool:
    """Whether a name in a list, which anyone may have edited, is of a file below the folder."""
    return re.fullmatch(r"(\w[\w.-]*/)?\w[\w.-]*", name) is not None


def table(files: list[SiteFile]) -> str:
    """Return the sizes of the files, and their sum, as text."""
    lines = [f"{'file':44} {'bytes':>12} {'compressed':>12}"]
    for file in files:
        lines.append(f"{file.name:44} {file.size:12,} {file.compressed:12,}{'  on demand' if file.optional else ''}")
    first = [file for file in files if not file.optional]
    size, compressed = sum(file.size for file in first), sum(file.compressed for file in first)
    lines.append(f"{'first visit':44} {size:12,} {compressed:12,}  of {BUDGET:,}")
    return "\n".join(lines)


def check_out(out: Path) -> None:
    """Raise `InputError` for a folder in which no site may be written."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; expected a folder to write.")
    if out == ROOT or any(out.is_relative_to(ROOT / name) for name in _SOURCES):
        raise InputError(f"{out} holds the sources of this project; choose a folder of its own, such as site/.")


def list_files(out: Path) -> list[SiteFile]:
    """Return the files of a site, the largest first."""
    files = []
    for path in sorted(out.rglob("*")):
        if not path.is_file():
            continue
        name, content = path.relative_to(out).as_posix(), path.read_bytes()
        is_packed = name.endswith((".bin", ".jpg", ".png"))
        compressed = len(content) if is_packed else len(gzip.compress(content, 6))
        files.append(SiteFile(name, len(content), compressed, is_optional(name)))
    return sorted(files, key=lambda file: -file.compressed)


def is_optional(name: str) -> bool:
    """Return whether a first visit does not need a file of this name."""
    return name.startswith(ON_DEMAND) or name in _NOT_KEPT
