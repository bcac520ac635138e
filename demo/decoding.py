"""Reading of visitors' images, in processes of their own that may be ended: bounded in memory, CPU time and time.

The page calls `read_photo` and `read_image`; a process runs `python demo/decoding.py MEGABYTES SECONDS`.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from mam.errors import InputError, MamError
from mam.images import Photo, open_photo

_DECODED_AT_MOST = 5  # times the pixels that the model gets: phones make 108 megapixels
# MB that a process may take beyond its start, and seconds of a CPU. 24 megapixels of JPEG take 200 MB and half a second;
# what exceeds the first pair waits for a second process, in which such images are decoded one after the other.
_ORDINARY, _LARGE = (350, 6), (850, 20)
_LONGEST_WAIT = 60  # seconds, where many processes share the CPUs, or the system does not limit their time


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
    answer, is_final = _decoder(*_ORDINARY).ask(request)
    if not is_final:
        answer, _ = _decoder(*_LARGE).ask(request)
    if isinstance(answer, Photo):
        return answer
    if isinstance(answer, Exception):
        raise answer
    name = source.name if isinstance(source, Path) else "the image"
    raise InputError(f"{name} takes too much memory or time to be decoded; save it as a JPEG, or make it smaller.")


Answer = tuple[Photo | Exception | None, bool]
"""A photo or an expected error, neither if memory or time did not suffice; and False if more of them may help."""


class _Decoder:
    """A process that decodes one image after the other, and is replaced when it fails.

    Args:
        megabytes: Memory that it may take beyond what it starts with.
        seconds: Of a CPU, for one image.
    """

    def __init__(self, megabytes: int, seconds: int) -> None:
        self.limits = str(megabytes), str(seconds)
        self._lock = threading.Lock()
        self._process = self._start()
        atexit.register(lambda: self._process.kill())

    def ask(self, request: tuple[Path | bytes, int, int | None]) -> Answer:
        """Return what the process answers; if it fails, no photo and no error."""
        with self._lock:
            timer = threading.Timer(_LONGEST_WAIT, self._process.kill)
            timer.start()
            try:
                pickle.dump(request, self._process.stdin)
                self._process.stdin.flush()
                return pickle.load(self._process.stdout)
            except (OSError, EOFError, pickle.UnpicklingError):
                self._process.kill()
                self._process.wait()
                self._process = self._start()
                return None, False
            finally:
                timer.cancel()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, __file__, *self.limits],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"},
        )


@functools.cache
def _decoder(megabytes: int, seconds: int) -> _Decoder:
    return _Decoder(megabytes, seconds)


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


def _serve(megabytes: int, seconds: int) -> None:
    """Answer requests from standard input until it is closed."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a decoder prints must not be taken for an answer
    _limit_memory(megabytes)
    with contextlib.suppress(EOFError):
        while True:
            source, max_pixels, reduce_to = pickle.load(requests)
            _limit_cpu_time(seconds)
            pickle.dump(_read(source, max_pixels, reduce_to), answers, protocol=5)
            answers.flush()


def _read(source: Path | bytes, max_pixels: int, reduce_to: int | None) -> Answer:
    try:
        return open_photo(source, max_pixels, reduce_to), True
    except MemoryError:
        return None, False
    except (MamError, FileNotFoundError) as error:
        if isinstance(error.__cause__, MemoryError):
            return None, False
        return error, error.__cause__ is None  # some decoders call their files damaged when there is no memory


if __name__ == "__main__":
    _serve(*map(int, sys.argv[1:]))
