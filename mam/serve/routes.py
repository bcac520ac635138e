"""The routes for `mam serve` and the page: POST /api/remove as rembg's server, POST /v1.0/removebg as remove.bg."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import logging
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mam.compat.rembg import Session
from mam.errors import MamError
from mam.images import Photo
from mam.matting import Matting
from mam.serve import rembg, removebg
from mam.serve.decoding import read_image
from mam.serve.guard import MEGABYTES, MOST_BYTES
from mam.serve.limits import Busy, RequestQueue, client_of

KEY = "MAM_API_KEY"
"""The environment variable with the key that requests have to state, if it is set."""
_ARRIVAL = 300  # seconds in which a request has to arrive, as it holds a place in the queue
_CODES = {400: "invalid_request", 403: "auth_failed", 413: "file_too_large", 429: "rate_limit_exceeded"}
_log = logging.getLogger(__name__)
Answer = tuple[bytes, str, Mapping[str, str]]
Work = Callable[[Mapping[str, Any]], Answer]


class Refusal(Exception):
    """A request that is not answered.

    Attributes:
        status: the HTTP status.
        code: remove.bg's name for the error.
    """

    def __init__(self, status: int, text: str, code: str = "") -> None:
        self.status, self.code = status, code or _CODES.get(status, "internal_error")
        super().__init__(text)


class Routes:
    """What answers the requests.

    Attributes:
        requests: how many were answered, by path and status.
        seconds: how long answers took, by path, with the time in the queue.

    Args:
        matting: returns the model.
        hold: returns what is held while an object is cut out of a photo.
        at_once: how many requests run at the same time; one uses all cores that the model may use.
    """

    def __init__(
        self,
        matting: Callable[[], Matting],
        hold: Callable[[Photo], AbstractContextManager[Any]] = lambda photo: nullcontext(),
        at_once: int = 1,
    ) -> None:
        self._matting, self._hold, self._queue = matting, hold, RequestQueue(at_once)
        self.requests, self.seconds = Counter[tuple[str, int]](), defaultdict[str, float](float)

    def cutting(self) -> list[Route]:
        """Return the routes that cut out."""
        return [
            Route("/api/remove", self._rembg, methods=["GET", "POST"]),
            Route("/v1.0/removebg", self._removebg, methods=["POST"]),
        ]

    def all(self) -> list[Route]:
        """Return the routes that cut out, /health and /metrics."""
        return [*self.cutting(), Route("/health", self._health), Route("/metrics", self._metrics)]

    async def _rembg(self, request: Request) -> Response:
        def work(fields: Mapping[str, Any]) -> Answer:
            photo = self._read(fields.get("file"), "file")
            with self._hold(photo):
                content = rembg.cut_out(photo, _texts(fields), Session("", self._matting()))
            return content, "image/png", {}

        return await self._answer(request, work, lambda refusal: {"detail": str(refusal)})

    async def _removebg(self, request: Request) -> Response:
        wants_json = "application/json" in request.headers.get("accept", "")

        def work(fields: Mapping[str, Any]) -> Answer:
            parameters = removebg.read_parameters(_texts(fields))
            photo, background = self._read(_only_source(fields), "image_file"), fields.get("bg_image_file")
            behind = self._read(background, "bg_image_file") if background else None
            with self._hold(photo):
                content, kind, numbers = removebg.answer(photo, behind, parameters, self._matting())
            headers = {f"X-{name}": str(value) for name, value in numbers.items()}
            headers |= {"X-Type": "other", "X-Credits-Charged": "0"}
            if wants_json:
                content, kind = removebg.as_json(content, numbers), "application/json"
            return content, kind, headers

        return await self._answer(
            request, work, lambda refusal: {"errors": [{"title": str(refusal), "code": refusal.code}]}
        )

    async def _answer(self, request: Request, work: Work, describe: Callable[[Refusal], dict[str, Any]]) -> Response:
        """Answer one request when it is its turn.

        Args:
            request: the request.
            work: returns the answer to its fields; called in a thread.
            describe: returns the JSON of an error.
        """
        path, begun = request.url.path, time.monotonic()
        response: Response
        try:
            _check_key(request)
            with self._queue.place(client_of(request)):
                async with asyncio.timeout(_ARRIVAL):
                    fields = await _read_fields(request)
                async with self._queue.running:
                    if await request.is_disconnected():  # it has given up, so nothing is computed for it
                        raise Refusal(499, "the client is gone.")
                    content, kind, headers = await run_in_threadpool(work, fields)
            response = Response(content, 200, dict(headers), kind)
        except (Exception, asyncio.CancelledError) as error:
            refusal = _refusal(error)
            headers = {"Retry-After": "5"} if refusal.status in (429, 503) else {}
            response = JSONResponse(describe(refusal), refusal.status, headers)
        self.requests[path, response.status_code] += 1
        self.seconds[path] += time.monotonic() - begun
        return response

    def _read(self, file: Any, name: str) -> Photo:
        """Decode an image in a process that is bounded in memory and time."""
        if not isinstance(file, bytes):
            raise Refusal(400, f"{name} is missing; send an image as multipart/form-data.", "missing_source")
        return read_image(file, self._matting().max_pixels)

    async def _health(self, request: Request) -> Response:
        graphs = self._matting().graphs
        return JSONResponse({"status": "ok", "model": graphs.variant, "provider": graphs.provider})

    async def _metrics(self, request: Request) -> Response:
        """Return counts in the text format of Prometheus."""
        lines = ["# TYPE mam_requests_total counter"]
        lines += [
            f'mam_requests_total{{path="{path}",status="{status}"}} {count}'
            for (path, status), count in sorted(self.requests.items())
        ]
        lines.append("# TYPE mam_seconds_total counter")
        lines += [f'mam_seconds_total{{path="{path}"}} {seconds:.3f}' for path, seconds in sorted(self.seconds.items())]
        lines += ["# TYPE mam_waiting gauge", f"mam_waiting {len(self._queue)}", ""]
        return Response("\n".join(lines), media_type="text/plain; version=0.0.4")


def _refusal(error: BaseException) -> Refusal:
    """Return the answer to an error, and log errors that the client did not cause."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, Busy):
        return Refusal(error.status, str(error))
    if isinstance(error, MamError) and isinstance(error, ValueError):  # InputError, PromptError
        code = "unknown_foreground" if isinstance(error, removebg.UnknownForeground) else ""
        return Refusal(400, str(error), code)
    if isinstance(error, ClientDisconnect):  # by `Guard`, too
        return Refusal(413, f"at most {MOST_BYTES / 1e6:.0f} MB")
    if isinstance(error, asyncio.CancelledError):
        return Refusal(503, "the server is being stopped.")
    if isinstance(error, TimeoutError):
        return Refusal(408, f"the request did not arrive within {_ARRIVAL} seconds.")
    _log.error(
        "%s: %s", type(error).__name__, error, exc_info=None if isinstance(error, (MamError, OSError)) else error
    )
    return Refusal(500, "this failed; the server's log has the reason.")


