"""The parameters of remove.bg's API, POST /v1.0/removebg, and its answers.

Source: remove.bg's API documentation, version 1.0.
"""

from __future__ import annotations

import base64
import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from mam.compose.composite import is_colour
from mam.compose.composition import Background, Composition, OutputOptions, Style
from mam.compose.placement import Placement
from mam.errors import InputError
from mam.images import Photo
from mam.images.boxes import PixelBox, full_box, mask_bounds
from mam.images.encode import encode_image
from mam.matte import Matte
from mam.matting import Matting

_PIXELS = {**dict.fromkeys(("preview", "small", "regular"), 250_000), "medium": 1_500_000, "hd": 4_000_000}
_SIZES = (*_PIXELS, "auto", "full", "4k", "50MP")
_FORMATS = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP", "zip": "ZIP", "auto": ""}
_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "ZIP": "application/zip"}
_SHADOWS = {"none": 0.0, "drop": 1.0, "3D": 1.0, "car": 1.0}
_SHADOW = 0.5  # opacity from 0 to 1, without shadow_opacity


class UnknownForeground(InputError):
    """No object was found."""


@dataclass(frozen=True)
class Length:
    """A length in pixels, or in parts of another one."""

    value: float
    unit: Literal["px", "%"]

    def pixels(self, whole: int) -> int:
        """Return the length in pixels."""
        return round(self.value if self.unit == "px" else self.value * whole / 100)


@dataclass(frozen=True)
class Parameters:
    """What a request asks for.

    Attributes:
        pixels: the most that the result may have; None for the photo's size.
        file_format: "PNG", "JPEG", "WEBP", "ZIP", or "" for PNG where it is transparent and else JPEG.
        roi: four lengths, in which the object is looked for.
        margins: around the object in a crop: four lengths, from the top clockwise; None for no crop.
        style: placement and shadow, and the background if it is a colour.
        only_alpha: return the alpha alone.
    """

    pixels: int | None
    file_format: str
    roi: tuple[Length, ...] | None
    margins: tuple[Length, ...] | None
    style: Style
    only_alpha: bool


def read_parameters(fields: Mapping[str, str]) -> Parameters:
    """Read the fields of a request; those that are not listed in docs/tools.md are ignored.

    Raises:
        InputError: a field cannot be read.
    """
    position = _read_position(fields.get("position"))
    scale = fields.get("scale") or "original"
    fill = None if scale == "original" else _read_lengths("scale", scale, (1,), "%")[0].value / 100
    if fill is not None and not 0.1 <= fill <= 1:
        raise InputError(f"scale is {scale[:80]!r}; expected original, or 10% to 100%.")
    if fill is not None and position is None and fields.get("position") != "original":
        position = (0.5, 0.5)
    roi, margin = fields.get("roi"), fields.get("crop_margin") or "0"
    size = _read_choice(fields, "size", "preview", _SIZES)
    return Parameters(
        _PIXELS.get(size),
        _FORMATS[_read_choice(fields, "format", "auto", _FORMATS)],
        _read_lengths("roi", roi, (4,)) if roi else None,
        _read_lengths("crop_margin", margin, (1, 2, 4)) if _read_flag(fields, "crop") else None,
        Style(
            _read_colour(fields.get("bg_color")),
            shadow=_read_shadow(fields),
            placement=Placement(fill=fill, position=position),
        ),
        _read_choice(fields, "channels", "rgba", ("rgba", "alpha")) == "alpha",
    )


def answer(
    photo: Photo, background: Photo | None, parameters: Parameters, matting: Matting
) -> tuple[bytes, str, dict[str, int]]:
    """Cut out the main object -> the content of a file, its type, and the numbers of the headers.

    Args:
        photo: the image.
        background: an image behind the object; None for the parameters' colour.
        parameters: what is asked for.
        matting: the model.

    Raises:
        UnknownForeground: there is no object.
        InputError: the region of interest is outside the photo.
    """
    alpha = _find(photo, parameters, matting)
    style = parameters.style if background is None else replace(parameters.style, background=background)
    h, w = photo.size
    longest = None if parameters.pixels is None else max(1, int(max(h, w) * (parameters.pixels / (h * w)) ** 0.5))
    composition = Composition.of(photo, [alpha], style, longest)
    x0, y0, x1, y1 = box = composition.bounds()
    frame = composition.alpha_uint8().shape
    if parameters.margins is None:
        crop, trim = full_box(frame), None
    else:
        top, right, bottom, left = (
            margin.pixels(side) for margin, side in zip(parameters.margins, (y1 - y0, x1 - x0) * 2, strict=True)
        )
        trim = left, top, right, bottom
        crop = composition.bounds(trim)
    options = OutputOptions(style, parameters.only_alpha, trim=trim)
    file_format = parameters.file_format or ("PNG" if style.background is None or parameters.only_alpha else "JPEG")
    content = _zip(composition, trim) if file_format == "ZIP" else composition.encode(file_format, options)
    numbers = {
        "Width": crop[2] - crop[0],
        "Height": crop[3] - crop[1],
        "Foreground-Top": box[1] - crop[1],
        "Foreground-Left": box[0] - crop[0],
        "Foreground-Width": box[2] - box[0],
        "Foreground-Height": box[3] - box[1],
    }
    return content, _TYPES[file_format], numbers


