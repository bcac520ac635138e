"""The Gradio component that shows a photo and lets visitors draw prompts on it."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from demo.canvas.protocol import SOURCES, OfferMessage, OffersRequest, PreviewRequest, Reply, limits_as_javascript
from demo.texts import tables_as_javascript

_HERE = Path(__file__).parent
_SCRIPTS = (*SOURCES["scripts"], "gradio")


class PromptCanvas(gr.HTML):
    """A canvas for boxes, points and scribbles on several objects of a photo.

    Its event `uploaded` brings an `UploadMessage`, `example` an `ExampleMessage`, `prompt` a `PromptMessage`, `save`
    nothing. Its value is a `Reply`. See `demo.canvas.protocol`.

    Args:
        mask_at: Called by the browser with a `PreviewRequest` while the pointer rests on the photo; returns a data URL
            of the mask that a click there would give, or None.
        offers_for: The same with an `OffersRequest` when an answer is there; returns what else it may mean.
        place_of: Called by the browser while it waits; returns the place of a client's first request in the queue.
        examples: Data URLs of thumbnails by the names of photos that are offered while none is open.
        value: The first reply. Gradio makes the component again without it when a handler returns `gr.skip()`.
        options: As for `gr.HTML`.
    """

    is_template = True  # Gradio renders it as a gr.HTML

    def __init__(
        self,
        mask_at: Callable[[PreviewRequest], str | None],
        offers_for: Callable[[OffersRequest], list[OfferMessage] | None],
        place_of: Callable[[gr.Request], int],
        examples: Mapping[str, str],
        value: Reply | None = None,
        **options: Any,
    ) -> None:
        def preview(message: PreviewRequest) -> str | None:  # the browser calls it by this name
            return mask_at(message)

        def offers(message: OffersRequest) -> list[OfferMessage] | None:
            return offers_for(message)

        def place(_: object, request: gr.Request) -> int:
            return place_of(request)

        super().__init__(
            value=value,
            html_template=template(examples),
            css_template=(_HERE / "style.css").read_text("utf-8"),
            js_on_load=script(),
            server_functions=[preview, offers, place],
            apply_default_css=False,
            **options,
        )
        # Gradio sends the attribute of each argument to the page, and takes a missing one for an event.
        self.examples, self.mask_at, self.offers_for, self.place_of = list(examples), None, None, None


def template(examples: Mapping[str, str]) -> str:
    """Return the component's HTML, with a button per example."""
    buttons = "".join(
        f'<button type="button" data-example="{html.escape(name)}"><img src="{source}" alt=""></button>'
        for name, source in examples.items()
    )
    return (_HERE / "template.html").read_text("utf-8").replace("<!-- examples -->", buttons)


def script() -> str:
    """Join the scripts in `js/` into the body of one function.

    Gradio calls it with `element`, the component's own part of the page; `props.value`; `server.preview` and
    `server.offers`; `trigger`, which sends an event; and `watch`.
    """
    scripts = ((_HERE / "js" / f"{name}.js").read_text("utf-8") for name in _SCRIPTS)
    return limits_as_javascript() + tables_as_javascript() + "\n".join(scripts)
