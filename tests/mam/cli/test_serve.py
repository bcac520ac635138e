"""`mam serve` in a process of its own, asked over HTTP."""

import io
import signal
import socket
import subprocess
import time

import httpx
import numpy as np
import pytest
from PIL import Image

from mam.cli import main
from tests.conftest import EXAMPLES, ROOT
from tests.demo.conftest import free_port, serve


@pytest.mark.parametrize(
    "options, reason",
    [([], "in use"), (["--host", "no.such.host.invalid"], "no.such.host"), (["--host", "a" * 70], "")],
)
def test_a_port_that_cannot_be_used(options, reason, capsys, monkeypatch) -> None:
    """It is said before the model is loaded."""
    monkeypatch.setattr("mam.cli.serve.load_model", None)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["serve", "--port", str(port), *options]) == 1
    error = capsys.readouterr().err
    assert reason in error.lower() and f"port {port}" in error and "choose another --port or --host" in error


@pytest.mark.slow
def test_ctrl_c_ends_it_beside_a_client_that_does_not(python) -> None:
    port = free_port()
    command = [python, "-m", "mam", "serve", "--port", str(port), "--device", "cpu", "--threads", "1"]
    server = subprocess.Popen(command, cwd=ROOT, text=True, stderr=subprocess.PIPE)
    assert "Ctrl-C ends" in server.stderr.readline()
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"POST /api/remove HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\na")
        time.sleep(1)
        server.send_signal(signal.SIGINT)
        _, printed = server.communicate(timeout=15)
    assert server.returncode == 0 and "Traceback" not in printed


@pytest.mark.slow
def test_a_request_over_http(python) -> None:
    port = free_port()
    command = [python, "-m", "mam", "serve", "--port", str(port), "--device", "cpu", "--threads", "1"]
    running = serve(command, port, "health")
    address = next(running)
    content = (EXAMPLES / "flower.jpg").read_bytes()
    for path, field in (("api/remove", "file"), ("v1.0/removebg", "image_file")):
        answer = httpx.post(address + path, files={field: content}, data={"size": "full"}, timeout=60)
        alpha = np.asarray(Image.open(io.BytesIO(answer.content)))[..., 3]
        assert alpha.shape == (427, 640) and alpha[215, 310] > 240 and alpha[5, 5] < 10
    assert httpx.get(f"{address}health").json()["model"] == "tiny"
    assert next(running, None) is None
