"""Limits per client: the queue has an end, and nobody has more than a share of it."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections import Counter
from collections.abc import Iterator
from typing import Any

MOST_WAITING = 40
SHARE = 12
"""Requests of one client that may wait or run; a visitor's page has up to four."""


def client_of(request: Any) -> str:
    """Return a client's address as text; of IPv6 the network, since a client has all of it; "" if it is unknown.

    uvicorn reads X-Forwarded-For from the proxies in the environment's FORWARDED_ALLOW_IPS.
    """
    host = getattr(getattr(request, "client", None), "host", None) or ""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else str(address)


class Busy(Exception):
    """There is no place for a request.

    Attributes:
        status: 429 if the client has its share already, 503 if the queue is full.
    """

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        super().__init__(text)


class RequestQueue:
    """A queue of requests.

    Attributes:
        running: held by each one that runs.

    Args:
        at_once: how many run at the same time.
    """

    def __init__(self, at_once: int) -> None:
        self.running = asyncio.Semaphore(at_once)
        self._by_client = Counter[str]()

    def __len__(self) -> int:
        """Requests that wait or run."""
        return self._by_client.total()

    @contextlib.contextmanager
    def place(self, client: str) -> Iterator[None]:
        """Hold a place for a client, from the arrival of its request to the answer.

        Raises:
            Busy: there is none.
        """
        if len(self) >= MOST_WAITING:
            raise Busy(503, f"{len(self)} requests wait already; try again soon.")
        if self._by_client[client] >= SHARE:
            raise Busy(429, f"{SHARE} of your requests wait or run already; wait for their answers.")
        self._by_client[client] += 1
        try:
            yield
        finally:
            self._by_client[client] -= 1
            if not self._by_client[client]:
                del self._by_client[client]
