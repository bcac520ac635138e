"""The cache folder: paths of checkpoints, verification of files, a lock between processes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mam.errors import WeightsError
from mam.weights.registry import WeightFile, look_up

_log = logging.getLogger(__name__)

_BLOCK = 1 << 20


def cache_folder() -> Path:
    """Return `$MAM_HOME`, or the user's cache folder for this package; it may not exist yet.

    A user without a home folder gets one among the temporary files.

    Raises:
        WeightsError: another user has made that one.
    """
    chosen = os.environ.get("MAM_HOME")
    if chosen:
        return Path(chosen).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME")
    try:
        return Path(cache or Path.home() / ".cache") / "mam"
    except RuntimeError:  # no home and no entry for this user, as in some containers
        return _temporary_folder()


def _temporary_folder() -> Path:
    """Return a folder of this user among the temporary files, where anybody may make one of the same name."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"mam-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != user or found.st_mode & 0o022:
        raise WeightsError(f"{folder} may be another user's; delete it, or set MAM_HOME to a folder of your own.")
    return folder


def verified_path(name: str) -> Path:
    """Return the path of a cached file after a check of its size and SHA-256.

    A passed check is recorded in `verification_record` of the file and not repeated until the file changes.

    Args:
        name: the file's name in the registry.

    Raises:
        WeightsError: the file is missing or damaged; the message explains how to get it.
    """
    weights, file = look_up(name), cache_folder() / name
    if not file.exists():
        raise WeightsError(f"{name} is not in {cache_folder()}; {how_to_get(weights)}.")
    verify(weights, file)
    return file


def how_to_get(weights: WeightFile) -> str:
    """Return the command or the steps that get a file, as a clause of an error message."""
    if weights.url:
        return f"get it with `mam weights get {weights.name}`"
    return f"{weights.manual_steps} and put it into {cache_folder()}"


@contextlib.contextmanager
def required_packages() -> Iterator[None]:
    """Surround the imports that only downloads need.

    Raises:
        WeightsError: one is not installed.
    """
    try:
        yield
    except ImportError as error:
        raise WeightsError(
            f"downloads need more packages ({error}): pip install httpx filelock huggingface_hub"
        ) from None


@contextlib.contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Lock a file or folder against other processes while it is created.

    Args:
        path: the file or folder; its parent folder is created if it is missing.

    Raises:
        WeightsError: the parent folder is not writable, or the package filelock is missing.
    """
    with required_packages():
        from filelock import FileLock, Timeout

    lock = FileLock(path.with_name(f"{path.name}.lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            _log.warning("Waiting for another process that downloads or prepares %s (%s).", path.name, lock.lock_file)
            lock.acquire()
    except OSError as error:
        raise WeightsError(f"{path.parent} is not writable ({error}); set MAM_HOME to a writable folder.") from error
    try:
        yield
    finally:
        lock.release()


def no_link(path: str, flags: int) -> int:
    """Open a file for writing, as an `opener` for `open`; fails at a link, which another user may have made."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def sha256(*files: Path) -> str:
    """Compute one hexadecimal SHA-256 over the contents of several files, in the given order."""
    digest = hashlib.sha256()
    for file in files:
        with open(file, "rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()


def verify(weights: WeightFile, file: Path) -> None:
    """Check the size and the SHA-256 of a file, and record a passed check in `verification_record(file)`.

    Args:
        weights: the registry's entry, with the expected size and SHA-256; if it has no SHA-256, the one recorded by the
            last passed check is expected.
        file: the file to check.

    Raises:
        WeightsError: the size or the SHA-256 differs.
    """
    stat, record = file.stat(), verification_record(file)
    try:
        passed = dict(json.loads(record.read_text()))
    except (OSError, TypeError, ValueError, RecursionError):
        passed = {}
    expected = weights.sha256 or str(passed.get("sha256", ""))
    state = {"size": stat.st_size, "time": stat.st_mtime_ns, "sha256": expected}
    if passed == state:
        return
    if weights.size and stat.st_size != weights.size:
        raise WeightsError(f"{file} has {stat.st_size} bytes, expected {weights.size}; delete it and get it again.")
    if expected:
        digest = sha256(file)
        if digest != expected:
            raise WeightsError(
                f"{file} has the SHA-256 {digest}, expected {expected}: it is damaged or another file; "
                f"delete it and {record.name}, and get it again."
            )
    # Without a record, as in a read-only folder, the file is hashed each time.
    with contextlib.suppress(OSError), open(record, "w", opener=no_link) as stream:
        json.dump(state, stream)


def verification_record(file: Path) -> Path:
    """Return the path of the file that records a passed check."""
    return file.with_name(f"{file.name}.checked")
