"""rembg's and remove.bg's HTTP interfaces on the page, for programs that speak them."""

from __future__ import annotations

from typing import Any

import gradio as gr
from fastapi import FastAPI
from gradio import routes

from demo.engine import Engine
from mam.serve.routes import Routes

_create_app = routes.App.create_app


def add_interfaces(page: gr.Blocks, engine: Engine) -> None:
    """Have the applications that Gradio makes of a page answer `Routes.cutting`, before Gradio's own routes."""
    page.interfaces = Routes(lambda: engine.matting, engine.cutting, at_once=2).cutting()  # type: ignore[attr-defined]
    routes.App.create_app = staticmethod(_create_with_interfaces)  # type: ignore[method-assign, assignment]


def _create_with_interfaces(blocks: gr.Blocks, *arguments: Any, **options: Any) -> FastAPI:
    """Replace Gradio's `create_app`."""
    app = _create_app(blocks, *arguments, **options)
    app.router.routes[:0] = getattr(blocks, "interfaces", ())
    return app
