"""Proxies of the environment. Gradio asks the page itself over HTTP, and such requests go through no proxy."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
from collections.abc import Iterator

_NAMES = ("NO_PROXY", "no_proxy")


@contextlib.contextmanager
def bypass_proxies() -> Iterator[None]:
    """Let requests use no proxy. The variables of proxies are not even read, so that malformed ones do no harm."""
    before = {name: os.environ.get(name) for name in _NAMES}
    os.environ.update(dict.fromkeys(_NAMES, "*"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def exclude_own_address(host: str | None) -> None:
    """Add the page's address to the hosts that are reached without a proxy, and leave out malformed entries."""
    given = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    hosts = [entry for part in given.split(",") if _is_host(entry := part.strip())]
    own = [name for name in ("127.0.0.1", "localhost", host) if name]
    os.environ.update(dict.fromkeys(_NAMES, ",".join(dict.fromkeys([*hosts, *own]))))


def _is_host(entry: str) -> bool:
    """Whether an entry of NO_PROXY is a name or an address, with or without a port, as httpx can read it."""
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(entry))
    return re.fullmatch(r"\*|\.?[\w.-]+(:\d{1,5})?(/\d{1,3})?", entry) is not None
