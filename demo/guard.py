"""Checks of requests before Gradio sees them, and the headers of every answer; takes the place of Gradio's CORS.

Gradio lets any site call a page that is not on localhost, with cookies. It checks no Host, so a site whose name is
pointed at this machine (DNS rebinding) has the page's own origin. Here other sites are refused, and so are names that
the page is not known by.
"""

from __future__ import annotations

import functools
import ipaddress
import os
import re
import socket
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from gradio import routes
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from demo.canvas.protocol import LIMITS

# Parts of Gradio that the page does not use: figures about visitors, stored runs, a proxy, an editor of the page.
_CLOSED = re.compile(
    r"/(monitoring|gradio_api/(runs|run-history|deep_link|proxy=|vibe-|undo-vibe-|process_recording|dev/|profiling))"
)
_UPLOADS = re.compile(r"/gradio_api/upload/?$")
_MOST_BYTES = LIMITS.upload_megabytes * 1_400_000  # of a request that is no upload: a file as a data URI is the longest
# Gradio needs inline and evaluated scripts: its configuration, and the scripts of components.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self' data: blob:; font-src 'self' data:; media-src 'self' data: blob:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors {frames}"
)
_FILE_POLICY = "default-src 'none'; sandbox"


def guard_requests(hosts: Sequence[str] = (), frames: str = "") -> None:
    """Have the pages that are launched or mounted from now on check their requests.

    Args:
        hosts: Names by which visitors know the page, "*.example.org" for all below one, "*" for any. IP addresses,
            localhost, this machine's name and a Space's are allowed always: nobody can point another name at them.
        frames: Origins of sites that may show the page in a frame; a Space's may be shown by Hugging Face.
    """
    own = ["localhost", (name := socket.gethostname()), f"{name}.local", os.environ.get("SPACE_HOST", "")]
    if "SPACE_ID" in os.environ:
        frames += " https://huggingface.co https://*.hf.space"
    allowed = frozenset(host.lower() for host in (*own, *hosts) if host)
    policy = _POLICY.format(frames=f"'self' {frames}".strip())
    routes.CustomCORSMiddleware = functools.partial(_Guard, hosts=allowed, policy=policy)  # type: ignore[misc, assignment]


class _Guard:
    """The middleware; Gradio's arguments are not needed."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str], policy: str, **_: object) -> None:
        self.app, self.hosts, self.policy = app, hosts, policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        send = functools.partial(self._send, send, "/file=" in scope["path"])
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        left = None if _UPLOADS.search(scope["path"]) else _MOST_BYTES  # Gradio bounds files while they arrive

        async def bounded() -> Message:
            nonlocal left
            message = await receive()
            if left is not None:
                left -= len(message.get("body", b""))
                if left < 0:  # chunks of a request that did not state its length
                    return {"type": "http.disconnect"}
            return message

        await self.app(scope, bounded, send)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers, path = Headers(scope=scope), scope["path"]
        host = headers.get("x-forwarded-host", headers.get("host", "")).partition(",")[0].strip().lower()
        for given in {host, headers.get("host", "").lower()}:
            if not self._is_allowed(given):
                name = _name(given)[:100]
                return _refuse(421, f"this page is not known as {name!r}; its owner may start it with --allowed-host")
        origin = headers.get("origin")
        if origin is not None and not self._is_same(origin.lower(), host):
            return _refuse(403, "this page answers no other site")
        if _CLOSED.search(path):
            return _refuse(404, "not found")
        length = headers.get("content-length", "0")
        if not _UPLOADS.search(path) and (not length.isascii() or not length.isdigit() or int(length) > _MOST_BYTES):
            return _refuse(413, f"at most {_MOST_BYTES / 1e6:.0f} MB")
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
        """Whether an origin is the page's; a proxy may leave the port out of the host."""
        given = urlsplit(origin).netloc
        return bool(given) and (given == host or (_name(given) == host and ":" not in host.rpartition("]")[2]))

    async def _send(self, send: Send, is_file: bool, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Content-Security-Policy"] = _FILE_POLICY if is_file else self.policy
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Referrer-Policy"] = "same-origin"
        await send(message)


def _name(host: str) -> str:
    """Return a host without its port."""
    return host[1 : host.find("]")] if host.startswith("[") else host.partition(":")[0]


def _refuse(status: int, text: str) -> Any:
    return PlainTextResponse(text, status)
