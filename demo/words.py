"""Words that more than one part of the page needs."""

from mam import MamError

NO_TEXT_MODEL = 'This page runs without a text model; use a box, clicks or a scribble. README, "Words", tells its owner how to add one.'


def in_words(error: MamError | FileNotFoundError) -> str:
    """An error of ours, or that of an upload whose time is over, for a visitor to read."""
    return "This photo has expired here; please open it again." if isinstance(error, FileNotFoundError) else str(error)
