"""Checks of requests before an application sees them: the names it is known by, other sites, the length of bodies.

Without a check of the Host, a site whose name is pointed at this machine (DNS rebinding) has the server's own origin.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Sequence
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MEGABYTES = 50
"""The largest uploaded file."""
MOST_BYTES = MEGABYTES * 1_400_000
"""The longest request: a file as base64."""


def known_hosts(hosts: Sequence[str] = ()) -> frozenset[str]:
    """Return names in lower case together with those that are allowed always: localhost, this machine's, a Space's."""
    own = ["localhost", (name := socket.gethostname()), f"{name}.local", os.environ.get("SPACE_HOST", "")]
    return frozenset(host.lower() for host in (*own, *hosts) if host)


class Guard:
    """Middleware that refuses requests.

    Args:
        app: the application.
        hosts: names by which visitors know it, from `known_hosts`; "*.example.org" for all below one, "*" for any. IP
            addresses are allowed always: nobody can point another name at them.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on with a bound on its body."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refusal = self.refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        left = self.most_bytes(scope["path"])

        async def bounded() -> Message:
            nonlocal left
            message = await receive()
            if left is not None:
                left -= len(message.get("body", b""))
                if left < 0:  # chunks of a request that did not state its length
                    return {"type": "http.disconnect"}
            return message

        await self.app(scope, bounded, send)

    def most_bytes(self, path: str) -> int | None:
        """Return how many bytes the body of a request for a path may have; None for any number."""
        return MOST_BYTES

    def refusal(self, scope: Scope) -> PlainTextResponse | None:
        """Return the answer to a request that is refused."""
        headers = Headers(scope=scope)
        host = headers.get("x-forwarded-host", headers.get("host", "")).partition(",")[0].strip().lower()
        for given in {host, headers.get("host", "").lower()}:
            if not self._is_allowed(given):
                name = _name(given)[:100]
                return refuse(421, f"this server is not known as {name!r}; its owner may start it with --allowed-host")
        origin = headers.get("origin")
        if origin is not None and not self._is_same(origin.lower(), host):
            return refuse(403, "this server answers no other site")
        length, most = headers.get("content-length", "0"), self.most_bytes(scope["path"])
        is_number = length.isascii() and length.isdigit() and len(length) < 20
        if most is not None and (not is_number or int(length) > most):
            return refuse(413, f"at most {most / 1e6:.0f} MB")
        return None

    def _is_allowed(self, host: str) -> bool:
        name = _name(host)
        try:
            return bool(ipaddress.ip_address(name))
        except ValueError:
            parents = [f"*.{name.split('.', n)[n]}" for n in range(1, name.count(".") + 1)]
            return not self.hosts.isdisjoint(["*", name, *parents])

    @staticmethod
    def _is_same(origin: str, host: str) -> bool:
        """Whether an origin is the server's; a proxy may leave the port out of the host."""
        given = origin.partition("://")[2]
        return bool(given) and (given == host or (_name(given) == host and ":" not in host.rpartition("]")[2]))


def refuse(status: int, text: str) -> Any:
    """Return an answer in plain text."""
    return PlainTextResponse(text, status)


def _name(host: str) -> str:
    """Return a host without its port."""
    return host[1 : host.find("]")] if host.startswith("[") else host.partition(":")[0]
