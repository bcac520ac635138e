"""Resumable downloads of checkpoints into the cache, with retries."""

from __future__ import annotations

import contextlib
import errno
import itertools
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mam.errors import WeightsError
from mam.weights.answers import advice_for, check_answer, content_range, describe_status, is_page, linked_sha256
from mam.weights.cache import (
    cache_folder,
    exclusive_lock,
    how_to_get,
    no_link,
    required_packages,
    verification_record,
    verified_path,
    verify,
)
from mam.weights.registry import WeightFile, look_up

if TYPE_CHECKING:
    import httpx

Progress = Callable[[int, int], None]
"""Called with the number of bytes received and the number expected (0 if unknown)."""

_log = logging.getLogger(__name__)

_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")
_START = 1024  # bytes of a file by which a page is recognised
_STEP = 5  # percent of a download between two lines
RETRY_DELAYS = (1.0, 2.0, 4.0, 8.0)  # seconds before the second attempt, the third, ...


def fetch(name: str, progress: Progress | None = None) -> Path:
    """Return the path of a file, and download it first if it is not cached.

    A download resumes where an earlier one stopped, and is verified before it gets its final name. If several
    processes need the same file, one downloads it and the others wait.

    Args:
        name: the file's name in the registry.
        progress: called after each block that has been received.

    Raises:
        WeightsError: downloads are forbidden, all attempts failed, the disk is full, the file differs from the
            published one, or it can only be downloaded in a browser.
    """
    weights, file = look_up(name), cache_folder() / name
    if file.exists():
        return verified_path(name)
    if not weights.url:
        raise WeightsError(f"{name} is not in {cache_folder()}; {how_to_get(weights)}.")
    if is_offline():
        raise WeightsError(
            f"{name} is not in {cache_folder()} and MAM_OFFLINE forbids downloads; put the file there yourself."
        )
    with exclusive_lock(file):
        if not file.exists():  # another process may have downloaded it in the meantime
            partial = file.with_name(f"{name}.partial")
            url, headers = _source(weights)
            published = _download(weights, url, headers, partial, progress)
            try:
                verify(replace(weights, sha256=weights.sha256 or published), partial)
            except WeightsError:
                _discard(partial)  # a wrong file must not be resumed
                raise
            os.replace(partial, file)
            _discard(partial)
            with contextlib.suppress(FileNotFoundError):  # without a record the file is verified once more
                os.replace(verification_record(partial), verification_record(file))
    return verified_path(name)


def is_offline() -> bool:
    """Return whether MAM_OFFLINE forbids downloads."""
    return _is_set("MAM_OFFLINE")


def may_download(name: str) -> bool:
    """Return whether no variable forbids the download of a file: MAM_OFFLINE, or HF_HUB_OFFLINE for one on the hub."""
    on_hub = look_up(name).url.startswith("hf://") and not os.environ.get("MAM_MIRROR")
    return not is_offline() and not (on_hub and _is_set("HF_HUB_OFFLINE"))


def log_progress(name: str, log: Callable[[str], None]) -> Progress:
    """Return a callback for `fetch` that logs a line for every 5% of a download.

    Args:
        name: the file's name.
        log: called with one line at a time.
    """
    last = -_STEP

    def progress(have: int, expected: int) -> None:
        nonlocal last
        percent = 100 * have // expected if expected else 0
        if percent >= last + _STEP:
            last = percent - percent % _STEP
            log(f"Downloading {name}: {percent}% of {expected / 1e6:.0f} MB")

    return progress


def _is_set(variable: str) -> bool:
    return os.environ.get(variable, "").lower() in ("1", "on", "true", "yes")


def _source(weights: WeightFile) -> tuple[str, dict[str, str]]:
    """Return the URL of a file, on the mirror if there is one, and the headers of its request."""
    mirror = os.environ.get("MAM_MIRROR")
    if mirror:
        return f"{mirror.rstrip('/')}/{weights.name}", {}
    if weights.url.startswith("hf://"):
        return _hub_source(weights)
    return weights.url, {}


def _hub_source(weights: WeightFile) -> tuple[str, dict[str, str]]:
    """Return the URL of a file on the Hugging Face hub, and the header with the user's login, if there is one.

    huggingface_hub reads both from `HF_ENDPOINT`, `HF_TOKEN` and `hf auth login`. It is not used for the download
    itself, because it starts over after an interruption.

    Raises:
        WeightsError: HF_HUB_OFFLINE is set.
    """
    with required_packages():
        from huggingface_hub import constants, get_token, hf_hub_url

    if constants.HF_HUB_OFFLINE:
        raise WeightsError(
            f"{weights.name} is not in {cache_folder()} and HF_HUB_OFFLINE forbids downloads; "
            "put the file there yourself."
        )
    kind, parts = None, weights.url.removeprefix("hf://").split("/")
    if parts[0] == "spaces":
        kind, parts = "space", parts[1:]
    token = None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    repository, _, revision = "/".join(parts[:2]).partition("@")
    return hf_hub_url(repository, "/".join(parts[2:]), repo_type=kind, revision=revision or None), headers


