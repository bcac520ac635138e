"""Addresses and data URIs."""

import contextlib
import http.server
import shutil
import socket
import ssl
import subprocess
import threading
import time

import pytest

from mam.errors import InputError
from mam.images.fetch import fetch, is_address, name_of


@pytest.fixture(scope="module")
def server():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/away":
                self.send_response(302)
                self.send_header("Location", "/photo.png")
                self.end_headers()
            elif self.path == "/file":
                self.send_response(302)
                self.send_header("Location", "file:///etc/passwd")
                self.end_headers()
            elif self.path == "/slow":  # a byte now and then, so that the socket never times out
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

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_an_address_is_read(server) -> None:
    assert fetch(f"{server}/photo.png") == b"content"
    assert fetch(f"{server}/away") == b"content"


@pytest.mark.parametrize(
    ("path", "message"), [("/no", "status 404"), ("/file", "status 302|cannot be read|is not allowed")]
)
def test_what_cannot_be_read(server, path, message) -> None:
    with pytest.raises(InputError, match=message):
        fetch(server + path)


def test_size_is_bounded(server) -> None:
    with pytest.raises(InputError, match="more than 0 MB"):
        fetch(f"{server}/photo.png", max_bytes=6)
    with pytest.raises(InputError, match="more than 0 MB"):
        fetch("data:;base64," + "QUJD" * 100, max_bytes=6)


HOSTS = """127.0.0.1 localhost [::1] 0.0.0.0 10.0.0.1 169.254.169.254 168.63.129.16 100.100.100.200 192.0.0.192
[64:ff9b::a00:1] [2002:7f00:1::] [2002:808:808::] [2001:0:1::] [fd00:ec2::254] [fe80::1] [ff02::1]"""


@pytest.mark.parametrize("host", [*HOSTS.split(), "[fec0::1]", "[::127.0.0.1]", "[::ffff:10.0.0.1]"])
def test_private_networks_are_refused_in_public(host) -> None:
    with pytest.raises(InputError, match="not a public address"):
        fetch(f"http://{host}/photo.png", public_only=True)
    with pytest.raises(InputError, match="port 9 is not one of"):
        fetch(f"http://{host}:9/photo.png", public_only=True)


@pytest.mark.parametrize(
    ("found", "public"),
    [(["8.8.8.8"], True), (["2606:4700::1111", "1.1.1.1"], True), (["8.8.8.8", "10.0.0.1"], False), (["::1"], False)],
)
def test_all_addresses_of_a_host_must_be_public(monkeypatch, found, public) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (ip, 80)) for ip in found])
    monkeypatch.setattr(socket, "create_connection", lambda *_: (_ for _ in ()).throw(OSError("no network")))
    with pytest.raises(InputError, match="no network" if public else "not a public address"):
        fetch("http://example.org/photo.png", public_only=True)


def test_a_slow_server_is_given_up(server, monkeypatch) -> None:
    monkeypatch.setattr("mam.images.fetch._SECONDS", 0.5)
    with pytest.raises(InputError, match="no answer within"):
        fetch(f"{server}/slow")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    files = folder / "key.pem", folder / "certificate.pem"
    subprocess.run([*command.split(), "-keyout", files[0], "-out", files[1]], check=True, capture_output=True)
    return files


def test_a_slow_tls_server_is_given_up(certificate, monkeypatch) -> None:
    key, file = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.setattr("mam.images.fetch._SECONDS", 1.0)
    ended = threading.Event()

    def answer(listening: socket.socket) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(listening.accept()[0], server_side=True) as opened:
            opened.recv(10_000)
            opened.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while not ended.wait(0.1):
                opened.sendall(b".")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=answer, args=[listening], daemon=True)
        thread.start()
        threading.Timer(20, ended.set).start()
        begun = time.monotonic()
        with pytest.raises(InputError, match="no answer within"):
            fetch(f"https://localhost:{listening.getsockname()[1]}/slow")
        assert time.monotonic() - begun < 15
        ended.set()
        thread.join()


def test_data_uris() -> None:
    assert fetch("data:image/png;base64,QUJD") == b"ABC" and fetch("data:,A%20B") == b"A B"
    for wrong in ("data:image/png;base64", "data:;base64,Q", "data:;base64,\u00e9"):
        with pytest.raises(InputError, match="data URI"):
            fetch(wrong)


def test_names() -> None:
    assert is_address("HTTPS://example.org/a.jpg") and is_address("data:,x") and not is_address("C:/a.jpg")
    assert name_of("https://example.org/b/a%20b.jpg?x=1") == "a b.jpg" and name_of("data:,x") == ""
    assert name_of("http://[bad") == "" and name_of("https://example.org") == ""
