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
from mam.images.decode import SUFFIXES
from mam.images.encode import FORMATS
from mam.images.fetch import is_address, name_of, shorten_address

STANDARD = "-"
"""Stands for standard input or output."""
ENDING = "_matte"
_RESULT = re.compile(rf"(.+){ENDING}(_\d+)?")
_LONGEST = 255  # bytes of a file name
_DOCUMENTS = {".psd", ".pdf", ".svg", ".eps", ".exr", ".hdr", ".raw", ".dng", ".jxl", ".zip", ".txt", ".json", ".csv"}


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
        return "standard input" if self.source == STANDARD else shorten_address(str(self.source))

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
            stem = "image" if pattern == STANDARD else Path(_printable(name_of(pattern))).stem or "image"
            found.setdefault(pattern, Input(pattern, stem))
            continue
        files = _matches(pattern, notes)
        if not files:
            folder = os.path.isdir(pattern)
            what = "holds no images" if folder else "matches no image; expected a file, a folder or a glob"
            raise FileNotFoundError(f"{pattern} {what}.")
        for file in files:
            found.setdefault(os.path.realpath(file), Input(file, file.stem))
    inputs = list(found.values())
    if len(inputs) > 1:  # a single one is meant, whatever its name
        results = _find_results([image.path for image in inputs if image.path is not None])
        originals = [image for image in inputs if image.path not in results]
        if 0 < len(originals) < len(inputs):
            count = len(inputs) - len(originals)
            notes.append(f"{count} {'file' if count == 1 else 'files'} left out (earlier results).")
            return originals, notes
    return inputs, notes


def choose_outputs(
    inputs: Sequence[Input], out: str | None, suffix: str, force: bool, also_read: Sequence[Path] = ()
) -> list[Path | None]:
    """Choose the output of each image: NAME_matte.SUFFIX in a folder, numbered if taken, or the file that is named.

    Names are compared as file systems do that ignore case and Unicode forms, and are cut to 255 bytes.

    Args:
        inputs: the images.
        out: a folder, an image file or `STANDARD` for a single image, or None: the working folder, or standard output
            for an image from standard input.
        suffix: of the files in a folder, with its dot.
        force: allow overwriting an image that is read.
        also_read: other files that are read: masks, backgrounds.

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
    read = [*(i.path for i in inputs if i.path is not None), *also_read]
    if out is not None and not _is_folder(out):
        if len(inputs) > 1:
            raise MamError(f"-o {out} is one file, but there are {len(inputs)} images; give a folder.")
        if Path(out).suffix.lower() not in FORMATS:
            raise MamError(f"-o {out} ends in none of {', '.join(FORMATS)}; give such a name, or a folder.")
        if not force and any(_is_same(Path(out), path) for path in read):
            raise MamError(f"-o {out} is read, as the image itself or for it; --force overwrites it.")
        return [Path(out)]
    folder = Path(out or ".")
    here = os.path.realpath(folder)
    taken = [path.name for path in read if os.path.dirname(os.path.realpath(path)) == here]
    return [folder / name for name in choose_names(inputs, suffix, taken)]


def choose_names(inputs: Sequence[Input], suffix: str, taken: Iterable[str] = ()) -> list[str]:
    """Return a file name per image, NAME_matte.SUFFIX, numbered if taken.

    Args:
        inputs: the images.
        suffix: of the files, with its dot.
        taken: names that are not chosen.
    """
    used, names = {_comparable(name) for name in taken}, []
    numbers: dict[str, int] = {}  # the last one of each name, as a million images may share one
    for image in inputs:
        stem = _comparable(image.name)
        name, number = fit_name(image.name, ENDING + suffix), numbers.get(stem, 1)
        while _comparable(name) in used:
            number += 1
            name = fit_name(image.name, f"{ENDING}_{number}{suffix}")
        numbers[stem] = number
        used.add(_comparable(name))
        names.append(name)
    return names


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
    """Whether a name given with -o means a folder: it is one, ends in a slash, or does not end as a document's name."""
    suffix = Path(out).suffix.lower()
    return os.path.isdir(out) or out.endswith(("/", os.sep)) or suffix not in SUFFIXES | _DOCUMENTS


def _matches(pattern: str, notes: list[str]) -> list[Path]:
    """Return the files that a path or glob names; of a folder and of a glob the images only.

    Raises:
        MamError: the folder cannot be read.
    """
    try:
        if os.path.isdir(pattern):
            paths = list(Path(pattern).iterdir())
        elif os.path.exists(pattern):
            return [Path(pattern)]
        else:
            paths = [Path(match) for match in glob.glob(pattern, recursive=True)]
        files = sorted(path for path in paths if path.is_file() and not path.name.startswith("."))
    except OSError as error:
        raise MamError(f"{pattern} cannot be read ({error.strerror or error}).") from error
    images = [path for path in files if path.suffix.lower() in SUFFIXES]
    if count := len(files) - len(images):
        notes.append(f"{pattern}: {count} {'file' if count == 1 else 'files'} left out (not images).")
    return images


def _find_results(paths: Iterable[Path]) -> set[Path]:
    """Return those files that are named as the result of an image beside them."""
    expected: dict[tuple[Path, str], set[str]] = {}  # names of results, by folder and ending
    results = set()
    for path in paths:
        match = _RESULT.fullmatch(path.stem)
        if match is None:
            continue
        ending = path.name.removeprefix(match[1])
        if (path.parent, ending) not in expected:
            images = (other for other in path.parent.iterdir() if other.suffix.lower() in SUFFIXES)
            expected[path.parent, ending] = {_comparable(fit_name(other.stem, ending)) for other in images}
        if _comparable(path.name) in expected[path.parent, ending]:
            results.add(path)
    return results


def _is_same(one: Path, other: Path) -> bool:
    """Whether two names are of one file, also by a link or on a file system that ignores case."""
    try:
        return one.samefile(other)
    except OSError:  # one of them does not exist
        return os.path.realpath(one) == os.path.realpath(other)


def _printable(name: str) -> str:
    """Replace what a file name may not hold on some system."""
    return re.sub(r'[\x00-\x1f\x7f<>:"/\\|?*]+', "_", name)


def _comparable(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
