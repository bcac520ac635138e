"""Encode a matte as the content of a file: its cut-out, its alpha or a composition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mam.images import Photo
from mam.images.encode import encode_image
from mam.matte import Matte


@dataclass(frozen=True)
class Rendering:
    """The choices that make a file of a matte; by default the transparent cut-out in the image's size.

    Attributes:
        alpha: the alpha matte alone, in grey.
        bits: 8 or 16, of a pixel of the alpha; 16 for PNG only.
        background: the object is composed over this image, colour or "blur"; None leaves it transparent, or over white
            in a JPEG.
        trim: crop to the object, with a margin of so many pixels; None keeps the image's size.
        metadata: keep the image's resolution and EXIF data, but not where and by whom it was taken.
    """

    alpha: bool = False
    bits: int = 8
    background: Photo | str | None = None
    trim: int | None = None
    metadata: bool = False

    def encode(self, matte: Matte, file_format: str) -> bytes:
        """Return the content of the file.

        Args:
            matte: the object.
            file_format: "PNG", "WEBP" or "JPEG".

        Raises:
            InputError: the format cannot hold it.
        """
        pixels = self._alpha(matte) if self.alpha else self._colours(matte, file_format)
        if self.trim is not None:
            x0, y0, x1, y1 = matte.bounds(self.trim)
            pixels = pixels[y0:y1, x0:x1]
        profile = None if self.alpha else matte.photo.icc_profile
        return encode_image(pixels, file_format, profile, matte.photo.metadata if self.metadata else None)

    def _alpha(self, matte: Matte) -> np.ndarray:
        return matte.alpha_uint16() if self.bits == 16 else matte.alpha_uint8()

    def _colours(self, matte: Matte, file_format: str) -> np.ndarray:
        background = "white" if self.background is None and file_format == "JPEG" else self.background
        if background is None:
            return matte.cutout()
        return matte.over_blur() if background == "blur" else matte.over(background)
