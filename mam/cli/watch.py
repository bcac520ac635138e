"""`mam matte --watch`: cut out the photos that arrive in a folder."""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from mam.cli.files import Input, choose_outputs, find_inputs, is_result, require_writable
from mam.cli.model import load_model
from mam.cli.prompts import Prompts
from mam.cli.results import read_output_options
from mam.errors import MamError

_COMPLETE = 1.0  # seconds for which a file has not changed
_LOOK = 500  # milliseconds between two looks at files that are still being written
Version = tuple[int, int]


class Arrivals:
    """The photos of a folder that are complete, and were not returned before as they are now.

    Args:
        folder: where photos arrive; folders inside are not looked at.
        clock: returns the time in seconds.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.folder, self._clock = folder, clock
        self._seen: dict[Path, tuple[Version, float]] = {}
        self._done: dict[Path, Version] = {}

    def images(self) -> list[Input]:
        """Return all photos that are in the folder."""
        try:
            return find_inputs([str(self.folder)])[0]
        except FileNotFoundError:  # there is none
            return []

    def complete(self) -> list[Input]:
        """Return photos that have not changed for a second, each version of a file once."""
        found, now = [], self._clock()
        for image in self.images():
            path, version = image.path, _version(image.path)
            if path is None or version is None or self._done.get(path) == version:
                continue
            last, since = self._seen.get(path, (None, now))
            self._seen[path] = version, since if last == version else now
            if now - self._seen[path][1] >= _COMPLETE:
                found.append(image)
                self.skip(image)
        return found

    def skip(self, image: Input) -> None:
        """Leave a photo out until it changes."""
        if image.path is not None and (version := _version(image.path)):
            self._done[image.path] = version


def run_on_arrivals(arguments: argparse.Namespace, write: Callable[..., bool]) -> int:
    """Cut out photos as they arrive, until Ctrl-C.

    Args:
        arguments: of `mam matte`.
        write: cuts out one image and prints a line: `mam.cli.matte.write_one`.

    Raises:
        MamError: watchfiles is not installed, or options exclude each other.
    """
    try:
        from watchfiles import watch
    except ImportError as error:
        raise MamError("--watch needs watchfiles: pip install watchfiles") from error
    folder, out = arguments.watch, arguments.out
    if arguments.images or arguments.engine != "local":
        raise MamError("--watch takes the images of its folder, on this machine; leave out other images and --engine.")
    if arguments.annotations:
        raise MamError("--watch writes no annotations; leave out --annotations.")
    if not folder.is_dir():
        raise MamError(f"--watch {folder} is no folder.")
    if out is None or os.path.realpath(out) == os.path.realpath(folder):
        raise MamError("--watch needs another folder for the results; give it with -o.")
    require_writable(Path(out))
    suffix, prompts, arrivals = f".{arguments.format}", Prompts(arguments), Arrivals(folder)
    options = read_output_options(arguments, {suffix})

    def result_of(image: Input) -> Path:
        images = arrivals.images()
        names = choose_outputs(images, f"{out}/", suffix, arguments.force)
        return next(name for one, name in zip(images, names, strict=True) if one.path == image.path and name)

    for image in arrivals.images():
        result = result_of(image)
        if image.path and is_result(result, image) and result.stat().st_mtime >= image.path.stat().st_mtime:
            arrivals.skip(image)
    matting, done = load_model(arguments), 0
    print(f"watching {folder}; Ctrl-C ends", file=sys.stderr)
    changes = watch(folder, recursive=False, debounce=_LOOK, rust_timeout=_LOOK, yield_on_timeout=True)
    try:
        for _ in itertools.chain([()], changes):
            for image in arrivals.complete():
                done += write(matting, image, result_of(image), prompts, options, arguments.format, print)
    except KeyboardInterrupt:
        pass
    print(f"{done} {'photo' if done == 1 else 'photos'} done", file=sys.stderr)
    return 0


def _version(path: Path | None) -> Version | None:
    """Return what changes when a file is written or replaced; None if it is gone."""
    try:
        status = os.stat(path or "")
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
