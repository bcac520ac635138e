"""Checks of requests before Gradio sees them, and the headers of every answer; takes the place of Gradio's CORS.

Gradio lets any site call a page that is not on localhost, with cookies, and checks no Host (`mam.serve.guard`). Here
other sites are refused, and so are names that the page is not known by.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Sequence

from gradio import routes
from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mam.serve.guard import Guard, known_hosts, refuse

# Parts of Gradio that the page does not use: figures about visitors, stored runs, a proxy, an editor of the page.
_CLOSED = re.compile(
    r"/(monitoring|gradio_api/(runs|run-history|deep_link|proxy=|vibe-|undo-vibe-|process_recording|dev/|profiling))"
)
_UPLOADS = re.compile(r"/gradio_api/upload/?$")
_EVENTS = "/gradio_api/"
EVENT_BYTES = 8_000_000
"""Of a request to Gradio's other routes, which takes several times as much memory and may wait in the queue."""
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
        hosts: Names by which visitors know the page, as for `mam.serve.guard.Guard`.
        frames: Origins of sites that may show the page in a frame; a Space's may be shown by Hugging Face.
    """
    if "SPACE_ID" in os.environ:
        frames += " https://huggingface.co https://*.hf.space"
    policy = _POLICY.format(frames=f"'self' {frames}".strip())
    routes.CustomCORSMiddleware = functools.partial(_Guard, hosts=known_hosts(hosts), policy=policy)  # type: ignore[misc, assignment]


class _Guard(Guard):
    """The middleware; Gradio's arguments are not needed."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str], policy: str, **_: object) -> None:
        super().__init__(app, hosts)
        self.policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            send = functools.partial(self._send, send, "/file=" in scope["path"])
        await super().__call__(scope, receive, send)

    def most_bytes(self, path: str) -> int | None:
        if _UPLOADS.search(path):
            return None  # Gradio bounds files while they arrive
        return EVENT_BYTES if _EVENTS in path else super().most_bytes(path)

    def refusal(self, scope: Scope) -> PlainTextResponse | None:
        closed = refuse(404, "not found") if _CLOSED.search(scope["path"]) else None
        return super().refusal(scope) or closed

    async def _send(self, send: Send, is_file: bool, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Content-Security-Policy"] = _FILE_POLICY if is_file else self.policy
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Referrer-Policy"] = "same-origin"
        await send(message)
