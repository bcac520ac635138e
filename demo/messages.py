"""Texts that several parts of the page show, and the conversion of the library's errors for visitors."""

from __future__ import annotations

import contextlib
import functools
import inspect
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ParamSpec, TypeVar

import gradio as gr

from demo.texts import ENGLISH, Texts
from mam import ImageTooLarge, MamError
from mam.errors import GraphError, NegatedText, NotEnglish, UnknownWord, WeightsError

EXPECTED_ERRORS = (MamError, FileNotFoundError)
"""Errors that are described to a visitor. All others are defects, and only logged."""

_log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")


def describe(error: Exception, texts: Texts = ENGLISH) -> str:
    """Return a text about one of the `EXPECTED_ERRORS`; a missing file is an upload that was deleted after its time."""
    if isinstance(error, FileNotFoundError):
        return texts("expired")
    if isinstance(error, NotEnglish):
        return texts("not_english")
    if isinstance(error, NegatedText):
        return texts("negated")
    if isinstance(error, UnknownWord):
        closest = texts("closest_words", words=", ".join(error.closest)) if error.closest else ""
        return f"{texts('unknown_word', word=error.word)} {closest}".strip()
    if isinstance(error, ImageTooLarge):
        h, w = error.size
        return texts("too_many_pixels", name=error.name, megapixels=round(h * w / 1e6), limit=round(error.limit / 1e6))
    if isinstance(error, (GraphError, WeightsError)):  # written for the owner of the server, with paths and commands
        _log.error("%s", error)
        return texts("failed")
    return str(error)


def visitor_error(text: str, texts: Texts = ENGLISH) -> gr.Error:
    """Return an error for a visitor; the server's log gets one line, not a traceback, because nothing is defective."""
    _log.warning("%s: %s", ENGLISH("error_title"), text)
    return gr.Error(text, title=texts("error_title"), print_exception=False)


def show_errors(handler: Callable[P, R]) -> Callable[P, R]:
    """Decorate a handler, or a generator, so that Gradio shows the text of `EXPECTED_ERRORS`.

    Of other errors it shows only that there was one. A visitor sees the text as a note in the corner of the page, a
    program as the message of the error that its call raises.
    """
    if inspect.isgeneratorfunction(handler):  # Gradio makes the same check on a handler

        @functools.wraps(handler)
        def generate(*args: Any, **options: Any) -> Iterator[Any]:
            with _raise_for_gradio((*args, *options.values())):
                yield from handler(*args, **options)

        return generate  # type: ignore[return-value]  # the handler is a generator function

    @functools.wraps(handler)
    def call(*args: P.args, **options: P.kwargs) -> R:
        with _raise_for_gradio((*args, *options.values())):
            return handler(*args, **options)

    return call


@contextlib.contextmanager
def _raise_for_gradio(arguments: Iterable[object]) -> Iterator[None]:
    """Convert expected errors, in the language of the request among a handler's arguments."""
    try:
        yield
    except EXPECTED_ERRORS as error:
        texts = Texts.of(next((one for one in arguments if isinstance(one, gr.Request)), None))
        raise visitor_error(describe(error, texts), texts) from error
