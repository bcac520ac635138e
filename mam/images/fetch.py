"""Images that are given as an address or a data URI: their bytes, bounded in size and time."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import socket
import urllib.parse
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from mam.errors import InputError

if TYPE_CHECKING:
    import httpx

MAX_BYTES = 100_000_000
_SECONDS = 60.0  # for the whole answer, redirects included
_SECONDS_IN_PUBLIC = 20.0
_SECONDS_TO_CONNECT = 10.0
_REDIRECTS = 5
_PUBLIC_PORTS = (80, 443)
# What `is_global` lets through although it is private, special to a cloud, or leads to IPv4 in disguise; of IPv6 only
# 2000::/3 is the internet, which leaves out NAT64, mapped IPv4 and site-local addresses.
_IPV6 = ipaddress.ip_network("2000::/3")
_SPECIAL = "100.64.0.0/10 168.63.129.16/32 192.0.0.0/24 192.88.99.0/24 224.0.0.0/4 2001::/23 2002::/16 3fff::/20"
_NOT_PUBLIC = [*map(ipaddress.ip_network, _SPECIAL.split())]


def is_address(text: str) -> bool:
    """Whether a string is an address (http, https) or a data URI, not a path."""
    return text.lower().startswith(("http://", "https://", "data:"))


def fetch(address: str, max_bytes: int = MAX_BYTES, *, public_only: bool = False) -> bytes:
    """Return what an address or a data URI holds.

    Args:
        address: http://, https:// (both need httpx) or data:.
        max_bytes: more than this is refused.
        public_only: refuse addresses in private networks, also after a redirect, and unusual ports, and wait for 20
            seconds instead of 60: for servers that fetch what visitors ask for.

    Raises:
        InputError: it cannot be read in time, is larger than `max_bytes`, or is not public.
    """
    if address[:5].lower() == "data:":
        return _decode_data_uri(address, max_bytes)
    shown = shorten_address(address)
    try:
        import httpx
    except ImportError as error:
        raise InputError(f"{shown} cannot be read: addresses need httpx ({error}); run: pip install httpx") from error
    seconds = _SECONDS_IN_PUBLIC if public_only else _SECONDS
    try:
        content = _run(_download(address, max_bytes, seconds, public_only))
    except TimeoutError:
        raise InputError(f"{shown} cannot be read (no answer within {seconds:.0f} s).") from None
    except httpx.HTTPStatusError as error:
        answer = error.response
        raise InputError(f"{shown} answers with status {answer.status_code} ({answer.reason_phrase}).") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, ImportError) as error:  # socks needs a package
        raise InputError(f"{shown} cannot be read ({str(error) or type(error).__name__}).") from None
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


def _run(download: Coroutine[Any, Any, bytes]) -> bytes:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(download)
    with ThreadPoolExecutor(1) as thread:  # this one runs an event loop already, as in a notebook
        return thread.submit(asyncio.run, download).result()


async def _download(address: str, max_bytes: int, seconds: float, public_only: bool) -> bytes:
    """Return what an address holds, or its beginning of more than `max_bytes`.

    Raises:
        TimeoutError: it took longer than `seconds`. Timeouts of httpx would begin anew with every byte.
        httpx.HTTPError: it cannot be read.
    """
    import httpx

    headers = {"User-Agent": "matting-anything-practical", "Accept-Encoding": "identity"}
    transport = _public_transport() if public_only else None
    content = bytearray()
    async with (
        asyncio.timeout(seconds),
        httpx.AsyncClient(
            transport=transport,
            trust_env=not public_only,  # proxies
            timeout=httpx.Timeout(None, connect=_SECONDS_TO_CONNECT),
            follow_redirects=True,
            max_redirects=_REDIRECTS,
            headers=headers,
        ) as client,
        client.stream("GET", address) as answer,
    ):
        answer.raise_for_status()
        async for chunk in answer.aiter_raw():
            content += chunk
            if len(content) > max_bytes:
                break
    return bytes(content)


def _public_transport() -> httpx.AsyncBaseTransport:
    """Return a transport that connects to the very IP addresses that it checked, for each redirect anew."""
    import httpx

    class PublicTransport(httpx.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            host, port = request.url.host, request.url.port or (443 if request.url.scheme == "https" else 80)
            if port not in _PUBLIC_PORTS:
                raise httpx.ConnectError(f"port {port} is not one of {_PUBLIC_PORTS}")
            entries = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found = list(dict.fromkeys(str(entry[4][0]) for entry in entries))
            if not all(map(_is_public, found)):
                raise httpx.ConnectError(f"{host} is not a public address")
            failure: httpx.TransportError = httpx.ConnectError(f"{host} has no address")
            for ip in found:
                try:
                    return await super().handle_async_request(
                        httpx.Request(
                            request.method,
                            request.url.copy_with(host=ip),
                            headers=request.headers,  # `Host` keeps the name
                            extensions={**request.extensions, "sni_hostname": host},
                        )
                    )
                except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                    failure = error
            raise failure

    return PublicTransport()


def _is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address)
    return ip.is_global and (ip.version == 4 or ip in _IPV6) and not any(ip in network for network in _NOT_PUBLIC)
