"""One object cut out of a photo: its alpha matte, its colours, and what can be composed from them."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mam.compose import composite
from mam.compose.composition import Background, Blur, Composition, Style, limit_alpha
from mam.images import Photo
from mam.images.boxes import Patch, PixelBox, full_box, mask_bounds, pad_box
from mam.images.encode import format_of, write_image
from mam.masks.segment import Segment
from mam.text import FoundBoxes


@dataclass(frozen=True, eq=False)
class Matte:
    """One object, cut out.

    Attributes:
        photo: the image that it was cut out of.
        stored_alpha: float32 in [0, 1], 1 where the object is opaque.
        segment: the mask that the alpha was computed from, and its alternatives.
    """

    photo: Photo
    stored_alpha: Patch
    segment: Segment

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

    def __repr__(self) -> str:
        return f"Matte({self.photo!r}, {self.alpha.mean():.1%} opaque, score {self.score:.2f})"

    @property
    def foreground(self) -> np.ndarray:
        """(H, W, 3) uint8: the object's colours, cleaned of the old background at soft edges."""
        return self._composition.foreground

    def alpha_uint8(self) -> np.ndarray:
        """(H, W) uint8, rounded."""
        return self._composition.alpha_uint8()

    def cutout(self, *, clean_colours: bool = True) -> np.ndarray:
        """(H, W, 4) uint8 RGBA, not premultiplied; `clean_colours=False` keeps the image's own pixels."""
        return self._composition.cutout() if clean_colours else self.compose(Style(clean_colours=False))

    @property
    def _composition(self) -> Composition:
        return _compose(self)

    def compose(self, style: Style) -> np.ndarray:
        """Compose the object in a style: background, shadow, edges.

        Returns:
            (H, W, 3) uint8 in the photo's colour profile; (H, W, 4) where the style has no background.

        Raises:
            InputError: the background is neither a colour nor an image.
        """
        return Composition.of(self.photo, [self.alpha], style).pixels()

    def over(self, background: Background) -> np.ndarray:
        """Compose the object over a colour, a gradient, a blur or an image that is scaled to cover.

        Returns:
            (H, W, 3) uint8 in the photo's colour profile.

        Raises:
            InputError: the background is neither a colour nor an image.
        """
        return self._composition.over(background)

    def over_blur(self, strength: float = 20.0) -> np.ndarray:
        """Compose the object over its own background, blurred by `strength` in 1/1000 of the longest side."""
        return self.over(Blur(strength))

    def over_checkerboard(self) -> np.ndarray:
        """Compose the object over grey and white squares, (H, W, 3) uint8."""
        return self._composition.over_checkerboard()

    def adjust_edges(self, *, softness: float = 0.0, grow: float = 0.0) -> Matte:
        """Return the same object with other edges.

        Args:
            softness: from -1, harder, to 1, softer.
            grow: how far to move the edges out, in 1/1000 of the image's longest side; in, if negative.
        """
        alpha = composite.adjust_edges(self.alpha, softness=softness, grow=grow)
        return Matte.of(self.photo, limit_alpha(alpha, self.photo), self.segment)

    def alpha_uint16(self) -> np.ndarray:
        """(H, W) uint16, rounded."""
        return (self.alpha * 65535 + 0.5).astype(np.uint16)

    def bounds(self, margin: int = 0) -> PixelBox:
        """Return the smallest box around what is visible, (x0, y0, x1, y1) in pixels, ends exclusive.

        Args:
            margin: pixels to add on each side, as far as the image reaches.
        """
        found = mask_bounds(self.alpha_uint8() > 0)
        return full_box(self.photo.size) if found is None else pad_box(found, margin, self.photo.size)

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
            path: ends in .png or .webp, which keep the transparency, or in .jpg, which is over white without a
                background.
            background: compose over this.
            trim: crop to the object, with a margin of so many pixels; None keeps the image's size.
            metadata: keep the image's resolution and EXIF data, but not where and by whom it was taken.

        Returns:
            The path.

        Raises:
            InputError: the name ends in another format, or the background is neither a colour nor an image.
            MamError: the file cannot be written.
        """
        if background is None and format_of(path) == "JPEG":
            background = "white"
        pixels = self.cutout() if background is None else self.over(background)
        if trim is not None:
            x0, y0, x1, y1 = self.bounds(trim)
            pixels = pixels[y0:y1, x0:x1]
        return write_image(pixels, path, self.photo.icc_profile, self.photo.metadata if metadata else None)


@functools.lru_cache(1)  # for several backgrounds in a row; kept for every matte, it would fill the memory
def _compose(matte: Matte) -> Composition:
    return Composition(matte.photo, matte.alpha)


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
