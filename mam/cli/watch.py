"""`mam matte --watch`: cut out the photos that arrive in a folder."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mam.cli.files import STANDARD, Input, choose_outputs, find_inputs, is_folder, is_result, require_writable
from mam.cli.matte import load_for, write_one
from mam.cli.prompts import Prompts
from mam.cli.results import read_output_options
from mam.errors import MamError

_COMPLETE = 1.0  # seconds for which a file has not changed
_LOOK = 0.5  # seconds between two looks at the folder; all systems and network drives can be looked at
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
        """Return all photos that are in the folder.

        Raises:
            MamError: the folder is gone.
        """
        if not self.folder.is_dir():
            raise MamError(f"--watch {self.folder} is no folder, or is not there any more.")
        try:
            return find_inputs([f"{self.folder}{os.sep}"])[0]
        except FileNotFoundError:  # there is none
            return []

    def complete(self) -> list[Input]:
        """Return photos that have not changed for a second, each version of a file once."""
        found, now = [], self._clock()
        for image in self.images():
            path, version = image.path, _version(image)
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
        if image.path is not None and (version := _version(image)):
            self._done[image.path] = version


def run_on_arrivals(arguments: argparse.Namespace) -> int:
    """Cut out photos as they arrive, until Ctrl-C.

    The first Ctrl-C finishes the current photo, a second one stops at once.

    Args:
        arguments: those of `mam matte`.

    Raises:
        MamError: options exclude each other, or the folder cannot be read.
    """
    folder, out = arguments.watch, arguments.out
    if arguments.images or arguments.engine != "local":
        raise MamError("--watch takes the images of its folder, on this machine; leave out other images and --engine.")
    if arguments.annotations:
        raise MamError("--watch writes no annotations; leave out --annotations.")
    if out in (None, STANDARD) or not is_folder(out) or os.path.realpath(out) == os.path.realpath(folder):
        raise MamError("--watch needs another folder for the results; give it with -o.")
    suffix, prompts, arrivals = f".{arguments.format}", Prompts(arguments), Arrivals(folder)
    present = arrivals.images()
    require_writable(Path(out))
    options = read_output_options(arguments, {suffix})

    def results_of(images: Sequence[Input]) -> dict[Input, Path]:
        paths = choose_outputs(images, f"{out}{os.sep}", suffix, arguments.force)
        return {image: path for image, path in zip(images, paths, strict=True) if path is not None}

    for image, result in results_of(present).items():
        version = _version(image)
        if version and is_result(result, image) and result.stat().st_mtime_ns >= version[1]:
            arrivals.skip(image)
    matting, done, ending = load_for(arguments), 0, False

    def end(*_: object) -> None:
        nonlocal ending
        if ending:
            raise KeyboardInterrupt
        ending = True  # a KeyboardInterrupt that is raised inside a destructor would be lost

    before = signal.signal(signal.SIGINT, end)
    print(f"watching {folder}; Ctrl-C ends", file=sys.stderr)
    try:
        while not ending:
            complete = arrivals.complete()
            # All that are there get names, so that none has the name of another one's result.
            results = results_of(list(dict.fromkeys([*arrivals.images(), *complete]))) if complete else {}
            for image in complete:
                if not ending:
                    done += write_one(matting, image, results[image], prompts, options, arguments.format, print)
            time.sleep(_LOOK)
    finally:
        signal.signal(signal.SIGINT, before)
    print(f"{done} {'photo' if done == 1 else 'photos'} done", file=sys.stderr)
    return 0


def _version(image: Input) -> Version | None:
    """Return what changes when a file is written or replaced; None if it is gone."""
    try:
        status = os.stat(image.path or "")
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
