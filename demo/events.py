"""Options of Gradio's event listeners that several parts of the page share."""

from __future__ import annotations

from typing import Any

PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
"""The handler is no part of the API, and nothing covers the page while it runs."""
LAST: dict[str, Any] = {"trigger_mode": "always_last"}
"""Of several events during a run, only the last one is handled."""


def queue(name: str) -> dict[str, Any]:
    """Return the options of handlers that share a queue; one answer uses all cores, a second one keeps them busy."""
    return {"concurrency_id": name, "concurrency_limit": 2}


MODEL = {**PRIVATE, **queue("model")}
RESULT = {**PRIVATE, **queue("result")}
