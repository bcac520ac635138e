"""The finished image: objects of a photo in a chosen style. The CLI, the API and the page all compose with this file."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from PIL import Image

from mam import composite
from mam.images import Photo, converted

Colour = str | Sequence[int]
Fit = Literal["cover", "contain"]


@dataclass(frozen=True)
class Gradient:
    """A background that turns from one colour at the top into another at the bottom."""

    top: Colour
    bottom: Colour


@dataclass(frozen=True)
class Blur:
    """The photo's own background out of focus; `strength` is the radius in thousandths of the longest side."""

    strength: float = 20.0


Background = Colour | Gradient | Blur | Photo | Image.Image | np.ndarray
"""A colour ("white", "#20a0ff", (32, 160, 255)), a gradient, a blur, or an image: a `Photo` brings its colour profile, a PIL
image or a (h, w, 3) uint8 array is taken as sRGB."""


@dataclass(frozen=True, eq=False)
class Style:
    """How objects are composed.

    Attributes:
        background: what is put behind them; None leaves the image transparent.
        fit: "cover" scales a background image to fill the frame and crops it; "contain" shows all of it on a blurred copy.
        position: (x, y) from 0, left or top, to 1: which part of a covering image is kept, or where a contained one stands.
        shadow: of the objects on the background, from 0, none, to 1, black.
        softness: of the edges, from -1, hard, over 0, unchanged, to 1, soft.
        grow: how far the edges move out, or in if negative, in thousandths of the longest side.
        clean_colours: remove the old background from the colours of soft edges; False keeps the photo's own pixels.
    """

    background: Background | None = None
    fit: Fit = "cover"
    position: tuple[float, float] = (0.5, 0.5)
    shadow: float = 0.0
    softness: float = 0.0
    grow: float = 0.0
    clean_colours: bool = True


@dataclass(frozen=True, eq=False)
class Composition:
    """Objects of one photo, composed in one style.

    Attributes:
        photo: the photo at the composition's size (H, W).
        alpha: (H, W) float32 in [0, 1], all objects together, with the style's edges.
        style: as given.
    """

    photo: Photo
    alpha: np.ndarray
    style: Style = Style()

    @classmethod
    def of(
        cls, photo: Photo, alphas: Sequence[np.ndarray], style: Style = Style(), longest: int | None = None
    ) -> Composition:
        """Compose the objects with these alphas, at most `longest` pixels wide and high.

        Args:
            photo: what the objects are cut out of.
            alphas: one (H, W) float32 in [0, 1] per object, at least one.
            style: background, shadow and edges.
            longest: a smaller preview; None composes at full size.
        """
        alpha = composite.together(alphas)
        if longest is not None and max(alpha.shape) > longest:
            photo = replace(photo, pixels=composite.shrunk(photo.pixels, longest))
            alpha = composite.shrunk(alpha, longest)
        return cls(photo, composite.adjusted(alpha, softness=style.softness, grow=style.grow), style)

    @functools.cached_property
    def foreground(self) -> np.ndarray:
        """(H, W, 3) uint8, the objects' colours."""
        pixels = self.photo.pixels
        return composite.foreground_colours(pixels, self.alpha) if self.style.clean_colours else pixels

    def alpha_uint8(self) -> np.ndarray:
        """(H, W) uint8, rounded."""
        return composite.to_uint8(self.alpha)

    def cutout(self) -> np.ndarray:
        """(H, W, 4) uint8 RGBA, not premultiplied."""
        return np.dstack([self.foreground, self.alpha_uint8()])

    def over(self, background: Background) -> np.ndarray:
        """The objects on a background, with the style's fit, position and shadow.

        Returns:
            (H, W, 3) uint8 RGB in the photo's colour profile.

        Raises:
            InputError: the background is no colour and no image.
        """
        behind = self._background_pixels(background)
        if self.style.shadow:
            behind = composite.shadowed(behind, self.alpha, self.style.shadow)
        return composite.over(self.foreground, self.alpha, behind)

    def over_checkerboard(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB, over white and grey squares, without a shadow."""
        return composite.over(self.foreground, self.alpha, self._converted(composite.checkerboard(self.photo.size)))

    def pixels(self) -> np.ndarray:
        """The finished image: as `over` with the style's background, as `cutout` if it has none.

        Raises:
            InputError: the background is no colour and no image.
        """
        return self.cutout() if self.style.background is None else self.over(self.style.background)

    def _background_pixels(self, background: Background) -> np.ndarray:
        """(H, W, 3) uint8 in the photo's colour profile."""
        size, style = self.photo.size, self.style
        if isinstance(background, Blur):
            return composite.blurred(self.photo.pixels, self.alpha, background.strength)
        if isinstance(background, Gradient):
            return self._converted(composite.gradient(background.top, background.bottom, size))
        profile, plain = None, background
        if isinstance(background, Photo):
            profile, plain = background.icc_profile, background.pixels
        filled = composite.background_pixels(plain, size, whole=style.fit == "contain", centre=style.position)
        return self._converted(filled, profile)

    def _converted(self, pixels: np.ndarray, profile: bytes | None = None) -> np.ndarray:
        return converted(pixels, profile, self.photo.icc_profile)
