"""Resolution and EXIF data of images: what may travel with a result."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

from PIL import ExifTags, Image, TiffImagePlugin

_Tag = ExifTags.Base
# When and how a photo was taken, but not where (GPS), by whom (artist, copyright, comments) or with which individual
# camera (serial numbers, maker notes).
_KEPT_TAGS = frozenset({_Tag.Make, _Tag.Model, _Tag.DateTime})
_DETAILS = """ExposureTime FNumber ISOSpeedRatings DateTimeOriginal DateTimeDigitized ShutterSpeedValue ApertureValue
ExposureBiasValue MeteringMode Flash FocalLength FocalLengthIn35mmFilm WhiteBalance LensMake LensModel"""
_KEPT_DETAILS = frozenset(getattr(_Tag, name) for name in _DETAILS.split())


@dataclass(frozen=True)
class Metadata:
    """What a file holds about its image besides the pixels.

    Attributes:
        dpi: horizontal and vertical resolution; None if unknown.
        exif: EXIF data without the orientation, and without the place and the author of the photo; or None.
    """

    dpi: tuple[float, float] | None = None
    exif: bytes | None = None

    def options(self, file_format: str) -> dict[str, Any]:
        """Return the arguments of Pillow's `save` that embed it."""
        options: dict[str, Any] = {}
        if self.exif is not None:
            options["exif"] = self.exif
        if self.dpi is not None and file_format == "WEBP":  # which has no field of its own for it
            exif = Image.Exif()
            exif.load(self.exif or b"")
            exif[_Tag.XResolution], exif[_Tag.YResolution] = (TiffImagePlugin.IFDRational(value) for value in self.dpi)
            exif[_Tag.ResolutionUnit] = 2  # inch
            options["exif"] = exif.tobytes()
        elif self.dpi is not None:
            options["dpi"] = self.dpi
        return options


def read_metadata(image: Image.Image) -> Metadata:
    """Read resolution and EXIF data, leaving out what is broken."""
    dpi, exif = None, None
    with contextlib.suppress(Exception):  # Pillow raises many types for broken EXIF data
        x, y = image.info.get("dpi") or _exif_dpi(image.getexif())
        if 1 <= x <= 1e5 and 1 <= y <= 1e5:
            dpi = float(x), float(y)
    with contextlib.suppress(Exception):
        tags = image.getexif()
        kept = Image.Exif()
        for tag in _KEPT_TAGS & tags.keys():
            kept[tag] = tags[tag]
        details = tags.get_ifd(ExifTags.IFD.Exif)
        for tag in _KEPT_DETAILS & details.keys():
            kept.get_ifd(ExifTags.IFD.Exif)[tag] = details[tag]
        if len(kept) or kept.get_ifd(ExifTags.IFD.Exif):
            exif = kept.tobytes()
    return Metadata(dpi, exif)


def _exif_dpi(exif: Image.Exif) -> tuple[float, float]:
    """Return the resolution in EXIF data, where WebP and HEIC have theirs."""
    per_inch = {2: 1.0, 3: 2.54}[exif.get(_Tag.ResolutionUnit, 2)]
    return float(exif[_Tag.XResolution]) * per_inch, float(exif[_Tag.YResolution]) * per_inch
