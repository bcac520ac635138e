"""The files that `mam matte` reads and writes: which images are meant, and what their results are called."""

from __future__ import annotations

import glob
import itertools
import os
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mam.errors import MamError
from mam.images.decode import SUFFIXES
from mam.images.encode import FORMATS, describe_source, read_source
from mam.images.fetch import is_address, name_of, shorten_address

STANDARD = "-"
"""Stands for standard input or output."""
ENDING = "_matte"
_RESULT = re.compile(rf"(.+){ENDING}(_\d+)?")
_LONGEST = 255  # bytes of a file name
_UNPRINTABLE = r'[\x00-\x1f\x7f<>:"/\\|?*]+'  # characters that file names may not hold on some system
_DOCUMENTS = {".psd", ".pdf", ".svg", ".eps", ".exr", ".hdr", ".raw", ".dng", ".jxl", ".zip", ".txt", ".json", ".csv"}


@dataclass(frozen=True)
class Input:
    """One image to cut out.

    Attributes:
        source: a path, an address, or `STANDARD`.
        name: what its results are named after, without the suffix.
    """

    source: Path | str
    name: str

    def __str__(self) -> str:
        return "standard input" if self.source == STANDARD else shorten_address(str(self.source))

    @property
    def suffix(self) -> str:
        """The format in the file's name, such as jpg; empty if there is none."""
        name = name_of(self.source) if isinstance(self.source, str) and is_address(self.source) else str(self.source)
        return re.sub(r"\W", "", Path(name).suffix.lower())[:10]

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
            stem = "image" if pattern == STANDARD else Path(re.sub(_UNPRINTABLE, "_", name_of(pattern))).stem or "image"
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
    """Choose the output of each image: a name of `choose_names` in a folder, or the file that is named.

    Args:
        inputs: the images.
        out: a folder, an image file or `STANDARD` for a single image, or None: the working folder, or standard output
            for an image from standard input.
        suffix: the suffix of files in a folder, with its dot.
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
    if out is not None and not is_folder(out):
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
    try:
        existing = os.listdir(folder)
    except OSError:  # missing, or reported by `require_writable`
        existing = []
    names = choose_names(inputs, suffix, str(folder), taken, existing, lambda name: read_source(folder / name))
    return [folder / name for name in names]


def choose_names(
    inputs: Sequence[Input],
    suffix: str,
    folder: str,
    taken: Iterable[str] = (),
    existing: Iterable[str] = (),
    source_of: Callable[[str], str] = lambda name: "",
) -> list[str]:
    """Return a file name per image: its earlier result's, else the first `_candidate` that is free.

    So a result keeps its name when other images of the same name join. A name that exists is chosen only for the image
    that its file was made of; without such a record, if no other image of this run has the same name. Names are
    compared as file systems do that ignore case and Unicode forms.

    Args:
        inputs: the images.
        suffix: the files' suffix, with its dot.
        folder: path or address of the folder of the results.
        taken: names that are not chosen.
        existing: names of the files in the folder.
        source_of: returns what is recorded in one of these, from `mam.images.encode.read_source`.
    """
    used, names = {_comparable(name) for name in taken}, []
    on_disk = {_comparable(name): name for name in existing}
    counts = Counter(_comparable(image.name) for image in inputs)
    earlier_of: dict[tuple[str, str], dict[str, str]] = {}  # by stem and suffix, as a million images may share both
    next_of: dict[tuple[str, str], int] = Counter()
    for image in inputs:
        group = _comparable(image.name), image.suffix
        if group not in earlier_of:
            earlier = earlier_of[group] = {}
            for number in itertools.count():
                found = on_disk.get(_comparable(_candidate(image, suffix, number)))
                if found is not None:
                    earlier.setdefault(source_of(found), found)
                elif number > 1:
                    break
        earlier = earlier_of[group]
        own = earlier.get("" if image.source == STANDARD else describe_source(image.source, f"{folder}/"))
        if own is None and counts[group[0]] == 1:
            own = earlier.get("")
        while own is None or _comparable(own) in used:
            own = _candidate(image, suffix, next_of[group])
            next_of[group] += 1
            if _comparable(own) in on_disk:
                own = None
        used.add(_comparable(own))
        names.append(own)
    return names


def is_result(file: Path, image: Input) -> bool:
    """Whether a file exists and may have been made of an image; standard input may be any image."""
    if not file.exists() or image.source == STANDARD:
        return False
    return read_source(file) in ("", describe_source(image.source, file))


def _candidate(image: Input, suffix: str, number: int) -> str:
    """Return a name that an image's result may have: a_matte.png, then of a.jpg a_jpg_matte.png, a_jpg_matte_2.png."""
    stem = f"_{image.suffix}{ENDING}" if number and image.suffix else ENDING
    return fit_name(image.name, f"{stem}_{number}{suffix}" if number > 1 else stem + suffix)


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


def is_folder(out: str) -> bool:
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
            paths = [Path(match) for match in _expand(pattern)]
        files = sorted(path for path in paths if path.is_file() and not path.name.startswith("."))
    except OSError as error:
        raise MamError(f"{pattern} cannot be read ({error.strerror or error}).") from error
    images = [path for path in files if path.suffix.lower() in SUFFIXES]
    if count := len(files) - len(images):
        notes.append(f"{pattern}: {count} {'file' if count == 1 else 'files'} left out (not images).")
    return images


def _expand(pattern: str) -> list[str]:
    """Return the matches of a glob, in which folders that exist and, if nothing matches, brackets mean themselves."""
    parts = re.split(r"(?<=[/\\])" if os.sep == "\\" else "(?<=/)", pattern)
    count = next((n for n in range(len(parts) - 1, 0, -1) if os.path.isdir("".join(parts[:n]))), 0)
    base, rest = glob.escape("".join(parts[:count])), "".join(parts[count:])
    return glob.glob(base + rest, recursive=True) or glob.glob(base + rest.replace("[", "[[]"), recursive=True)


def _find_results(paths: Iterable[Path]) -> set[Path]:
    """Return those files that are named as the result of an image beside them, or were made by this command."""
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
        if _comparable(path.name) in expected[path.parent, ending] or read_source(path):
            results.add(path)
    return results


def _is_same(one: Path, other: Path) -> bool:
    """Whether two names are of one file, also by a link or on a file system that ignores case."""
    try:
        return one.samefile(other)
    except OSError:  # one of them does not exist
        return os.path.realpath(one) == os.path.realpath(other)


def _comparable(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
