"""Models that are downloaded and prepared in the background, while the page works without them."""

from __future__ import annotations

import abc
import logging
import threading

from mam import MamError, weights

_log = logging.getLogger(__name__)


class Preparation(abc.ABC):
    """One model's preparation, once for all visitors; the page shows its state, the server's output has the details.

    Attributes:
        name: For the server's output.
        running: It is being prepared.
        done: It is in use.
        failed: The last attempt failed; another one may be started.
        received: Bytes of the download so far.
        expected: Bytes of the whole download; 0 while unknown.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.running = self.done = self.failed = False
        self.received = self.expected = 0
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the preparation, unless it is running or done."""
        with self._lock:
            if self.running or self.done:
                return
            self.running, self.failed, self.received, self.expected = True, False, 0, 0
        threading.Thread(target=self._run, daemon=True).start()

    @abc.abstractmethod
    def prepare(self) -> str:
        """Prepare the model and put it to use; returns a line for the server's output.

        Raises:
            MamError: That is not possible.
        """

    def progress(self, name: str) -> weights.Progress:
        """Return a function that logs the download of a file and keeps its numbers."""
        log = weights.log_progress(name, lambda line: print(line, flush=True))

        def progress(received: int, expected: int) -> None:
            self.received, self.expected = received, expected
            log(received, expected)

        return progress

    def _run(self) -> None:
        try:
            print(self.prepare(), flush=True)
            self.done = True
        except MamError as error:
            self.failed = True
            print(f"{self.name} could not be prepared: {error}", flush=True)
        except Exception:  # no caller would see it, so it is reported here
            self.failed = True
            _log.exception("%s could not be prepared", self.name)
        finally:
            self.running = False
