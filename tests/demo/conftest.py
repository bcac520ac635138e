"""The page, started by its command once for all tests, and the same page on a mock model."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.demo.visitor import Visitor


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def serve(command: list[str], port: int, path: str = "") -> Iterator[str]:
    """The address of a page while its command runs; it is there when it answers at the path."""
    address = f"http://127.0.0.1:{port}/"
    with tempfile.TemporaryFile("w+") as output:
        server = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        for _ in range(240):
            try:
                urllib.request.urlopen(address + path, timeout=2)
                break
            except OSError:
                if server.poll() is not None:
                    output.seek(0)
                    pytest.fail(f"the page did not start:\n{output.read()}")
                time.sleep(0.25)
        else:
            server.kill()
            pytest.fail("the page was not up within a minute")
        yield address
        server.terminate()
        server.wait(20)
        output.seek(0)
        print(output.read())  # pytest shows it beside a failure
    assert server.returncode in (0, -15)
    assert server.returncode == 0 or "demo/app.py" not in command, "the page did not stop gracefully"


@pytest.fixture(scope="session")
def page(python) -> Iterator[str]:
    """Address of a running `python demo/app.py --mcp` on the embedded model."""
    port = free_port()
    command = [python, "demo/app.py", "--variant", "tiny", "--port", str(port), "--device", "cpu", "--mcp"]
    yield from serve(command, port)


@pytest.fixture()
def visitor(browser, mock_page) -> Iterator[Visitor]:
    """A visitor with a photo open on the mock page, who meets no errors and no foreign servers."""
    yield from visit(browser, mock_page)


@pytest.fixture()
def slow_visitor(browser, slow_page) -> Iterator[Visitor]:
    """A visitor of the slow page."""
    yield from visit(browser, slow_page)


def visit(browser: Browser, address: str) -> Iterator[Visitor]:
    from tests.demo.visitor import Visitor

    tab = browser.new_page(viewport={"width": 1280, "height": 1300})
    visitor = Visitor(tab, address)
    visitor.open_and_wait()
    yield visitor
    assert visitor.problems == [] and visitor.outside == []
    tab.close()


@pytest.fixture(scope="session")
def mock_page(python) -> Iterator[str]:
    """Address of the page on a model that answers at once."""
    port = free_port()
    yield from serve([python, "-m", "tests.demo.mock", str(port)], port)


@pytest.fixture(scope="session")
def slow_page(python) -> Iterator[str]:
    """Address of the page on a model that takes a second for every step."""
    port = free_port()
    yield from serve([python, "-m", "tests.demo.mock", str(port), "1"], port)
