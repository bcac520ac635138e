"""Composition of finished images: objects of a photo in a style, for the library, the command line and the page."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

import numpy as np
from PIL import Image

from mam.compose import composite
from mam.compose.composite import Colour
from mam.compose.foreground import foreground_colours
from mam.compose.layers import encode_layers
from mam.compose.placement import Placement
from mam.errors import InputError
from mam.images import ImageSource, Photo, open_photo
from mam.images.boxes import PixelBox, full_box, mask_bounds, pad_box
from mam.images.encode import encode_image
from mam.images.profiles import convert_profile
from mam.images.resize import downsample, to_uint8

Fit = Literal["cover", "contain"]


@dataclass(frozen=True)
class Gradient:
    """A vertical gradient between two colours."""

    top: Colour
    bottom: Colour


@dataclass(frozen=True)
class Blur:
    """The photo's own background, blurred.

    Attributes:
        strength: radius in thousandths of the longest side.
    """

    strength: float = 20.0


Background = Colour | Gradient | Blur | ImageSource
"""A colour ("white", "#20a0ff", (32, 160, 255)), a gradient, a blur, or an image as for `mam.images.open_photo`.

A string is always a colour, so that servers can pass on untrusted text; name a file by a `pathlib.Path`.
"""
_IMAGES = (Photo, Image.Image, np.ndarray, os.PathLike, bytes, bytearray, memoryview)


@dataclass(frozen=True, eq=False)
class Style:
    """How objects are composed.

    Attributes:
        background: the new background; None leaves the image transparent.
        fit: "cover" scales a background image to cover the frame and crops it; "contain" shows all of it, on a
            blurred copy.
        position: (x, y) from 0 (left or top) to 1: which part of a background image is kept by "cover", and where it is
            placed by "contain".
        shadow: strength of the objects' shadow, from 0, none, to 1, black.
        softness: how soft the edges are: -1 hard, 0 unchanged, 1 soft.
        grow: how far the edges move outwards, or inwards if negative, in thousandths of the longest side.
        outline: width of a white outline around the objects, in thousandths of the longest side.
        clean_colours: remove the original background from the colours of soft edges; False keeps the photo's pixels.
        placement: the frame of the finished image, and where the objects stand in it.
    """

    background: Background | None = None
    fit: Fit = "cover"
    position: tuple[float, float] = (0.5, 0.5)
    shadow: float = 0.0
    softness: float = 0.0
    grow: float = 0.0
    outline: float = 0.0
    clean_colours: bool = True
    placement: Placement = field(default_factory=Placement)


@dataclass(frozen=True)
class OutputOptions:
    """What is written into a file; by default the transparent cut-out in the image's size.

    Attributes:
        style: background, shadow, edges.
        alpha: write the alpha matte alone, in grey.
        bits: 8 or 16 per pixel of the alpha; 16 for PNG and TIFF.
        trim: crop to the object, with a margin of so many pixels, or of some at its left, top, right and bottom; None
            keeps the whole frame.
        metadata: keep the image's resolution and EXIF data, but not where and by whom it was taken.
    """

    style: Style = field(default_factory=Style)
    alpha: bool = False
    bits: int = 8
    trim: int | tuple[int, int, int, int] | None = None
    metadata: bool = False


@dataclass(frozen=True, eq=False)
class Composition:
    """Objects of one photo, composed in one style.

    Attributes:
        photo: the photo at the composition's size, (H, W).
        alpha: (H, W) float32 in [0, 1], of all objects, with the style's edges.
        style: background, shadow, edges and colours.
        own_colours: (H, W) bool, pixels with the photo's own colours whatever the style; None if there are none.
    """

    photo: Photo
    alpha: np.ndarray
    style: Style = Style()
    own_colours: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        photo: Photo,
        alphas: Sequence[np.ndarray],
        style: Style = Style(),
        longest: int | None = None,
        own_colours: Sequence[np.ndarray] = (),
    ) -> Composition:
        """Prepare a composition of the objects with these alphas.

        Args:
            photo: the image that contains the objects.
            alphas: one (H, W) float32 in [0, 1] per object, at least one.
            style: background, shadow, edges and colours.
            longest: the largest side of a preview, in pixels; None composes at full size.
            own_colours: (H, W) bool, pixels with the photo's own colours in any of these.
        """
        alpha = functools.reduce(lambda total, alpha: total + alpha - total * alpha, alphas)  # 1 - (1 - a)(1 - b)
        own = functools.reduce(np.logical_or, own_colours) if own_colours else None
        if longest is not None and max(alpha.shape) > longest:
            photo, alpha = photo.downsample(longest), downsample(alpha, longest)
            own = None if own is None else downsample(own.astype(np.float32), longest) > 0.5
        alpha = composite.adjust_edges(alpha, softness=style.softness, grow=style.grow)
        return cls(photo, limit_alpha(alpha, photo), style, own)

    @functools.cached_property
    def foreground(self) -> np.ndarray:
        """The objects' colours, (H, W, 3) uint8."""
        photo = self.photo
        colours = foreground_colours(photo.pixels, self.alpha) if self.style.clean_colours else photo.pixels
        if self.own_colours is not None:
            colours = np.where(self.own_colours[..., None], photo.pixels, colours)
        if photo.alpha is None or photo.straight is None:
            return colours
        # Where the image was transparent already, its own colours are known.
        return np.where((photo.alpha < 255)[..., None], photo.straight, colours)

    def alpha_uint8(self) -> np.ndarray:
        """Return the alpha of the placed objects as (H', W') uint8, rounded."""
        alpha = to_uint8(self.alpha)
        return self._place(np.dstack([alpha] * 4))[..., 3] if self._is_changed else alpha

    def alpha_uint16(self) -> np.ndarray:
        """Return the alpha of the objects as (H, W) uint16, rounded, without the placement."""
        return (self.alpha * 65535 + 0.5).astype(np.uint16)

    def bounds(self, margin: int | tuple[int, int, int, int] = 0) -> PixelBox:
        """Return the smallest box around what is visible, (x0, y0, x1, y1) in pixels, ends exclusive.

        Args:
            margin: pixels to add on each side, or at the left, top, right and bottom, as far as the frame reaches.
        """
        alpha = self.alpha_uint8()
        found = mask_bounds(alpha > 0)
        return full_box(alpha.shape) if found is None else pad_box(found, margin, alpha.shape)

    def cutout(self) -> np.ndarray:
        """Return the placed objects as (H', W', 4) uint8 RGBA, not premultiplied.

        With clean colours, invisible pixels are black, which halves the file; else they keep the photo's colours.
        """
        alpha = to_uint8(self.alpha)
        rgba = np.dstack([self.foreground, alpha])
        if self.style.clean_colours:
            rgba.view(np.uint32)[..., 0] *= alpha > 0
        return self._place(rgba)

    def over(self, background: Background) -> np.ndarray:
        """Compose the placed objects over a background, with the style's fit, position and shadow.

        Args:
            background: used instead of the style's.

        Returns:
            (H', W', 3) uint8 RGB in the photo's colour profile, of the placement's frame.

        Raises:
            InputError: the background is neither a colour nor an image.
        """
        foreground, alpha = self._placed_layers()
        return composite.over(foreground, alpha, self.background(background, alpha))

    def background(self, background: Background, alpha: np.ndarray | None = None) -> np.ndarray:
        """Make a background with the style's fit, position and shadow.

        Args:
            background: used instead of the style's.
            alpha: (H', W') float32, of the placed objects; None to compute it.

        Returns:
            (H', W', 3) uint8 RGB in the photo's colour profile, of the placement's frame.

        Raises:
            InputError: the background is neither a colour nor an image.
        """
        alpha = self._placed_layers()[1] if alpha is None else alpha
        behind = self._background_pixels(background, alpha.shape)
        return composite.add_shadow(behind, alpha, self.style.shadow) if self.style.shadow else behind

    def over_checkerboard(self) -> np.ndarray:
        """Compose the placed objects over a checkerboard, without a shadow, as (H', W', 3) uint8 RGB."""
        foreground, alpha = self._placed_layers()
        return composite.over(foreground, alpha, self._to_photo_profile(composite.checkerboard(alpha.shape)))

    def pixels(self) -> np.ndarray:
        """Compose the finished image: `over` the style's background, or `cutout` if it has none.

        Raises:
            InputError: the background is neither a colour nor an image.
        """
        return self.cutout() if self.style.background is None else self.over(self.style.background)

    def encode(
        self,
        file_format: str,
        options: OutputOptions = OutputOptions(),
        source: str = "",
        layers: Sequence[tuple[str, Composition]] = (),
    ) -> bytes:
        """Return the content of a file, with the photo's colour profile.

        Args:
            file_format: "PNG", "WEBP", "JPEG", which has no transparency (without a background it is over white),
                "TIFF", whose cut-outs have 16 bits, or "PSD", by `mam.compose.layers`, in the photo's own frame.
            options: what is written, in this composition's style.
            source: from `mam.images.encode.describe_source`, recorded in the file; empty for none.
            layers: for PSD, each object alone, with its name; none for one layer of all.

        Raises:
            InputError: the format cannot hold it, or the background is neither a colour nor an image.
        """
        if file_format == "PSD":
            if options.alpha or options.trim is not None or options.metadata or self._is_changed:
                raise InputError("PSD keeps the photo's frame; leave out alpha, trim, metadata, placement and outline.")
            return encode_layers(self, layers or [("Object", self)])
        if options.alpha:
            pixels = self.alpha_uint16() if options.bits == 16 else self.alpha_uint8()
        elif file_format == "JPEG" and self.style.background is None:
            pixels = self.over("white")
        else:
            pixels = self.pixels()
            if file_format == "TIFF" and self.style.background is None:
                pixels = pixels.astype(np.uint16) * 257
                if not self._is_changed:
                    pixels[..., 3] = self.alpha_uint16()
        if options.trim is not None:
            x0, y0, x1, y1 = self.bounds(options.trim)
            pixels = pixels[y0:y1, x0:x1]
        profile = None if options.alpha else self.photo.icc_profile
        return encode_image(pixels, file_format, profile, self.photo.metadata if options.metadata else None, source)

    @property
    def _is_changed(self) -> bool:
        """Whether the objects are placed, or have an outline."""
        return self.style.placement != Placement() or self.style.outline > 0

    def _place(self, cutout: np.ndarray) -> np.ndarray:
        placed = self.style.placement.place(cutout)
        return composite.add_outline(placed, self.style.outline) if self.style.outline else placed

    def _placed_layers(self) -> tuple[np.ndarray, np.ndarray]:
        """Colours (H', W', 3) uint8 and alpha (H', W') float32 in [0, 1] of the placed objects."""
        if not self._is_changed:
            return self.foreground, self.alpha  # not rounded
        placed = self.cutout()
        return placed[..., :3], placed[..., 3] / np.float32(255)

    def _background_pixels(self, background: Background, size: tuple[int, int]) -> np.ndarray:
        """Make the background, (H', W', 3) uint8 of a size (H', W') in the photo's colour profile."""
        style = self.style
        if isinstance(background, Blur):
            blurred = composite.blur_background(self.photo.pixels, self.alpha, background.strength)
            return blurred if size == self.photo.size else composite.fit_image(blurred, size)
        if isinstance(background, Gradient):
            return self._to_photo_profile(composite.gradient(background.top, background.bottom, size))
        is_image = isinstance(background, _IMAGES) or hasattr(background, "read")
        if not is_image or (isinstance(background, np.ndarray) and background.ndim == 1):
            return self._to_photo_profile(composite.fill(cast(Colour, background), size))
        image = open_photo(cast(ImageSource, background))
        pixels = composite.fit_image(image.pixels, size, whole=style.fit == "contain", centre=style.position)
        return self._to_photo_profile(pixels, image.icc_profile)

    def _to_photo_profile(self, pixels: np.ndarray, profile: bytes | None = None) -> np.ndarray:
        """Convert pixels from a colour profile, None for sRGB, to the photo's."""
        return convert_profile(pixels, profile, self.photo.icc_profile)


def limit_alpha(alpha: np.ndarray, photo: Photo) -> np.ndarray:
    """Return an (H, W) float32 alpha where no pixel is more opaque than the photo itself."""
    return alpha if photo.alpha is None else np.minimum(alpha, photo.alpha / np.float32(255))
