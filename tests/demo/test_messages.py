"""Errors as texts for visitors."""

import inspect

import gradio as gr
import pytest

from demo.messages import describe, show_errors
from demo.texts import ENGLISH, Texts
from mam import ImageTooLarge, PromptError
from mam.errors import NotEnglish

EXPIRED = ENGLISH("expired")


def test_a_missing_file_is_an_expired_photo() -> None:
    assert describe(FileNotFoundError(2, "No such file", "/tmp/secret.png")) == EXPIRED
    assert describe(PromptError("the box is reversed")) == "the box is reversed"


def test_a_photo_that_is_too_large_is_no_matter_of_options() -> None:
    error = ImageTooLarge("x.jpg", (20_000, 10_000), 120_000_000)
    assert describe(error) == "x.jpg has 200 megapixels; at most 120 can be opened."
    assert "200 Megapixel" in describe(error, Texts("de"))


def test_another_script_is_refused_in_the_visitors_language() -> None:
    error = NotEnglish("the text model reads English, and '猫' is in another script")
    assert describe(error) == ENGLISH("not_english") and describe(error, Texts("ja")) == Texts("ja")("not_english")


def fail(error: Exception) -> None:
    """Fails."""
    raise error


def fail_later(error: Exception):
    yield 1
    raise error


def test_expected_errors_are_shown_and_defects_are_not() -> None:
    for error, text in ((PromptError("no box"), "no box"), (FileNotFoundError(), EXPIRED)):
        with pytest.raises(gr.Error, match=text):
            show_errors(fail)(error)
        answers = show_errors(fail_later)(error)
        assert next(answers) == 1
        with pytest.raises(gr.Error, match=text):
            next(answers)
    with pytest.raises(ZeroDivisionError):
        show_errors(fail)(ZeroDivisionError())


def test_gradio_sees_the_function_as_it_was() -> None:
    shown = show_errors(fail)
    assert inspect.signature(shown) == inspect.signature(fail) and shown.__doc__ == fail.__doc__
    assert inspect.isgeneratorfunction(show_errors(fail_later)) and not inspect.isgeneratorfunction(shown)


def test_an_error_of_a_visitor_is_one_line_in_the_log(caplog) -> None:
    with pytest.raises(gr.Error) as raised:
        show_errors(fail)(PromptError("the box is reversed"))
    assert raised.value.print_exception is False
    assert [record.getMessage() for record in caplog.records] == ["That did not work: the box is reversed"]
