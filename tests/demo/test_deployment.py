"""The files of docs/deploy by themselves: the headers that a real nginx passes on, and the container's health check."""

import json
import os
import re
import shutil
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.demo.conftest import free_port

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
DEPLOY = ROOT / "docs" / "deploy"


@contextmanager
def run_nginx(folder: Path, upstreams: list[int]) -> Iterator[str]:
    """Address of nginx with the configuration of docs/deploy, in front of two ports; `folder`/log has the replicas."""
    port, config = free_port(), (DEPLOY / "nginx.conf").read_text()
    changes = {
        "/tmp/": f"{folder}/",
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
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


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


def test_the_health_check_asks_no_proxy(echo) -> None:
    command = json.loads(re.search(r"HEALTHCHECK [^\[]*CMD (\[.*\])", (DEPLOY / "Dockerfile").read_text())[1])
    assert command[0] == "python" and ":7860/" in command[2]
    port = echo
    proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), "http://127.0.0.1:9")
    check = ["python3", "-c", command[2].replace(":7860/", f":{port}/")]
    assert subprocess.run(check, env={**os.environ, **proxies, "NO_PROXY": "", "no_proxy": ""}).returncode == 0
    check[2] = command[2].replace(":7860/", f":{free_port()}/")
    assert subprocess.run(check, capture_output=True).returncode != 0
