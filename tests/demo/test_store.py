"""Which values are kept and which are dropped when, with a clock that the test sets."""

import threading
import time

from demo.store import Store


class Clock:
    """Seconds that the test sets."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def make_store(clock: Clock | None = None, seconds: float = 60) -> Store:
    return Store(100, seconds, lambda value: 40, clock=clock or Clock())


def test_the_least_recently_used_is_dropped_beyond_the_bytes() -> None:
    made, store = [], make_store()
    for key in "abac":  # a is used again, so b is the oldest when c comes
        assert store.get(key, lambda key=key: made.append(key) or key) == key
    assert made == ["a", "b", "c"] and store.peek("b") is None
    store.forget(lambda key: key == "a")
    assert store.peek("a") is None and store.peek("c") == "c"


def test_who_has_most_makes_room() -> None:
    store = Store(100, 60, lambda value: 30, lambda key: key[0])
    for key in ("a", "b1", "b2", "b3"):
        store.get(key, lambda: 1)
    assert store.peek("a") and store.peek("b1") is None and store.peek("b2") and store.peek("b3")


def test_what_is_not_used_for_long_is_dropped() -> None:
    clock = Clock()
    store = make_store(clock)
    store.get("a", lambda: "a")
    store.get("b", lambda: "b")
    clock.seconds = 50
    assert store.peek("a") == "a"
    clock.seconds = 100  # 50 seconds after a was used, 100 after b was
    store.expire()
    assert len(store) == 1 and store.peek("b") is None and store.peek("a") == "a"


def test_unused_values_are_dropped_even_without_a_call() -> None:
    store = Store(100, 0.05, lambda value: 1)
    store.get("a", lambda: 1)
    end = time.monotonic() + 10
    while len(store) and time.monotonic() < end:
        threading.Event().wait(0.01)
    assert len(store) == 0


def test_a_value_larger_than_the_store_is_not_kept() -> None:
    store = Store(100, 60, len)
    assert store.get("a", lambda: "x" * 200) == "x" * 200 and store.peek("a") is None
    assert store.get("b", lambda: "x") == "x" and store.peek("b") == "x"


def test_false_values_are_kept_too() -> None:
    made, store = [], make_store()
    for _ in range(2):
        assert store.get("a", lambda: made.append(1) or ()) == ()
    assert made == [1]
