"""What people look at and take home: the cut-out, and the object on its new background."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mam import composite
from mam.images import Photo, converted, open_photo

BACKGROUNDS = Path(__file__).parent / "backgrounds"
LONGEST = 1280  # pixels of a result on the page; downloads are always at full size

TRANSPARENT, COLOUR, GRADIENT, BLUR, PICTURE, OWN = (
    "Transparent",
    "Colour",
    "Gradient",
    "Blur",
    "Picture",
    "Your own picture",
)


@dataclass(frozen=True)
class Look:
    """How a visitor wants the result to look; the fields are the page's controls, in their order.

    Attributes:
        kind: of background, one of the names above.
        colour, second: a colour, and the lower one of a gradient, as Gradio's picker sends them.
        strength: of the blur, in thousandths of the longest side.
        shipped: name of a picture that comes with the page. own: path of an upload, or None.
        whole: show all of the picture instead of filling the frame. x, y: where it is cut or stands, 0 to 100.
        shadow: 0 to 100.
        softness: -100, hard, to 100, soft. grow: thousandths of the longest side.
        clean: free the object's colours of the old background.
    """

    kind: str
    colour: str
    second: str
    strength: float
    shipped: str
    own: str | None
    whole: bool
    x: float
    y: float
    shadow: float
    softness: float
    grow: float
    clean: bool


@dataclass(frozen=True, eq=False)
class Layers:
    """An object lifted off its photo: (H, W, 3) uint8 pixels of the photo and colours of the object, (H, W) alpha, and the
    colour profile that all of them are in.
    """

    pixels: np.ndarray
    colours: np.ndarray
    alpha: np.ndarray
    profile: bytes | None

    @classmethod
    def lift(cls, photo: Photo, alphas: Sequence[np.ndarray], look: Look, longest: int | None = None) -> Layers:
        """All objects of a photo together, with the edges that were asked for; smaller if `longest` says so."""
        pixels, alpha = photo.pixels, composite.together(alphas)
        if longest is not None and max(alpha.shape) > longest:
            pixels = np.asarray(shown(pixels, longest))
            alpha = np.asarray(shown(alpha, longest))
        alpha = composite.adjusted(alpha, softness=look.softness / 100, grow=look.grow)
        return cls(
            pixels, composite.foreground_colours(pixels, alpha) if look.clean else pixels, alpha, photo.icc_profile
        )

    def alpha_uint8(self) -> np.ndarray:
        """(H, W) uint8."""
        return np.uint8(self.alpha * 255 + 0.5)

    def cutout(self) -> np.ndarray:
        """(H, W, 4) uint8."""
        return np.dstack([self.colours, self.alpha_uint8()])

    def over_checkerboard(self) -> np.ndarray:
        """(H, W, 3) uint8, over grey and white squares."""
        squares = composite.checkerboard(self.alpha.shape, max(8, max(self.alpha.shape) // 64))
        return composite.over(self.colours, self.alpha, squares)

    def composed(self, look: Look, max_pixels: int) -> np.ndarray:
        """The object on its new background, (H, W, 3) uint8; (H, W, 4) if that is transparent.

        Raises:
            InputError: no usable picture of one's own, or no colour.
        """
        if look.kind == TRANSPARENT:
            return self.cutout()
        background = self._background(look, max_pixels)
        if look.shadow:
            background = composite.shadowed(background, self.alpha, look.shadow / 100)
        return composite.over(self.colours, self.alpha, background)

    def _background(self, look: Look, max_pixels: int) -> np.ndarray:
        """In the photo's colour profile; white while a picture of one's own has not been chosen yet."""
        size = self.alpha.shape
        if look.kind == BLUR:
            return composite.blurred(self.pixels, self.alpha, look.strength)
        if look.kind in (PICTURE, OWN) and (
            path := BACKGROUNDS / f"{look.shipped}.jpg" if look.kind == PICTURE else look.own
        ):
            chosen = open_photo(path, max_pixels)
            behind = composite.background_pixels(
                chosen.pixels, size, whole=look.whole, centre=(look.x / 100, look.y / 100)
            )
            return converted(behind, chosen.icc_profile, self.profile)
        if look.kind == GRADIENT:
            return converted(composite.gradient(_colour(look.colour), _colour(look.second), size), None, self.profile)
        colour = _colour(look.colour) if look.kind == COLOUR else "white"
        return converted(composite.background_pixels(colour, size), None, self.profile)


def shown(pixels: np.ndarray, longest: int = LONGEST) -> Image.Image:
    """(H, W, 3 or 4) or (H, W) uint8, or (H, W) float32 -> the picture, at most `longest` pixels on its longest side."""
    image = Image.fromarray(pixels)
    scale = longest / max(image.size)
    if scale >= 1:
        return image
    return image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))), Image.Resampling.BOX)


def _colour(text: str) -> str | tuple[int, ...]:
    """Gradio's picker sends "#rrggbb" or "rgba(r, g, b, a)" with fractions."""
    values = re.fullmatch(r"rgba?\(([\d.]+), *([\d.]+), *([\d.]+)(?:, *[\d.]+)?\)", text)
    return tuple(round(float(v)) for v in values.groups()) if values else text


def shipped_backgrounds() -> list[str]:
    """Names of the backgrounds that come with the page."""
    return sorted(path.stem for path in BACKGROUNDS.glob("*.jpg"))