def _check_key(request: Request) -> None:
    key = os.environ.get(KEY, "").strip()
    given = request.headers.get("x-api-key", "").encode("latin-1")  # the bytes as they were sent
    if key and not hmac.compare_digest(given, key.encode()):
        raise Refusal(403, "X-Api-Key is missing or wrong.")


async def _read_fields(request: Request) -> dict[str, Any]:
    """Return the fields of the address and the body; files as bytes.

    Raises:
        Refusal: the body cannot be read, a file is too large, or an address is to be opened.
    """
    fields: dict[str, Any] = dict(request.query_params)
    if request.headers.get("content-type", "").partition(";")[0].strip() == "application/json":
        try:
            body = await request.json()
            fields |= {name: value if isinstance(value, str) else _as_text(value) for name, value in body.items()}
        except (ValueError, AttributeError, RecursionError):
            raise Refusal(400, "the body is no object of JSON.") from None
    elif request.method == "POST":
        try:
            async with request.form(max_files=2, max_fields=50, max_part_size=MOST_BYTES) as form:
                for name, value in form.items():
                    fields[name] = await _content(name, value) if isinstance(value, UploadFile) else value
        except HTTPException as error:
            raise Refusal(400, str(error.detail)) from None
    for name in ("url", "image_url", "bg_image_url"):
        if fields.get(name):
            raise Refusal(400, f"{name}: this server opens no addresses; send the image itself.", "invalid_image_url")
    return fields


async def _content(name: str, file: UploadFile) -> bytes:
    if (file.size or 0) > MEGABYTES * 1_000_000:
        raise Refusal(413, f"{name} has {(file.size or 0) / 1e6:.0f} MB; at most {MEGABYTES} are accepted.")
    return await file.read()


def _texts(fields: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if isinstance(value, str)}


def _as_text(value: object) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _only_source(fields: Mapping[str, Any]) -> bytes:
    """Return the image of a request to remove.bg's route."""
    file, text = fields.get("image_file"), fields.get("image_file_b64")
    if file and text:
        raise Refusal(400, "both image_file and image_file_b64 were given; send one.", "multiple_sources")
    if isinstance(text, str) and text:
        try:
            encoded = text.partition(",")[2] if text.startswith("data:") else text
            return base64.b64decode("".join(encoded.split()), validate=True)
        except (binascii.Error, ValueError):
            raise Refusal(400, "image_file_b64 is no base64.") from None
    if not isinstance(file, bytes):
        raise Refusal(400, "no image was given; send image_file or image_file_b64.", "missing_source")
    return file
