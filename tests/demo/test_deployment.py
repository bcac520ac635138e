"""The files of docs/deploy by themselves: the headers that a real nginx passes on, and the container's health check."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpx
import pytest
import yaml

from tests.conftest import ROOT
from tests.demo.conftest import free_port
from tests.serving import serving

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
DEPLOY = ROOT / "docs" / "deploy"


@contextlib.contextmanager
def run_nginx(folder: Path, upstreams: list[int], rate: str = "30r/s") -> Iterator[str]:
    """Address of nginx with the configuration of docs/deploy, in front of two ports; `folder`/log has the replicas."""
    port, config = free_port(), (DEPLOY / "nginx.conf").read_text()
    changes = {
        "/tmp/": f"{folder}/",
        "rate=30r/s": f"rate={rate}",
        "listen 8080": f"listen 127.0.0.1:{port}",
        "page1:7860": f"127.0.0.1:{upstreams[0]}",
        "page2:7860": f"127.0.0.1:{upstreams[1]}",
        "access_log off": f"log_format t '$cookie_mam_replica $upstream_addr'; access_log {folder}/log t",
    }
    for old, new in changes.items():
        assert old in config
        config = config.replace(old, new)
    (folder / "nginx.conf").write_text(config)
    directives = "daemon off;" + (" user root;" if os.geteuid() == 0 else "")  # else it could not write to the folder
    command = [str(NGINX), "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", directives]
    server = subprocess.Popen(command)
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/config", timeout=5)
                break
            except OSError:
                assert server.poll() is None, "nginx did not start"
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait(20)


class Echo(BaseHTTPRequestHandler):
    """Answers with the headers of the request."""

    def do_GET(self) -> None:
        content = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def echo() -> Iterator[int]:
    with serving(Echo) as port:
        yield port


@pytest.mark.skipif(NGINX is None, reason="no nginx on this machine: apt-get install nginx")
def test_nginx_passes_on_what_the_browser_speaks(echo, tmp_path) -> None:
    with run_nginx(tmp_path, [echo, echo]) as address:

        def passed_on(**headers: str) -> tuple[str, str]:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            answer = urllib.request.urlopen(urllib.request.Request(address, headers=named), timeout=5)
            found = json.load(answer)
            return found["x-forwarded-proto"], found["x-forwarded-host"]

        assert passed_on(Host="a.org") == ("http", "a.org")
        assert passed_on(Host="a.org", X_Forwarded_Proto="https") == ("https", "a.org")
        assert passed_on(X_Forwarded_Proto="HTTPS, http", X_Forwarded_Host="b.org") == ("https", "b.org")
        assert passed_on(Host="a.org", X_Forwarded_Proto="x; y") == ("http", "a.org")


@pytest.fixture
def proxied(echo, tmp_path) -> Iterator[str]:
    """Address of nginx in front of `echo`."""
    if NGINX is None:
        pytest.skip("no nginx on this machine: apt-get install nginx")
    with run_nginx(tmp_path, [echo, echo]) as address:
        yield address


def test_nobody_says_their_own_address(proxied) -> None:
    asked = urllib.request.Request(proxied, headers={"X-Forwarded-For": "203.0.113.9"})
    assert json.load(urllib.request.urlopen(asked, timeout=5))["x-forwarded-for"] == "127.0.0.1"


@pytest.mark.skipif(NGINX is None, reason="no nginx on this machine: apt-get install nginx")
def test_nginx_limits_requests_per_address(echo, tmp_path) -> None:
    with run_nginx(tmp_path, [echo, echo], "1r/m") as address, httpx.Client(base_url=address) as client:
        statuses = Counter(client.get("/").status_code for _ in range(210))
    assert statuses == {200: 200, 429: 10}  # `run_nginx` has asked once


def open_connection(address: str) -> socket.socket:
    url = httpx.URL(address)
    return socket.create_connection((url.host, url.port), timeout=30)


def test_nginx_limits_connections_per_address(proxied) -> None:
    started = [open_connection(proxied) for _ in range(45)]
    for one in started:  # a request counts when its header is there
        one.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
    time.sleep(0.5)
    assert httpx.get(proxied).status_code == 429
    for one in started:
        one.close()


@pytest.mark.slow
def test_nginx_waits_ten_seconds_for_a_header(proxied) -> None:
    slow, start = open_connection(proxied), time.monotonic()
    slow.sendall(b"GET / HTTP/1.1\r\n")
    with contextlib.suppress(ConnectionResetError):
        assert slow.recv(100) == b""
    assert 5 < time.monotonic() - start < 20


@pytest.mark.parametrize(
    "path, megabytes, refused", [("queue/join", 71, True), ("upload", 71, False), ("upload", 101, True)]
)
def test_nginx_limits_bodies(proxied, path, megabytes, refused) -> None:
    content = (bytes(1_000_000) for _ in range(megabytes * 1_048_576 // 1_000_000 + 1))
    try:
        status = httpx.post(f"{proxied}gradio_api/{path}", content=content, timeout=60).status_code
        assert status == 413 if refused else status in (501, 502)  # `echo` knows no POST and closes
    except httpx.WriteError:  # nginx has answered and closed before all was sent
        assert refused


def test_the_page_has_no_way_out_and_bounds() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    page, proxy = compose["services"]["page1"], compose["services"]["proxy"]
    assert compose["networks"]["inside"]["internal"] and page["networks"] == ["inside"] and "ports" not in page
    for service in (page, proxy):
        assert (
            service["read_only"] and service["pids_limit"] and service["mem_limit"] and service["cap_drop"] == ["ALL"]
        )


def test_the_health_check_asks_no_proxy(echo) -> None:
    command = json.loads(re.search(r"HEALTHCHECK [^\[]*CMD (\[.*\])", (DEPLOY / "Dockerfile").read_text())[1])
    assert command[0] == "python" and ":7860/" in command[2]
    port = echo
    proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), "http://127.0.0.1:9")
    check = ["python3", "-c", command[2].replace(":7860/", f":{port}/")]
    assert subprocess.run(check, env={**os.environ, **proxies, "NO_PROXY": "", "no_proxy": ""}).returncode == 0
    check[2] = command[2].replace(":7860/", f":{free_port()}/")
    assert subprocess.run(check, capture_output=True).returncode != 0
