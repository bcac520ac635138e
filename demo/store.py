"""A bounded, expiring cache of what was computed for visitors, safe for several threads."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any
from weakref import WeakValueDictionary

from cachetools import Cache, TTLCache


class Store:
    """Least recently used values, bounded in bytes and in age.

    `cachetools.TTLCache` does the bookkeeping. Added here: a lock, time that counts from the last use of a value, and
    a timer that frees expired values also when the store is not used.

    Args:
        max_bytes: When the values' sizes add up to more, the owner of most bytes loses the least recently used one.
        seconds: A value that was not used for this long is dropped.
        size_of: Bytes of memory that a value takes.
        owner_of: Returns the owner of a key.
        clock: Returns the time in seconds; tests pass their own.
    """

    def __init__(
        self,
        max_bytes: int,
        seconds: float,
        size_of: Callable[[Any], int],
        owner_of: Callable[[Any], str] = lambda key: "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.seconds = seconds
        self._values = _Shared(max_bytes, seconds, clock, size_of)
        self._values.owner_of = owner_of
        self._lock = threading.Lock()
        self._making: WeakValueDictionary[Hashable, threading.Lock] = WeakValueDictionary()
        self._timer: threading.Timer | None = None

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return the value of a key, made now if it is not there; other threads that need it wait.

        A value larger than the whole store is not kept.
        """
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            value = self.peek(key)
            if value is None:
                value = make()
                with self._lock:
                    self._keep(key, value)
                self._expire_later()
            return value

    def peek(self, key: Hashable) -> Any:
        """Return the value of a key, or None if it is not there."""
        with self._lock:
            value = self._values.get(key)
            if value is not None:
                self._keep(key, value)
            return value

    def forget(self, matches: Callable[[Any], bool]) -> None:
        """Drop the values of all keys that match."""
        with self._lock:
            for key in list(self._values):
                if matches(key):
                    self._values.pop(key, None)

    def expire(self) -> None:
        """Drop values that were not used for `seconds`."""
        with self._lock:
            self._values.expire()

    def __len__(self) -> int:
        with self._lock:
            return len(self._values)

    def _keep(self, key: Hashable, value: Any) -> None:
        self._values.pop(key, None)  # becomes the last, and its time begins again
        with contextlib.suppress(ValueError):  # larger than `max_bytes`
            self._values[key] = value

    def _expire_later(self) -> None:
        with self._lock:
            if self._timer is None and len(self._values):
                self._timer = threading.Timer(self.seconds / 2, self._expire_now)
                self._timer.daemon = True
                self._timer.start()

    def _expire_now(self) -> None:
        self.expire()
        with self._lock:
            self._timer = None
        self._expire_later()


class _Shared(TTLCache[Hashable, Any]):
    """A cache that many fill, in which none of them can take the place of the others."""

    owner_of: Callable[[Any], str]

    def popitem(self) -> tuple[Hashable, Any]:
        """Remove what the owner of most bytes has not used for longest; called when there is no room."""
        keys, owned = list(self), Counter[str]()  # last used last
        for key in keys:
            owned[self.owner_of(key)] += int(self.getsizeof(Cache.__getitem__(self, key)))  # is no use
        ((owner, _),) = owned.most_common(1)
        key = next(key for key in keys if self.owner_of(key) == owner)
        return key, self.pop(key)
