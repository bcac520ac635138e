"""Limits per client: the queue has an end, nobody has more than a share of it, and clients take turns."""

from __future__ import annotations

from typing import Any

import gradio as gr

from demo.texts import Texts
from mam.serve.limits import MOST_WAITING, SHARE, client_of


def visitor_of(request: Any) -> str:
    """Return the name that Gradio gave to an open page; "" for a request without one."""
    return request.session_hash or ""


def limit_queue(page: gr.Blocks) -> None:
    """Bound the queue of a page, and let clients take turns in it; Gradio's own limit has no text for visitors."""
    queue, push = page._queue, page._queue.push

    async def limited(body: Any, request: Any, username: str | None) -> Any:
        function = page.fns.get(body.fn_index)
        if function is None:
            return await push(body, request, username)
        client, texts, name = client_of(request), Texts.of(request), function.concurrency_id
        running = [event for events in queue.active_jobs if events for event in events]
        waiting = [event for one in queue.event_queue_per_concurrency_id.values() for event in one.queue]
        own = [event for event in (*running, *waiting) if client_of(event.request) == client]
        is_full = len(waiting) >= MOST_WAITING  # then there is room only for those who have nothing in it
        if not is_full and len(own) >= SHARE:
            return False, texts("queue_share", count=len(own)), "error"
        if (is_full and own) or len(waiting) >= 4 * MOST_WAITING:
            return False, texts("queue_full", place=len(waiting) + 1), "error"
        pushed = await push(body, request, username)
        if name in queue.event_queue_per_concurrency_id:
            events = queue.event_queue_per_concurrency_id[name].queue
            turns = _turns(events, running)
            events.sort(key=lambda event: turns[event._id])
        return pushed

    queue.push = limited  # type: ignore[method-assign]


def place_in_queue(page: gr.Blocks, request: Any) -> int:
    """Return how many requests run before the first one of a client that waits, and that one; 0 if none waits."""
    client = client_of(request)
    queues = page._queue.event_queue_per_concurrency_id.values()
    places = [i for one in queues for i, event in enumerate(one.queue, 1) if client_of(event.request) == client]
    return min(places, default=0)


def _turns(waiting: list[Any], running: list[Any]) -> dict[str, int]:
    """Return how many requests of the same client are before each one that waits, by its id."""
    counts: dict[str, int] = {}
    turns = {}
    for event in (*running, *waiting):
        client = client_of(event.request)
        turns[event._id] = counts[client] = counts.get(client, 0) + 1
    return turns
