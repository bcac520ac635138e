"""A function in a child process, which may end without ending its caller."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

Row = Any
Function = Callable[[Row], Any]


class Isolated:
    """Calls a function of rows in one child process, which ends with this one. Threads may share it.

    Args:
        load: called in every new child; returns the function. Its errors are raised here.
        on_death: makes the result of a row that ended the child: by a crash of native code, for lack of memory, or
            when it took too long.
        seconds: after which the child is ended.
    """

    # Pipes and not `multiprocessing`: its resource tracker fails in Ray's workers.

    def __init__(
        self, load: Callable[[], Function], on_death: Function, seconds: float = threading.TIMEOUT_MAX
    ) -> None:
        self._load, self._on_death, self._seconds = load, on_death, seconds
        self._lock = threading.Lock()
        self._start()

    def __call__(self, row: Row) -> Any:
        """Return the function's result for a row."""
        with self._lock:
            timer = threading.Timer(self._seconds, self._child.kill)
            timer.daemon = True
            timer.start()
            try:
                return self._exchange(row)
            except (EOFError, BrokenPipeError, pickle.UnpicklingError):
                self._child.kill()
                self._child.wait()
                self._start()
                return self._on_death(row)
            finally:
                timer.cancel()

    def _start(self) -> None:
        # The child finds modules where this process found them.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(os.path.abspath(entry) for entry in sys.path)}
        command = [sys.executable, "-c", "from mam.isolation import serve; serve()"]
        self._child = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if error := self._exchange(self._load):
            raise error

    def _exchange(self, message: object) -> Any:
        assert self._child.stdin is not None and self._child.stdout is not None
        pickle.dump(message, self._child.stdin)
        self._child.stdin.flush()
        return pickle.load(self._child.stdout)


def serve() -> None:
    """Answer the parent's messages: first the loader of the function, then rows; return when the parent is gone."""
    return_large_blocks()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not mix with the answers

    def send(answer: object) -> None:
        pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()

    try:
        function = pickle.load(sys.stdin.buffer)()
    except Exception as error:  # raised in the parent
        send(error)
        return
    send(None)
    while True:
        try:
            row = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        answer = function(row)
        try:
            send(answer)
        except BrokenPipeError:  # the parent was ended meanwhile
            os._exit(0)  # without a traceback for the answer that is still in the buffer
        row = answer = None
        release_memory()


def release_memory() -> None:
    """Ask the C library to return freed memory to the system; glibc would keep it, others have no such function."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def return_large_blocks() -> None:
    """Ask glibc to return each block of over 1 MB when it is freed; otherwise it keeps many, and their gaps add up."""
    m_mmap_threshold = -3  # of malloc.h
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(m_mmap_threshold, 1 << 20)