def as_json(content: bytes, numbers: Mapping[str, int]) -> bytes:
    """Return an answer as JSON, for requests that accept only that."""
    named = {name.lower().replace("-", "_"): value for name, value in numbers.items() if name.startswith("Foreground")}
    return json.dumps({"data": {"result_b64": base64.b64encode(content).decode(), **named}}).encode()


def _find(photo: Photo, parameters: Parameters, matting: Matting) -> np.ndarray:
    """Return the alpha of the main object inside the region of interest, (H, W) float32."""
    h, w = photo.size
    x0, y0, x1, y1 = _region(parameters, photo.size)
    alpha, straight = (None if part is None else part[y0:y1, x0:x1] for part in (photo.alpha, photo.straight))
    part = replace(photo, pixels=photo.pixels[y0:y1, x0:x1], alpha=alpha, straight=straight)
    matte = matting.open(part).matte()
    if not isinstance(matte, Matte) or mask_bounds(matte.alpha_uint8() > 0) is None:
        raise UnknownForeground("no foreground was found in the image.")
    found = np.zeros((h, w), np.float32)
    found[y0:y1, x0:x1] = matte.alpha
    return found


def _region(parameters: Parameters, size: tuple[int, int]) -> PixelBox:
    if parameters.roi is None:
        return full_box(size)
    h, w = size
    x0, y0, x1, y1 = (length.pixels(side) for length, side in zip(parameters.roi, (w, h) * 2, strict=True))
    box = max(0, x0), max(0, y0), min(w, x1), min(h, y1)
    if box[2] <= box[0] or box[3] <= box[1]:
        raise InputError(f"roi is empty or outside the image, which is {w} wide and {h} high.")
    return box


def _zip(composition: Composition, trim: Any) -> bytes:
    """Return an archive of color.jpg, the object's colours, and alpha.png."""
    is_placed = composition.style.placement != Placement()
    stream, colours = io.BytesIO(), composition.cutout()[..., :3] if is_placed else composition.foreground
    if trim is not None:
        x0, y0, x1, y1 = composition.bounds(trim)
        colours = colours[y0:y1, x0:x1]
    alpha = composition.encode("PNG", OutputOptions(composition.style, alpha=True, trim=trim))
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("color.jpg", encode_image(colours, "JPEG", composition.photo.icc_profile))
        archive.writestr("alpha.png", alpha)
    return stream.getvalue()


def _read_choice(fields: Mapping[str, str], name: str, default: str, choices: Any) -> str:
    value = fields.get(name) or default
    if value not in choices:
        raise InputError(f"{name} is {value[:80]!r}; expected one of {', '.join(choices)}.")
    return value


def _read_flag(fields: Mapping[str, str], name: str) -> bool:
    return _read_choice(fields, name, "false", ("true", "false", "1", "0")) in ("true", "1")


def _read_lengths(name: str, text: str, counts: tuple[int, ...], unit: str | None = None) -> tuple[Length, ...]:
    parts = [re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)(px|%)?", part) for part in text.split()]
    lengths = tuple(Length(float(part[1]), "%" if part[2] == "%" else "px") for part in parts if part)
    if len(lengths) != len(parts) or len(lengths) not in counts or (unit and lengths[0].unit != unit):
        expected = f"{' or '.join(map(str, counts))} of lengths such as {'' if unit else '30px or '}10%"
        raise InputError(f"{name} is {text[:80]!r}; expected {expected}.")
    return lengths * (counts[-1] // len(lengths))  # as in CSS: fewer lengths stand for the remaining sides too


def _read_position(text: str | None) -> tuple[float, float] | None:
    if not text or text == "original":
        return None
    if text == "center":
        return 0.5, 0.5
    lengths = _read_lengths("position", text, (1, 2), "%")
    if any(length.unit != "%" or length.value > 100 for length in lengths):
        raise InputError(f"position is {text[:80]!r}; expected original, center, or one or two of 0% to 100%.")
    return lengths[0].value / 100, lengths[-1].value / 100


def _read_colour(text: str | None) -> Background | None:
    if not text:
        return None
    if re.fullmatch(r"([0-9a-fA-F]{3,4}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})", text):
        text = f"#{text}"
    if re.fullmatch("#([0-9a-fA-F]{3}0|[0-9a-fA-F]{6}00)", text):  # transparent; other transparency is ignored
        return None
    if not is_colour(text):
        raise InputError(f"bg_color is {text[:80]!r}; expected a name such as white, or a code such as 81d4fa.")
    return text


def _read_shadow(fields: Mapping[str, str]) -> float:
    strength = _SHADOWS[_read_choice(fields, "shadow_type", "none", _SHADOWS)]
    if _read_flag(fields, "add_shadow"):
        strength = 1.0
    opacity = fields.get("shadow_opacity") or str(100 * _SHADOW)
    if not re.fullmatch(r"\d{1,3}(\.\d{1,6})?", opacity) or float(opacity) > 100:
        raise InputError(f"shadow_opacity is {opacity[:80]!r}; expected 0 to 100.")
    return strength * float(opacity) / 100
