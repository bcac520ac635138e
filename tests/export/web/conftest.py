"""The site, built once, and a plain server of static files for it."""

import contextlib
import functools
import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mam.errors import MamError
from mam.model.folders import BUNDLE


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder."""
    from export.web.build import build_site

    out = tmp_path_factory.mktemp("site") / "site"
    try:
        build_site(BUNDLE, out)
    except MamError as error:
        if os.environ.get("CI") or "is needed once" not in str(error):
            raise
        pytest.skip(f"no npm registry: {error}")
    return out


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """What `python -m http.server` uses, without its log."""

    def log_message(self, *arguments: object) -> None:
        """Print nothing."""


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Where a folder is served, without any header of its own."""
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="session")
def address(site) -> Iterator[str]:
    """Where the site is served."""
    with serve(site) as found:
        yield found
