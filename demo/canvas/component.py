"""The Gradio component that shows a photo and lets visitors draw prompts on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from demo.canvas.protocol import PreviewRequest, Reply, limits_as_javascript

_HERE = Path(__file__).parent
_SCRIPTS = ("state", "transport", "draw", "panels", "input")


class PromptCanvas(gr.HTML):
    """A canvas for boxes, points and scribbles on several objects of a photo.

    Its event `uploaded` brings an `UploadMessage`, its event `prompt` a `PromptMessage`; its value is a `Reply`. See
    `demo.canvas.protocol`.

    Args:
        mask_at: Called by the browser with a `PreviewRequest` while the pointer rests on the photo; returns a data URL
            of the mask that a click there would give, or None.
        value: The first reply.
        options: As for `gr.HTML`.
    """

    is_template = True  # Gradio renders it as a gr.HTML

    def __init__(self, mask_at: Callable[[PreviewRequest], str | None], value: Reply, **options: Any) -> None:
        def preview(message: PreviewRequest) -> str | None:  # the browser calls it by this name
            return mask_at(message)

        super().__init__(
            value=value,
            html_template=(_HERE / "template.html").read_text("utf-8"),
            css_template=(_HERE / "style.css").read_text("utf-8"),
            js_on_load=script(),
            server_functions=[preview],
            apply_default_css=False,
            **options,
        )


def script() -> str:
    """Join the scripts in `js/` into the body of one function.

    Gradio calls it with `element`, the component's own part of the page; `props.value`; `server.preview`; `trigger`,
    which sends an event; and `watch`.
    """
    return limits_as_javascript() + "\n".join((_HERE / "js" / f"{name}.js").read_text("utf-8") for name in _SCRIPTS)
