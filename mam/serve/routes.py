"""The routes for `mam serve` and the page: POST /api/remove as rembg's server, POST /v1.0/removebg as remove.bg."""

from __future__ import annotations

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
from mam.serve.limits import Busy, Turns, client_of

KEY = "MAM_API_KEY"
"""The environment variable with the key that requests have to state, if it is set."""
_RETRY = {"Retry-After": "5"}
_CODES = {400: "invalid_request", 403: "auth_failed", 413: "file_too_large", 429: "rate_limit_exceeded"}
_log = logging.getLogger(__name__)
Answer = tuple[bytes, str, Mapping[str, str]]
Work = Callable[[Mapping[str, Any]], Answer]


class Refusal(Exception):
    """A request that is not answered.

    Attributes:
        status: of HTTP.
        code: remove.bg's name of the error.
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
        turn: returns what is held while an object is cut out of a photo.
        at_once: how many requests run at the same time; one uses all cores that the model may use.
    """

    def __init__(
        self,
        matting: Callable[[], Matting],
        turn: Callable[[Photo], AbstractContextManager[Any]] = lambda photo: nullcontext(),
        at_once: int = 1,
    ) -> None:
        self._matting, self._turn, self._turns = matting, turn, Turns(at_once)
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
            texts = {name: value for name, value in fields.items() if isinstance(value, str)}
            with self._turn(photo):
                content = rembg.cut_out(photo, texts, Session("", self._matting()))
            return content, "image/png", {}

        try:
            return await self._answer(request, work)
        except Refusal as refusal:
            return JSONResponse(
                {"detail": str(refusal)}, refusal.status, _RETRY if refusal.status in (429, 503) else {}
            )

    async def _removebg(self, request: Request) -> Response:
        wants_json = "application/json" in request.headers.get("accept", "")

        def work(fields: Mapping[str, Any]) -> Answer:
            order = removebg.read_order({name: value for name, value in fields.items() if isinstance(value, str)})
            photo, background = self._read(_only_source(fields), "image_file"), fields.get("bg_image_file")
            behind = self._read(background, "bg_image_file") if background else None
            with self._turn(photo):
                content, kind, numbers = removebg.answer(photo, behind, order, self._matting())
            headers = {f"X-{name}": str(value) for name, value in numbers.items()}
            headers |= {"X-Type": "other", "X-Credits-Charged": "0"}
            if wants_json:
                content, kind = removebg.as_json(content, numbers), "application/json"
            return content, kind, headers

        try:
            return await self._answer(request, work)
        except Refusal as refusal:
            error = {"title": str(refusal), "code": refusal.code}
            return JSONResponse({"errors": [error]}, refusal.status, _RETRY if refusal.status in (429, 503) else {})

    async def _answer(self, request: Request, work: Work) -> Response:
        """Answer one request in its turn.

        Raises:
            Refusal: for any reason; defects are logged.
        """
        path, begun, status = request.url.path, time.monotonic(), 500
        try:
            _check_key(request)
            with self._turns.place(client_of(request)):
                fields = await _read_fields(request)
                content, kind, headers = await self._turns.run(lambda: work(fields))
            status = 200
            return Response(content, 200, dict(headers), kind)
        except Busy as error:
            status = error.status
            raise Refusal(status, str(error)) from None
        except Refusal as error:
            status = error.status
            raise
        except removebg.UnknownForeground as error:
            status = 400
            raise Refusal(status, str(error), "unknown_foreground") from error
        except ValueError as error:  # InputError and PromptError are such
            status = 400 if isinstance(error, MamError) else 500
            raise self._refusal(error, status) from error
        except ClientDisconnect:
            status = 413
            raise Refusal(status, f"at most {MOST_BYTES / 1e6:.0f} MB") from None
        except Exception as error:
            raise self._refusal(error, status) from error
        finally:
            self.requests[path, status] += 1
            self.seconds[path] += time.monotonic() - begun

    @staticmethod
    def _refusal(error: Exception, status: int) -> Refusal:
        if status == 400:
            return Refusal(status, str(error))
        _log.error("%s: %s", type(error).__name__, error, exc_info=not isinstance(error, MamError))
        return Refusal(500, "this failed; the server's log has the reason.")

    def _read(self, file: Any, name: str) -> Photo:
        """Decode an image in a process that is bounded in memory and time."""
        if not isinstance(file, bytes) or not file:
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
        lines += ["# TYPE mam_waiting gauge", f"mam_waiting {len(self._turns)}", ""]
        return Response("\n".join(lines), media_type="text/plain; version=0.0.4")


def _check_key(request: Request) -> None:
    key = os.environ.get(KEY, "")
    if key and not hmac.compare_digest(request.headers.get("x-api-key", "").encode(), key.encode()):
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


def _as_text(value: object) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _only_source(fields: Mapping[str, Any]) -> bytes:
    """Return the image of a request to remove.bg's route."""
    file, text = fields.get("image_file"), fields.get("image_file_b64")
    if file and text:
        raise Refusal(400, "both image_file and image_file_b64 were given; send one.", "multiple_sources")
    if isinstance(text, str) and text:
        try:
            return base64.b64decode(text.partition(",")[2] if text.startswith("data:") else text, validate=False)
        except (binascii.Error, ValueError):
            raise Refusal(400, "image_file_b64 is no base64.") from None
    if not file:
        raise Refusal(400, "no image was given; send image_file or image_file_b64.", "missing_source")
    return file
