"""One object cut out of a photo: its alpha matte, its colours, and what can be composed from them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mam.compose import composite
from mam.compose.composition import Background, Blur, Composition, OutputOptions, Style, limit_alpha
from mam.images import Photo
from mam.images.boxes import Patch, PixelBox
from mam.images.encode import format_of, write_content
from mam.masks.painting import Stroke, paint
from mam.masks.segment import Segment
from mam.text import FoundBoxes


@dataclass(frozen=True, eq=False)
class Matte:
    """One object, cut out.

    Attributes:
        photo: the image that it was cut out of.
        stored_alpha: float32 in [0, 1], 1 where the object is opaque.
        segment: the mask that the alpha was computed from, and its alternatives.
        strokes: what was erased and restored by hand, already part of the alpha.
        own_colours: bool, where strokes left pixels with the image's own colours; None without strokes.
    """

    photo: Photo
    stored_alpha: Patch
    segment: Segment
    strokes: tuple[Stroke, ...] = ()
    own_colours: Patch | None = None

    @classmethod
    def of(cls, photo: Photo, alpha: np.ndarray, segment: Segment) -> Matte:
        """Store an (H, W) float32 alpha."""
        return cls(photo, Patch.of(alpha), segment)

    @property
    def alpha(self) -> np.ndarray:
        """(H, W) float32 in [0, 1], 1 where the object is opaque; a new array each time."""
        return self.stored_alpha.full()

    @property
    def mask(self) -> np.ndarray:
        """(H, W) bool: the mask that the alpha was computed from, resized to the image."""
        return self.segment.mask

    @property
    def score(self) -> float:
        """The predicted IoU of the mask, in [0, 1]."""
        return self.segment.score

    @property
    def doubt(self) -> float:
        """The estimated probability that the mask is wrong, in [0, 1]; `segment.is_doubtful` from 0.3."""
        return self.segment.doubt

    def __repr__(self) -> str:
        return f"Matte({self.photo!r}, {self.alpha.mean():.1%} opaque, score {self.score:.2f})"

    @property
    def foreground(self) -> np.ndarray:
        """(H, W, 3) uint8: the object's colours, cleaned of the old background at soft edges."""
        return self.composition().foreground

    def alpha_uint8(self) -> np.ndarray:
        """(H, W) uint8, rounded."""
        return self.composition().alpha_uint8()

    def alpha_uint16(self) -> np.ndarray:
        """(H, W) uint16, rounded."""
        return self.composition().alpha_uint16()

    def bounds(self, margin: int = 0) -> PixelBox:
        """Return the smallest box around what is visible; see `Composition.bounds`."""
        return self.composition().bounds(margin)

    def composition(self, style: Style | None = None) -> Composition:
        """Return the object in a style; it keeps the cleaned colours, for several images of the same object."""
        return compose_mattes([self], style or Style())

    def cutout(self, *, clean_colours: bool = True) -> np.ndarray:
        """(H, W, 4) uint8 RGBA, not premultiplied; `clean_colours=False` keeps the image's own pixels."""
        return self.compose(Style(clean_colours=clean_colours))

    def compose(self, style: Style) -> np.ndarray:
        """Compose the object in a style: background, shadow, edges.

        Returns:
            (H, W, 3) uint8 in the photo's colour profile; (H, W, 4) where the style has no background.

        Raises:
            InputError: the background is neither a colour nor an image.
        """
        return self.composition(style).pixels()

    def over(self, background: Background) -> np.ndarray:
        """Compose the object over a colour, a gradient, a blur or an image that is scaled to cover.

        Returns:
            (H, W, 3) uint8 in the photo's colour profile.

        Raises:
            InputError: the background is neither a colour nor an image.
        """
        return self.composition().over(background)

    def over_blur(self, strength: float = 20.0) -> np.ndarray:
        """Compose the object over its own background, blurred by `strength` in 1/1000 of the longest side."""
        return self.over(Blur(strength))

    def over_checkerboard(self) -> np.ndarray:
        """Compose the object over grey and white squares, (H, W, 3) uint8."""
        return self.composition().over_checkerboard()

    def adjust_edges(self, *, softness: float = 0.0, grow: float = 0.0) -> Matte:
        """Return the same object with other edges.

        Args:
            softness: from -1, harder, to 1, softer.
            grow: how far to move the edges out, in 1/1000 of the image's longest side; in, if negative.
        """
        alpha = composite.adjust_edges(self.alpha, softness=softness, grow=grow)
        return replace(self, stored_alpha=Patch.of(limit_alpha(alpha, self.photo)))

    def painted(self, strokes: Sequence[Stroke]) -> Matte:
        """Return the same object with further strokes of a brush on its alpha.

        Corrections of the result, by `previous` of `Scene.matte`, keep them. What is transparent in the photo itself
        is never restored.
        """
        known = None if self.own_colours is None else self.own_colours.full()
        alpha, own = paint(self.alpha, self.photo.pixels, strokes, known)
        return replace(
            self,
            stored_alpha=Patch.of(limit_alpha(alpha, self.photo)),
            strokes=(*self.strokes, *strokes),
            own_colours=Patch.of(own),
        )

    def encode(self, file_format: str, options: OutputOptions = OutputOptions(), source: str = "") -> bytes:
        """Return the content of a file; see `Composition.encode`.

        Args:
            file_format: "PNG", "WEBP", "JPEG", "TIFF" or "PSD".
            options: what is written.
            source: from `mam.images.encode.describe_source`, recorded in the file; empty for none.

        Raises:
            InputError: the format cannot hold it, or the background is neither a colour nor an image.
        """
        return self.composition(options.style).encode(file_format, options, source)

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        background: Background | None = None,
        trim: int | None = None,
        metadata: bool = False,
    ) -> Path:
        """Write the cut-out with the image's colour profile, in the format of the file's name.

        Args:
            path: ends in .png, .webp, .tiff or .psd, which keep the transparency, or in .jpg, which is over white
                without a background.
            background: compose over this.
            trim: crop to the object, with a margin of so many pixels; None keeps the image's size.
            metadata: keep the image's resolution and EXIF data, but not where and by whom it was taken.

        Returns:
            The path.

        Raises:
            InputError: the name ends in another format, or the background is neither a colour nor an image.
            MamError: the file cannot be written.
        """
        options = OutputOptions(Style(background), trim=trim, metadata=metadata)
        return write_content(self.encode(format_of(path), options), Path(path))


