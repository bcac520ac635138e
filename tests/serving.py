"""HTTP servers on this machine for tests."""

import contextlib
import functools
import http.server
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path


@contextlib.contextmanager
def serving(handler: Callable, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve inside the `with`, with TLS where there is a context; yields the port."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


class FolderHandler(http.server.SimpleHTTPRequestHandler):
    """What `python -m http.server` uses, without its log; `pause` seconds between blocks let somebody watch."""

    pause = 0.0

    def copyfile(self, source, outputfile) -> None:
        while block := source.read(1 << 16):
            outputfile.write(block)
            time.sleep(self.pause)

    def log_message(self, *parts: object) -> None:
        """Print nothing."""


@contextlib.contextmanager
def serving_folder(folder: Path, pause: float = 0.0) -> Iterator[str]:
    """Serve a folder inside the `with`, without any header of its own; yields the address, ending in a slash."""
    kind = type("Handler", (FolderHandler,), {"pause": pause})
    with serving(functools.partial(kind, directory=str(folder))) as port:
        yield f"http://127.0.0.1:{port}/"
