"""What servers answer to a request for a file: whether it is the file, and what else they say."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from mam.errors import WeightsError
from mam.weights.cache import cache_folder
from mam.weights.registry import WeightFile

if TYPE_CHECKING:
    import httpx


def linked_sha256(response: httpx.Response) -> str:
    """Return the SHA-256 in the hub's redirection to a large file; empty if there is none."""
    tags = [earlier.headers.get("X-Linked-Etag", "").strip('"') for earlier in (*response.history, response)]
    return next((tag for tag in tags if re.fullmatch("[0-9a-f]{64}", tag)), "")


def check_answer(weights: WeightFile, url: str, response: httpx.Response, start: bytes) -> None:
    """Check that an answer is the file, by its type, its length and, of a whole file, its first bytes.

    Raises:
        WeightsError: it is a page of a network or a proxy, or another file.
    """
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    is_whole = response.status_code == 200
    if is_page(weights, kind, start if is_whole else b""):
        raise WeightsError(
            f"{url} answered with a page ({kind or 'HTML'}) in place of {weights.name}: perhaps this network asks for "
            "a login. Open a browser and log in, then run the same command again."
        )
    length = response.headers.get("Content-Length") if is_whole else content_range(response)[1]
    difference = f"has {length} bytes, expected {weights.size}"
    if is_whole and not _may_hold_tensors(weights.name, start):
        difference = f"begins with {start[:8]!r}, which no such file does"
    elif not length or not weights.size or int(length) == weights.size:
        return
    raise WeightsError(
        f"{url} is another file than {weights.name}: it {difference}; get the file elsewhere and put it into "
        f"{cache_folder()}."
    )


def _may_hold_tensors(name: str, start: bytes) -> bool:
    """Whether a file may be what its name promises: safetensors, or a checkpoint, a zip archive or a pickle."""
    if name.endswith(".safetensors"):
        return start[8:9] in (b"{", b"")
    return not name.endswith((".pth", ".pt")) or not start or start.startswith((b"PK\x03\x04", b"\x80"))


def is_page(weights: WeightFile, kind: str, start: bytes) -> bool:
    """Return whether an answer is HTML, or a message in JSON in place of a file of numbers."""
    text = start.removeprefix(codecs.BOM_UTF8).lstrip().lower()
    if kind in ("text/html", "application/xhtml+xml") or text.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        return True
    return kind == "application/json" and not weights.name.endswith(".json")


def content_range(response: httpx.Response) -> tuple[int | None, str]:
    """Return where a partial answer begins, and the length of the whole file; None and "" if the server omits them."""
    given = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
    return (None, "") if given is None else (int(given[1]), given[2].replace("*", ""))


def describe_status(response: httpx.Response) -> str:
    """Return what a server says about its refusal, as a clause of an error message."""
    reason = response.headers.get("X-Error-Message")  # the hub explains refusals in a sentence
    problem = f"the server answered {response.status_code} {response.reason_phrase}"
    return f"{problem}: {reason}" if reason else problem


def advice_for(weights: WeightFile, status: int, token_refused: bool) -> str:
    """Return what a user can do when a server refuses a request, as a clause of an error message."""
    if token_refused:
        return "your token has expired or is wrong: renew HF_TOKEN, or log in again with `hf auth login`"
    if weights.url.startswith("hf://") and status in (401, 403):
        return (
            "accept the conditions on the repository's page, if it has any, and log in with `hf auth login` or HF_TOKEN"
        )
    return f"get the file elsewhere and put it into {cache_folder()}"
