"""Addresses and data URIs."""

import asyncio
import contextlib
import http.server
import shutil
import socket
import ssl
import subprocess
import time
import typing

import pytest

from mam.errors import InputError
from mam.images import fetch as module
from mam.images.fetch import fetch, is_address, name_of
from tests.serving import serving

httpx = pytest.importorskip("httpx", reason="needs httpx")


class Handler(http.server.BaseHTTPRequestHandler):
    REDIRECTS: typing.ClassVar = {"/away": "/photo.png", "/file": "file:///etc/passwd", "/loop": "/loop"}

    def do_GET(self) -> None:
        if self.path in self.REDIRECTS:
            self.send_response(302)
            self.send_header("Location", self.REDIRECTS[self.path])
            self.end_headers()
        elif self.path.startswith("/slow"):  # a byte now and then, so that the socket never times out
            if self.path == "/slow":
                self.send_response(200)
                self.end_headers()
            with contextlib.suppress(OSError):
                for _ in range(30):
                    self.wfile.write(b".")
                    time.sleep(0.1)
        elif self.path == "/photo.png":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"content")
        else:
            self.send_error(404)

    def log_message(self, *arguments) -> None:
        pass


@pytest.fixture(scope="module")
def server():
    with serving(Handler) as port:
        yield f"http://127.0.0.1:{port}"


def test_an_address_is_read(server) -> None:
    assert fetch(f"{server}/photo.png") == b"content"
    assert fetch(f"{server}/away") == b"content"

    async def in_a_notebook() -> bytes:
        return fetch(f"{server}/photo.png")

    assert asyncio.run(in_a_notebook()) == b"content"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/no", "answers with status 404 [(]Not Found"),
        ("/file", "cannot be read .*file://"),
        ("/loop", "cannot be read .*redirects"),
        ("/slow", "no answer within"),
        ("/slow headers", "no answer within"),
    ],
)
def test_what_cannot_be_read(server, path, message, monkeypatch) -> None:
    if "slow" in path:
        monkeypatch.setattr(module, "_SECONDS", 0.5)
    with pytest.raises(InputError, match=message):
        fetch(server + path)


def test_size_is_bounded(server) -> None:
    for address in (f"{server}/photo.png", "data:;base64," + "QUJD" * 100):
        with pytest.raises(InputError, match="more than 0 MB"):
            fetch(address, max_bytes=6)


HOSTS = """127.0.0.1 localhost [::1] 0.0.0.0 10.0.0.1 169.254.169.254 168.63.129.16 100.100.100.200 192.0.0.192
[64:ff9b::a00:1] [2002:7f00:1::] [2002:808:808::] [2001:0:1::] [fd00:ec2::254] [fe80::1] [ff02::1] 224.0.0.1 240.0.0.1
255.255.255.255 192.88.99.1 198.18.0.1 203.0.113.1 [3fff::1] [2001:db8::1] [fec0::1] [::127.0.0.1] [::ffff:10.0.0.1]
[::ffff:8.8.8.8]"""


@pytest.mark.parametrize("host", HOSTS.split())
def test_private_networks_are_refused_in_public(host) -> None:
    with pytest.raises(InputError, match="not a public address"):
        fetch(f"http://{host}/photo.png", public_only=True)
    with pytest.raises(InputError, match="port 9 is not one of"):
        fetch(f"http://{host}:9/photo.png", public_only=True)


@pytest.mark.parametrize(
    ("found", "public"),
    [(["8.8.8.8"], True), (["2606:4700::1111", "1.1.1.1"], True), (["8.8.8.8", "10.0.0.1"], False), (["::1"], False)],
)
def test_all_addresses_of_a_host_must_be_public_and_are_the_ones_connected_to(monkeypatch, found, public) -> None:
    tried = []

    async def connect(transport, request):
        tried.append(request.url.host)
        assert request.headers["Host"] == request.extensions["sni_hostname"] == "example.org"
        raise httpx.ConnectError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (ip, 443)) for ip in found])
    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", connect)
    with pytest.raises(InputError, match="no network" if public else "not a public address"):
        fetch("https://example.org/photo.png", public_only=True)
    assert tried == (found if public else [])


def test_redirects_are_checked_too(server, monkeypatch) -> None:
    port = int(server.rpartition(":")[2])
    monkeypatch.setattr(module, "_PUBLIC_PORTS", (port,))
    monkeypatch.setattr(module, "_is_public", lambda ip: ip == "127.0.0.1")
    assert fetch(f"{server}/away", public_only=True) == b"content"
    monkeypatch.setitem(Handler.REDIRECTS, "/inside", f"http://127.0.0.2:{port}/photo.png")
    with pytest.raises(InputError, match=r"127.0.0.2 is not a public address"):
        fetch(f"{server}/inside", public_only=True)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_certificates_are_checked_for_the_name(tmp_path, monkeypatch) -> None:
    command = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run([*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setattr(module, "_is_public", lambda ip: True)
    with serving(Handler, context) as port:
        monkeypatch.setattr(module, "_PUBLIC_PORTS", (port,))
        assert fetch(f"https://localhost:{port}/photo.png", public_only=True) == b"content"
        with pytest.raises(InputError, match=r"not valid for '127.0.0.1'"):
            fetch(f"https://127.0.0.1:{port}/photo.png", public_only=True)


def test_data_uris() -> None:
    assert fetch("data:image/png;base64,QUJD") == b"ABC" and fetch("data:,A%20B") == b"A B"
    for wrong in ("data:image/png;base64", "data:;base64,Q", "data:;base64,\u00e9"):
        with pytest.raises(InputError, match="data URI"):
            fetch(wrong)


def test_names() -> None:
    assert is_address("HTTPS://example.org/a.jpg") and is_address("data:,x") and not is_address("C:/a.jpg")
    assert name_of("https://example.org/b/a%20b.jpg?x=1") == "a b.jpg" and name_of("data:,x") == ""
    assert name_of("http://[bad") == "" and name_of("https://example.org") == ""
