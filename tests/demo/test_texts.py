"""Texts in all languages."""

import re

import gradio as gr
import pytest

from demo.texts import ENGLISH, Texts, label, load_tables

NAME = re.compile(r"{(\w+)}")


def test_every_language_has_every_text_with_the_same_names() -> None:
    tables = load_tables()
    assert {"en", "de", "ja", "ko", "zh"} <= set(tables)
    for language, table in tables.items():
        assert list(table) == list(tables["en"]), language
        for key, text in table.items():
            assert text.strip() and set(NAME.findall(text)) == set(NAME.findall(tables["en"][key])), (language, key)


@pytest.mark.parametrize(
    "header, language",
    [("de-DE,de;q=0.9,en;q=0.8", "de"), ("ja", "ja"), ("zh-CN", "zh"), ("xx-YY,de", "en"), ("", "en")],
)
def test_the_browsers_first_language_counts(header, language) -> None:
    assert Texts.of(gr.Request(headers={"accept-language": header})).language == language


def test_a_phone_gets_texts_for_touch() -> None:
    phone = Texts.of(gr.Request(headers={"user-agent": "Mozilla/5.0 (iPhone) Mobile/15E148", "accept-language": "de"}))
    assert "tippen" in phone("start") and phone("white") == Texts("de")("white")
    words = {"name": "", "text": ""}
    assert all("lick" not in phone(key, **words) for key in ("found", "nothing_there", "not_sure", "text_not_found"))


def test_texts_are_filled_in() -> None:
    assert ENGLISH("object", number=3) == "Object 3" and Texts("ja")("object", number=3) == "対象 3"
    assert ENGLISH.choices(["white"]) == [("White", "white")]
    with pytest.raises(KeyError):
        label("no such text")
