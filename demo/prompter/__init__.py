"""The canvas: a photograph to point at. What it draws is in template.html, style.css and script.js beside this file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

_HERE = Path(__file__).parent


class Prompter(gr.HTML):
    """A canvas for boxes, clicks and scribbles on several objects.

    Its event `prompt` brings what the visitor has drawn, see `demo.session.parse`; its value is what the server answers,
    see `demo.replies`.

    Args:
        hover: called with {"token", "x", "y", "label", "ops"} from the browser while the pointer rests on the photo;
            returns the address of a picture of what a click there would give, or None.
    """

    is_template = True  # the page shows it as the gr.HTML that it is

    def __init__(self, hover: Callable[[dict[str, Any]], str | None], **options: Any) -> None:
        super().__init__(
            html_template=(_HERE / "template.html").read_text("utf-8"),
            css_template=(_HERE / "style.css").read_text("utf-8"),
            js_on_load=(_HERE / "script.js").read_text("utf-8"),
            server_functions=[hover],
            apply_default_css=False,
            **options,
        )
