"""The page's texts in each language: one JSON file per language, all with the same keys.

Gradio translates labels in the browser (`label`), the canvas its own texts (`tables_as_javascript`), and handlers their
replies (`Texts.of`). All take the browser's first language, and English where there is no table for it. Messages of the
library's errors stay in English. A text may have a variant for touch screens, whose key ends in `_touch`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.i18n import I18nData

_PREFIX = "text_"


@cache
def load_tables() -> dict[str, dict[str, str]]:
    """Read all tables: language -> key -> text with {names} to fill in."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(Path(__file__).parent.glob("*.json"))}


def i18n() -> gr.I18n:
    """Return the tables for `gr.Blocks.launch`; with the prefix no key equals a value, which Gradio would translate."""
    tables = {name: {_PREFIX + key: text for key, text in table.items()} for name, table in load_tables().items()}
    return gr.I18n(**tables)


def label(key: str) -> Any:
    """Return a text that the browser translates: for Gradio's labels, placeholders, infos, and values."""
    if key not in load_tables()["en"]:
        raise KeyError(key)
    return I18nData(_PREFIX + key)


def tables_as_javascript() -> str:
    """Return the declaration of `TEXTS` that precedes the canvas's scripts."""
    return f"const TEXTS = {json.dumps(load_tables())};\n"


def tables_as_json(*keys: str) -> str:
    """Return some of the texts in each language, for a script of the page."""
    return json.dumps({name: {key: table[key] for key in keys} for name, table in load_tables().items()})


@dataclass(frozen=True)
class Texts:
    """The texts of one language, for a mouse or a touch screen."""

    language: str = "en"
    touch: bool = False

    @classmethod
    def of(cls, request: gr.Request | None) -> Texts:
        """Return the texts in the first language that a visitor's browser asks for, and for its kind of device."""
        headers = {} if request is None else request.headers
        wanted = str(headers.get("accept-language", ""))
        language = wanted.partition(",")[0].partition(";")[0].partition("-")[0].strip().lower()
        touch = "Mobi" in headers.get("user-agent", "") or "Android" in headers.get("user-agent", "")
        return cls(language if language in load_tables() else "en", touch)

    def choices(self, keys: Iterable[str]) -> list[tuple[str, str]]:
        """Return choices as pairs (text, key); Gradio does not translate them in the browser."""
        return [(self(key), key) for key in keys]

    def __call__(self, key: str, **values: object) -> str:
        """Return the text with this key, filled in."""
        table = load_tables()[self.language]
        return ((self.touch and table.get(f"{key}_touch")) or table[key]).format_map(values)


ENGLISH = Texts()
