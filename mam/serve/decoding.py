"""Reading of visitors' images, in processes of their own that may be ended: bounded in memory and time."""

from __future__ import annotations

import contextlib
import functools
import signal
from collections.abc import Callable
from pathlib import Path

from mam.errors import InputError, MamError
from mam.images import Photo, open_photo
from mam.isolation import Isolated

_DECODED_AT_MOST = 5  # times the pixels that the model gets: phones make 108 megapixels
# MB that a process may take beyond its start, and seconds of a CPU. 24 megapixels of JPEG take 200 MB and 0.5 s; what
# exceeds the first pair goes to a second process, in which such images are decoded one after the other.
_ORDINARY, _LARGE = (350, 6), (850, 20)
_LONGEST_WAIT = 60  # seconds, where many processes share the CPUs, or the system does not limit their time

Request = tuple[Path | bytes, int, int | None]
Answer = tuple[Photo | Exception | None, bool]
"""A photo or an expected error, neither if memory or time did not suffice; and False if more of them may help."""


def read_photo(path: str, max_pixels: int) -> Photo:
    """Read a visitor's photo; one of more than `max_pixels` is made smaller.

    Raises:
        InputError: The file cannot be used.
        FileNotFoundError: It was deleted.
    """
    return read_image(Path(path), _DECODED_AT_MOST * max_pixels, max_pixels)


def read_image(source: Path | bytes, max_pixels: int, reduce_to: int | None = None) -> Photo:
    """Read an image as `mam.images.open_photo` does, within the limits of `_LARGE`.

    Raises:
        InputError: The file cannot be used.
        FileNotFoundError: It was deleted.
    """
    request = (source, max_pixels, reduce_to)
    answer, is_final = _decoder(*_ORDINARY)(request)
    if not is_final:
        answer, _ = _decoder(*_LARGE)(request)
    if isinstance(answer, Photo):
        return answer
    if isinstance(answer, Exception):
        raise answer
    name = source.name if isinstance(source, Path) else "the image"
    raise InputError(f"{name} takes too much memory or time to be decoded; save it as a JPEG, or make it smaller.")


@functools.cache
def _decoder(megabytes: int, seconds: int) -> Isolated:
    return Isolated(functools.partial(_load, megabytes, seconds), lambda request: (None, False), _LONGEST_WAIT)


def _load(megabytes: int, seconds: int) -> Callable[[Request], Answer]:
    """Limit this process, and return what reads images in it."""
    _limit_memory(megabytes)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the page ends on it, and this process with the page
    return functools.partial(_read, seconds)


def _limit_memory(megabytes: int) -> None:
    """Bound the memory of this process, where the system can."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + megabytes * 1_000_000,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_cpu_time(seconds: int) -> None:
    """Have the system end this process when it has worked for some more seconds, where it can."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + 1 + seconds, hard))


def _read(seconds: int, request: Request) -> Answer:
    _limit_cpu_time(seconds)
    try:
        return open_photo(*request), True
    except MemoryError:
        return None, False
    except (MamError, FileNotFoundError) as error:
        if isinstance(error.__cause__, MemoryError):
            return None, False
        return error, error.__cause__ is None  # some decoders call their files damaged when there is no memory
