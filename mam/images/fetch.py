"""Images that are given as an address or a data URI: their bytes, bounded in size and time."""

from __future__ import annotations

import base64
import contextlib
import http.client
import ipaddress
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

from mam.errors import InputError

MAX_BYTES = 100_000_000
_SECONDS = 60.0  # for the whole answer
_SECONDS_IN_PUBLIC = 20.0
_PUBLIC_PORTS = (80, 443)
# Networks of the internet, and those inside them that are private or special, or lead to IPv4 in disguise.
_PUBLIC = [*map(ipaddress.ip_network, ("0.0.0.0/0", "2000::/3"))]
_SPECIAL = """
0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 168.63.129.16/32 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3
2001::/23 2001:db8::/32 2002::/16 3fff::/20"""
_NOT_PUBLIC = [*map(ipaddress.ip_network, _SPECIAL.split())]

Connect = Callable[..., socket.socket]


def is_address(text: str) -> bool:
    """Whether a string is an address (http, https) or a data URI, not a path."""
    return text.lower().startswith(("http://", "https://", "data:"))


def fetch(address: str, max_bytes: int = MAX_BYTES, *, public_only: bool = False) -> bytes:
    """Return what an address or a data URI holds.

    Args:
        address: http://, https:// or data:.
        max_bytes: more than this is refused.
        public_only: refuse addresses in private networks, also after a redirect, and unusual ports, and wait for 20
            seconds instead of 60: for servers that fetch what visitors ask for.

    Raises:
        InputError: it cannot be read in time, is larger than `max_bytes`, or is not public.
    """
    if address[:5].lower() == "data:":
        return _decode_data_uri(address, max_bytes)
    shown = shorten_address(address)
    seconds = _SECONDS_IN_PUBLIC if public_only else _SECONDS
    end = time.monotonic() + seconds
    sockets: list[socket.socket] = []
    late = threading.Event()

    def connect(address: tuple[str, int], timeout: float, source: Any = None) -> socket.socket:
        opened = _connect_in_time(_resolve(address, public_only), end, source)
        sockets.append(opened.dup())  # TLS takes the socket itself over, which then cannot be shut down here
        if late.is_set():  # `stop` has run without this one
            opened.close()
            raise TimeoutError
        return opened

    def stop() -> None:  # a timeout of the socket would begin anew with every byte
        late.set()
        for opened in sockets:
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        request = urllib.request.Request(address, headers={"User-Agent": "matting-anything-practical"})
        with _opener(connect, proxies=not public_only).open(request, timeout=seconds) as answer:
            content: bytes = answer.read(max_bytes + 1)
    except urllib.error.HTTPError as error:
        raise InputError(f"{shown} answers with status {error.code} ({error.reason}).") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = f"no answer within {seconds:.0f} s" if late.is_set() else getattr(error, "reason", None) or error
        raise InputError(f"{shown} cannot be read ({reason}).") from None
    finally:
        timer.cancel()
        for opened in sockets:
            opened.close()
    if late.is_set():
        raise InputError(f"{shown} cannot be read (no answer within {seconds:.0f} s).")
    if len(content) > max_bytes:
        raise InputError(f"{shown} holds more than {max_bytes / 1e6:.0f} MB.")
    return content


def name_of(address: str) -> str:
    """Return the file name at the end of an address; empty if there is none, as for a data URI."""
    if address[:5].lower() == "data:":
        return ""
    path = address.partition("://")[2].partition("?")[0].partition("#")[0]
    return urllib.parse.unquote(path.partition("/")[2]).rpartition("/")[2]


def shorten_address(address: str) -> str:
    """Return an address, or the beginning of a long one, for messages."""
    return address if len(address) <= 100 else f"{address[:97]}..."


def _decode_data_uri(uri: str, max_bytes: int) -> bytes:
    header, comma, body = uri.partition(",")
    if not comma:
        raise InputError("the data URI has no comma; expected data:image/png;base64,...")
    if len(body) > max_bytes * 4 / 3 + 4:
        raise InputError(f"the data URI holds more than {max_bytes / 1e6:.0f} MB.")
    try:
        content = urllib.parse.unquote_to_bytes(body)
        return base64.b64decode(content, validate=True) if header.lower().endswith(";base64") else content
    except ValueError as error:
        raise InputError(f"the data URI is not valid base64 ({error}).") from None


def _resolve(address: tuple[str, int], public_only: bool) -> list[tuple[str, int]]:
    """Return the IP addresses and the port of a host, each checked if they have to be public.

    Raises:
        OSError: the host is not known, or an address or the port is not public.
    """
    host, port = address
    if public_only and port not in _PUBLIC_PORTS:
        raise OSError(f"port {port} is not one of {_PUBLIC_PORTS}")
    found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if public_only and not all(_is_public(ipaddress.ip_address(ip.partition("%")[0])) for ip in found):
        raise OSError(f"{host} is not a public address")
    return [(ip, port) for ip in dict.fromkeys(found)]


def _connect_in_time(addresses: list[tuple[str, int]], end: float, source: Any) -> socket.socket:
    """Connect to the first address that answers; `end` is the time (monotonic) when none may be tried any more."""
    error: OSError = OSError("the host has no address")
    for address in addresses:
        if time.monotonic() >= end:
            raise TimeoutError
        try:
            return socket.create_connection(address, end - time.monotonic(), source)
        except OSError as failure:
            error = failure
    raise error


def _is_public(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return any(ip in network for network in _PUBLIC) and not any(ip in network for network in _NOT_PUBLIC)


def _opener(connect: Connect, proxies: bool) -> urllib.request.OpenerDirector:
    """Return an opener of http and https addresses; unlike Python's default one it opens no files and no FTP."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(None if proxies else {}),
        _Handler(connect),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


class _Handler(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """Opens http and https addresses through a given `connect`."""

    def __init__(self, connect: Connect) -> None:
        super().__init__()
        self.connect = connect

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self._open(http.client.HTTPConnection, req)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self._open(http.client.HTTPSConnection, req)

    def _open(self, kind: type[http.client.HTTPConnection], req: urllib.request.Request) -> http.client.HTTPResponse:
        def connection(host: str, **options: Any) -> Any:
            opened: Any = kind(host, **options)
            opened._create_connection = self.connect  # http.client has no public hook
            return opened

        return self.do_open(connection, req)