def _download(
    weights: WeightFile,
    url: str,
    headers: dict[str, str],
    partial: Path,
    progress: Progress | None,
    token_refused: bool = False,
) -> str:
    """Download the missing part of a file, and resume after each interruption.

    A file may be public although the user's token has expired, so a refused token is left out.

    Returns:
        The SHA-256 that the Hugging Face hub has for the file; empty if the server gives none.
    """
    with required_packages():
        import httpx

    problem = "no attempt was made"
    version = partial.with_name(f"{partial.name}.etag")  # of the file that the partial one is a part of
    if partial.exists() and is_page(weights, "", partial.read_bytes()[:_START]):  # kept by an earlier release
        _discard(partial)
    for delay in (0.0, *RETRY_DELAYS):
        time.sleep(delay)
        have = partial.stat().st_size if partial.exists() else 0
        request_headers = {**headers, "Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
        try:
            with _open_stream(url, request_headers) as response:
                # The partial file is complete or a different file; `verify` distinguishes them.
                if response.status_code == 416 and have:
                    return linked_sha256(response)
                if response.status_code == 401 and "Authorization" in headers:
                    problem = describe_status(response)
                    _log.warning("%s: your token is refused (%s); trying without it.", weights.name, problem)
                    return _download(weights, url, {}, partial, progress, token_refused=True)
                if response.status_code not in (200, 206):
                    problem = describe_status(response)
                    if response.status_code < 500 and response.status_code not in (408, 429):
                        advice = advice_for(weights, response.status_code, token_refused)
                        raise WeightsError(f"{weights.name} cannot be downloaded from {url} ({problem}); {advice}.")
                    continue
                if response.status_code == 200:
                    have = 0  # the server ignores ranges and sends the whole file
                if have and not _continues(response, have, version):
                    problem = "the server has another version of the file than the part that arrived before"
                    _discard(partial)
                    continue
                expected = weights.size or have + int(response.headers.get("Content-Length", 0))
                _check_free_space(partial.parent, expected - have)
                blocks = response.iter_raw()  # not decoded or regrouped, so that nothing received is lost
                start = next(blocks, b"")
                check_answer(weights, url, response, start)
                if have == 0:
                    with open(version, "w", opener=no_link) as file:
                        file.write(response.headers.get("ETag", ""))
                with open(partial, "ab" if have else "wb", opener=no_link) as file:
                    for block in itertools.chain([start], blocks):
                        file.write(block)
                        have += len(block)
                        if progress is not None:
                            progress(have, expected)
                if not weights.size or have >= weights.size:
                    return linked_sha256(response)
                problem = f"the connection closed after {have} of {weights.size} bytes"
        except httpx.HTTPError as error:
            problem = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        except OSError as error:
            if error.errno == errno.ENOSPC:
                _check_free_space(partial.parent, None)
            raise WeightsError(f"{partial} cannot be written ({error}).") from error
    has_part = partial.exists() and partial.stat().st_size > 0
    advice = "the part that arrived is kept, so run the same command again to resume" if has_part else "try again later"
    raise WeightsError(f"{weights.name} could not be downloaded from {url} ({problem}); {advice}.")


@contextlib.contextmanager
def _open_stream(url: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
    """Open a response, through the proxy that the environment names.

    Raises:
        WeightsError: the proxy is of a kind that needs another package, or of none that is known.
        httpx.HTTPError: as httpx.
    """
    import httpx

    try:
        client = httpx.Client(follow_redirects=True, timeout=60)
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        named = [name for name in (*_PROXIES, *map(str.lower, _PROXIES)) if os.environ.get(name)]
        raise WeightsError(
            f"a proxy in {' or '.join(named) or 'the settings of this system'} cannot be used ({error}); expected "
            'http://HOST:PORT, or socks5://HOST:PORT after pip install "httpx[socks]".'
        ) from None
    with client, client.stream("GET", url, headers=headers) as response:
        yield response


def _continues(response: httpx.Response, have: int, version: Path) -> bool:
    """Whether a partial answer (206) begins where a partial file ends, and is of the same version of the file."""
    if content_range(response)[0] not in (have, None):
        return False
    earlier, now = version.read_text() if version.exists() else "", response.headers.get("ETag", "")
    return not (earlier and now and earlier != now)


def _discard(partial: Path) -> None:
    """Delete a partial file, and what is recorded about it."""
    for file in (partial, partial.with_name(f"{partial.name}.etag")):
        file.unlink(missing_ok=True)


def _check_free_space(folder: Path, needed: int | None) -> None:
    free = shutil.disk_usage(folder).free
    if needed is None or needed > free:
        wanted = "" if needed is None else f" {needed / 1e6:.0f} MB are needed,"
        raise WeightsError(
            f"the disk of {folder} is full:{wanted} {free / 1e6:.0f} MB are free; free some space, or set MAM_HOME."
        )
