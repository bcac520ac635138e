"""The real page, served by the real command, once for all tests."""

import socket
import subprocess
import time
import urllib.request

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="session")
def page(python) -> str:
    """Address of a running `python demo/app.py` on the embedded model."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}/"
    server = subprocess.Popen(
        [python, "demo/app.py", "--port", str(port), "--device", "cpu"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    for _ in range(120):
        try:
            urllib.request.urlopen(address, timeout=2)
            break
        except OSError:
            if server.poll() is not None:
                pytest.fail(f"the page did not start:\n{server.stdout.read()}")
            time.sleep(0.5)
    else:
        server.kill()
        pytest.fail("the page was not up within a minute")
    yield address
    server.terminate()
    server.wait(20)
