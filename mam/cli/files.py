"""The files that `mam matte` reads and writes: which images are meant, and what their results are called."""

from __future__ import annotations

import glob
import os
import re
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mam.errors import MamError
from mam.fetch import is_address, name_of
from mam.images import SUFFIXES
from mam.writing import FORMATS

STANDARD = "-"
"""Stands for standard input or output."""
ENDING = "_matte"
_RESULT = re.compile(rf"(.+){ENDING}(_\d+)?")
_LONGEST = 255  # bytes of a file name


@dataclass(frozen=True)
class Input:
    """One image to cut out.

    Attributes:
        source: a path, an address, or `STANDARD`.
        name: what its results are named after.
    """

    source: Path | str
    name: str

    def __str__(self) -> str:
        return "standard input" if self.source == STANDARD else str(self.source)

    @property
    def path(self) -> Path | None:
        """The file, if it is one."""
        return self.source if isinstance(self.source, Path) else None


def find_inputs(patterns: Sequence[str]) -> tuple[list[Input], list[str]]:
    """List the files and addresses that are named, the images in folders that are named, and the matches of globs.

    A file that is named twice is listed once. Results of earlier runs in folders and among the matches are left out.

    Args:
        patterns: paths, addresses, globs, or `STANDARD`.

    Returns:
        The images, and notes about what was left out.

    Raises:
        FileNotFoundError: a pattern matches nothing.
    """
    found: dict[str, Input] = {}
    notes: list[str] = []
    for pattern in patterns:
        if pattern == STANDARD or is_address(pattern):
            stem = "image" if pattern == STANDARD else Path(name_of(pattern)).stem or "image"
            found.setdefault(pattern, Input(pattern, stem))
            continue
        path = Path(pattern)
        if path.is_dir():
            files = _images_in(path.iterdir(), pattern, notes)
        elif path.exists():
            files = [path]
        else:
            files = _images_in(map(Path, glob.glob(pattern, recursive=True)), pattern, notes)
        if not files:
            what = "holds no images" if path.is_dir() else "matches no image; expected a file, a folder or a glob"
            raise FileNotFoundError(f"{pattern} {what}.")
        for file in files:
            found.setdefault(os.path.realpath(file), Input(file, file.stem))
    return list(found.values()), notes


def choose_outputs(inputs: Sequence[Input], out: str | None, suffix: str, force: bool) -> list[Path | None]:
    """Choose the output of each image: NAME_matte.SUFFIX in a folder, numbered if taken, or the file that is named.

    Names are compared as file systems do that ignore case and Unicode forms, and are cut to 255 bytes.

    Args:
        inputs: the images.
        out: a folder, an image file or `STANDARD` for a single image, or None: the working folder, or standard output
            for an image from standard input.
        suffix: of the files in a folder, with its dot.
        force: allow overwriting an image that is read.

    Returns:
        One path per image; None stands for standard output.

    Raises:
        MamError: one file for several images, a format that is not written, or an image that would be overwritten.
    """
    if out == STANDARD or (out is None and [i.source for i in inputs] == [STANDARD]):
        if len(inputs) > 1:
            raise MamError(f"standard output takes one image, but there are {len(inputs)}; give a folder with -o.")
        if sys.stdout.isatty():
            raise MamError("an image is not written to a terminal; name a file with -o.")
        return [None]
    read = {os.path.realpath(i.path) for i in inputs if i.path is not None}
    if out is not None and not _is_folder(out):
        if len(inputs) > 1:
            raise MamError(f"-o {out} is one file, but there are {len(inputs)} images; give a folder.")
        if Path(out).suffix.lower() not in FORMATS:
            raise MamError(f"-o {out} ends in none of {', '.join(FORMATS)}; give such a name, or a folder.")
        if os.path.realpath(out) in read and not force:
            raise MamError(f"-o {out} is the image itself; --force overwrites it.")
        return [Path(out)]
    folder = Path(out or ".")
    taken = {_comparable(Path(path).name) for path in read if os.path.realpath(folder) == os.path.dirname(path)}
    outputs: list[Path | None] = []
    for image in inputs:
        name, number = fit_name(image.name, ENDING + suffix), 1
        while _comparable(name) in taken:
            number += 1
            name = fit_name(image.name, f"{ENDING}_{number}{suffix}")
        taken.add(_comparable(name))
        outputs.append(folder / name)
    return outputs


def fit_name(stem: str, ending: str) -> str:
    """Join a file name, cutting the stem so that both have at most 255 bytes."""
    room = _LONGEST - len(os.fsencode(ending))
    while len(os.fsencode(stem)) > room:
        stem = stem[:-1]
    return stem + ending


def require_writable(folder: Path) -> None:
    """Create a folder if it is missing.

    Raises:
        MamError: it cannot be created, or no file can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MamError(f"the folder {folder} cannot be created ({error.strerror}); choose another with -o.") from error
    if not os.access(folder, os.W_OK):
        raise MamError(f"the folder {folder} is not writable; choose another with -o.")


def _is_folder(out: str) -> bool:
    """Whether a name given with -o means a folder: it is one, ends in a slash, or does not end as an image's name."""
    return Path(out).is_dir() or out.endswith(("/", os.sep)) or Path(out).suffix.lower() not in SUFFIXES


def _images_in(paths: Iterable[Path], pattern: str, notes: list[str]) -> list[Path]:
    files = sorted(path for path in paths if path.is_file() and not path.name.startswith("."))
    images = [path for path in files if path.suffix.lower() in SUFFIXES]
    stems = {(path.parent, path.stem) for path in images}
    chosen = [path for path in images if not _is_result(path, stems)]
    for count, what in ((len(files) - len(images), "not images"), (len(images) - len(chosen), "earlier results")):
        if count:
            notes.append(f"{pattern}: {count} {'file' if count == 1 else 'files'} left out ({what}).")
    return chosen


def _is_result(path: Path, stems: set[tuple[Path, str]]) -> bool:
    """Whether a file is named as the result of another file beside it."""
    match = _RESULT.fullmatch(path.stem)
    return match is not None and (path.parent, match[1]) in stems


def _comparable(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