def compose_mattes(mattes: Sequence[Matte], style: Style, longest: int | None = None) -> Composition:
    """Prepare a composition of objects of one photo; for `style` and `longest` see `Composition.of`."""
    own = [matte.own_colours.full() for matte in mattes if matte.own_colours is not None]
    return Composition.of(mattes[0].photo, [matte.alpha for matte in mattes], style, longest, own)


def encode_mattes(
    named: Sequence[tuple[str, Matte]], file_format: str, options: OutputOptions = OutputOptions(), source: str = ""
) -> bytes:
    """Return the content of a file with objects of one photo together, in PSD as layers with these names.

    Args, Raises: as for `Matte.encode`.
    """
    whole = compose_mattes([matte for _, matte in named], options.style)
    layers = [(name, matte.composition(options.style)) for name, matte in named]
    return whole.encode(file_format, options, source, layers)


@dataclass(frozen=True)
class NothingFound:
    """The result when the model finds no object at the prompt; false, so that `if matte:` works.

    Attributes:
        score: the best IoU that was predicted for the empty masks; for a text prompt, the best score of a box.
        text: the text prompt for which no box was found; None for other prompts.
    """

    score: float
    text: str | None = None

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        if self.text is not None:
            return str(FoundBoxes((), self.score, self.text))
        return f"nothing found (best score {self.score:.2f}); draw a box around the object, or click on its middle"
