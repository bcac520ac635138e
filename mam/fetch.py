"""Images that are given as an address or a data URI: their bytes, bounded in size."""

from __future__ import annotations

import base64
import binascii
import http.client
import ipaddress
import socket
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from mam.errors import InputError

MAX_BYTES = 100_000_000
_TIMEOUT = 30.0  # seconds without an answer


def is_address(text: str) -> bool:
    """Whether a string is an address (http, https) or a data URI, not a path."""
    return text.lower().startswith(("http://", "https://", "data:"))


def fetch(address: str, max_bytes: int = MAX_BYTES, *, public_only: bool = False) -> bytes:
    """Return what an address or a data URI holds.

    Args:
        address: http://, https:// or data:.
        max_bytes: more than this is refused.
        public_only: refuse addresses in private networks, also after a redirect: for servers that act for strangers.

    Raises:
        InputError: it cannot be read, is larger than `max_bytes`, or is not public.
    """
    if address[:5].lower() == "data:":
        return _decode_data_uri(address, max_bytes)
    shown = address if len(address) <= 100 else f"{address[:97]}..."
    opener = urllib.request.OpenerDirector()  # unlike the default one, it opens no files and no FTP
    for handler in (
        urllib.request.ProxyHandler({} if public_only else None),
        _HTTPHandler(public_only),
        _HTTPSHandler(public_only),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    try:
        request = urllib.request.Request(address, headers={"User-Agent": "matting-anything-practical"})
        with opener.open(request, timeout=_TIMEOUT) as answer:
            content: bytes = answer.read(max_bytes + 1)
    except urllib.error.HTTPError as error:
        raise InputError(f"{shown} answers with status {error.code} ({error.reason}).") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise InputError(f"{shown} cannot be read ({getattr(error, 'reason', None) or error}).") from None
    if len(content) > max_bytes:
        raise InputError(f"{shown} holds more than {max_bytes / 1e6:.0f} MB.")
    return content


def name_of(address: str) -> str:
    """Return the file name at the end of an address; empty for a data URI."""
    if address[:5].lower() == "data:":
        return ""
    return urllib.parse.unquote(urllib.parse.urlsplit(address).path).rpartition("/")[2]


def _decode_data_uri(uri: str, max_bytes: int) -> bytes:
    header, comma, body = uri.partition(",")
    if not comma:
        raise InputError("the data URI has no comma; expected data:image/png;base64,...")
    try:
        if header.lower().endswith(";base64"):
            if len(body) > max_bytes * 4 / 3 + 4:
                raise InputError(f"the data URI holds more than {max_bytes / 1e6:.0f} MB.")
            return base64.b64decode(urllib.parse.unquote(body), validate=True)
        return urllib.parse.unquote_to_bytes(body)
    except binascii.Error as error:
        raise InputError(f"the data URI is not valid base64 ({error}).") from None


def _connect_to_public(address: tuple[str, int], *args: Any, **options: Any) -> socket.socket:
    """`socket.create_connection` that connects to the very address that was checked."""
    host, port = address
    error: OSError = OSError(f"{host} has no address")
    for *_, found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        ip = ipaddress.ip_address(str(found[0]).partition("%")[0])
        if not (ip.is_global and not ip.is_multicast):
            raise OSError(f"{host} is not a public address")
        try:
            return socket.create_connection((str(found[0]), port), *args, **options)
        except OSError as failure:
            error = failure
    raise error


class _HTTPConnection(http.client.HTTPConnection):
    def __init__(self, host: str, *, public_only: bool, **options: Any) -> None:
        super().__init__(host, **options)
        if public_only:
            self._create_connection = _connect_to_public


class _HTTPSConnection(http.client.HTTPSConnection):
    def __init__(self, host: str, *, public_only: bool, **options: Any) -> None:
        super().__init__(host, **options)
        if public_only:
            self._create_connection = _connect_to_public


class _HTTPHandler(urllib.request.HTTPHandler):
    def __init__(self, public_only: bool) -> None:
        super().__init__()
        self.public_only = public_only

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_HTTPConnection, req, public_only=self.public_only)  # type: ignore[arg-type]


class _HTTPSHandler(urllib.request.HTTPSHandler):
    def __init__(self, public_only: bool) -> None:
        super().__init__()
        self.public_only = public_only

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_HTTPSConnection, req, public_only=self.public_only)  # type: ignore[arg-type]
