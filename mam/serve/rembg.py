"""The parameters of rembg's server, POST /api/remove.

Source: `rembg s` of rembg 2.0.86.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from mam.compat.rembg import MODELS, REFUSED, Session, compose, finish
from mam.errors import InputError
from mam.images import Photo
from mam.images.encode import encode_image

_TRUE, _FALSE = {"1", "true", "t", "on", "yes", "y"}, {"0", "false", "f", "off", "no", "n", ""}


def cut_out(photo: Photo, fields: Mapping[str, str], session: Session) -> bytes:
    """Return the content of a PNG.

    Args:
        photo: the image.
        fields: the request's fields, by rembg's names.
        session: the model, whichever of rembg's models the request names.

    Raises:
        InputError: a field cannot be read, or the marks in `extras` do not fit the photo.
    """
    model = fields.get("model") or MODELS[0]
    if model not in MODELS:
        reason = REFUSED.get(model, f"expected one of {', '.join(MODELS)}")
        raise InputError(f"the model {model[:80]!r} is not available: {reason}.")
    only_mask, hard, vitmatte = (_read_flag(fields, name) for name in ("om", "ppm", "vm"))
    if vitmatte and session.matting.matte_network is None:  # visitors download nothing
        raise InputError("vm: this server runs without ViTMatte; its owner may start it with --matte vitmatte.")
    extras = _read_extras(fields.get("extras") or "{}")
    marks, own_colours = extras.get("sam_prompt"), bool(extras.get("putalpha"))
    composition = compose(photo, session, sam_prompt=marks, hard=hard, vitmatte=vitmatte, own_colours=own_colours)
    pixels = finish(composition, only_mask, _read_colour(fields.get("bgc")))
    return encode_image(pixels, "PNG", None if only_mask else photo.icc_profile)


def _read_flag(fields: Mapping[str, str], name: str) -> bool:
    value = fields.get(name, "").lower()
    if value not in _TRUE | _FALSE:
        raise InputError(f"{name} is {value[:80]!r}; expected true or false.")
    return value in _TRUE


def _read_colour(text: str | None) -> tuple[int, ...] | None:
    try:
        colour = tuple(int(part) for part in text.split(",")) if text else None
    except ValueError:
        colour = ()
    if colour is not None and not (len(colour) in (3, 4) and all(0 <= part <= 255 for part in colour)):
        raise InputError(f"bgc is {str(text)[:80]!r}; expected R,G,B,A, each from 0 to 255.")
    return colour


def _read_extras(text: str) -> dict:
    try:
        extras = json.loads(text)
    except (ValueError, RecursionError):
        extras = None
    if not isinstance(extras, dict):
        raise InputError(f"extras is {text[:80]!r}; expected an object of JSON.")
    return extras
