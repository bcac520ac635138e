"""The exceptions of this package.

    MamError
    |- InputError          an image or file that cannot be used          (also ValueError)
    |  `- ImageTooLarge    over the pixel limit, refused before decoding
    |- PromptError         a prompt that does not fit its image          (also ValueError)
    |  |- NegatedText      a text prompt that names what is not meant, as "everything except the dog"
    |  |- NotEnglish       a text prompt in another script, which the text model cannot read
    |  `- UnknownWord      a text prompt for something that the embedded text model does not know
    |- WeightsError        a file of weights that is missing, cannot be downloaded or does not fit (also RuntimeError)
    `- GraphError          a set of graphs that is missing, incomplete or does not fit together (also RuntimeError)

Messages state what was given, what is expected and what to do next. Finding nothing is not an error: see
`mam.NothingFound`.
"""


class MamError(Exception):
    """Any error that this package raises on purpose."""


class InputError(MamError, ValueError):
    """An image that cannot be used: not an image, truncated, empty, animated."""


class ImageTooLarge(InputError):
    """An image over the pixel limit, refused from its header alone."""

    def __init__(self, name: str, size: tuple[int, int], limit: int) -> None:
        self.name, self.size, self.limit = name, size, limit
        h, w = size
        super().__init__(
            f"{name} has {h} x {w} = {h * w / 1e6:.1f} megapixels; the limit is {limit / 1e6:.1f}. "
            "Make it smaller, or raise the limit (max_pixels, --max-pixels)."
        )

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:  # errors travel between processes
        return type(self), (self.name, self.size, self.limit)


class PromptError(MamError, ValueError):
    """A prompt that does not fit its image: outside it, reversed, empty, not a number, labels missing."""


class NotEnglish(PromptError):
    """A text prompt in another script than the Latin one; the text model reads English."""


class NegatedText(PromptError):
    """A text prompt that names what is not meant; a text model would find just that."""


class UnknownWord(PromptError):
    """A text prompt for something that the embedded text model does not know.

    Attributes:
        word: what it does not know.
        closest: words that it knows and that are spelt alike, best first; often empty.
    """

    def __init__(self, word: str, closest: tuple[str, ...]) -> None:
        self.word, self.closest = word[:40], closest
        alike = f"; did you mean {', '.join(closest)}?" if closest else ";"
        super().__init__(
            f"the embedded text model does not know {self.word!r} (it reads English){alike} `mam doctor` lists its "
            "words, and `mam weights get grounding-dino-tiny` gets a text model that reads any phrase."
        )


class WeightsError(MamError, RuntimeError):
    """A file of weights that is missing, cannot be downloaded or stored, or does not fit."""


class GraphError(MamError, RuntimeError):
    """Graphs that cannot be run: missing, of several models, of another contract version, or no provider for them."""
