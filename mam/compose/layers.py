"""A PSD file with the photo, the chosen background and each object as a layer of its own."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from mam.errors import MamError

if TYPE_CHECKING:
    from mam.compose.composition import Composition

_MOST = 30_000  # pixels of a side


def require_psd_tools() -> None:
    """Check that PSD can be written.

    Raises:
        MamError: psd-tools is not installed.
    """
    try:
        import psd_tools  # noqa: F401
    except ImportError as error:
        raise MamError("PSD files need psd-tools: pip install psd-tools") from error


def encode_layers(whole: Composition, objects: Sequence[tuple[str, Composition]]) -> bytes:
    """Return the content of a PSD file.

    From below: the photo, hidden; the background of `whole` with the shadow, if it has one; and the objects, each with
    its colours and its alpha as the layer's mask, so that painting on the mask brings the photo back. The merged image
    is `whole`, over white if it has no background.

    Args:
        whole: all objects in the chosen style, in the photo's frame.
        objects: each object alone, with its name.

    Raises:
        MamError: psd-tools is not installed, or the photo is too large for the format.
    """
    require_psd_tools()
    from psd_tools import PSDImage
    from psd_tools.constants import Resource
    from psd_tools.psd.image_resources import ImageResource

    photo, style = whole.photo, whole.style
    if max(photo.size) > _MOST:
        raise MamError(f"PSD holds {_MOST} pixels a side, not {max(photo.size)}; choose PNG or TIFF.")
    behind = None if style.background is None else whole.background(style.background)
    file = PSDImage.frompil(Image.fromarray(whole.over("white") if style.background is None else whole.pixels()))
    file.create_pixel_layer(_image(photo.pixels), name="Photo").visible = False
    if behind is not None:
        file.create_pixel_layer(_image(behind), name="Background")
    for name, composition in objects:
        layer = file.create_pixel_layer(_image(composition.foreground))
        layer.name = name[:255]  # in Unicode, which the constructor does not take
        layer.create_mask(_image(composition.alpha_uint8()))
    if photo.icc_profile is not None:
        resource = ImageResource(key=Resource.ICC_PROFILE, data=photo.icc_profile)
        file.image_resources[Resource.ICC_PROFILE] = resource
    stream = io.BytesIO()
    file._record.write(stream)  # `save` would make the merged image anew, without the colour behind soft edges
    return stream.getvalue()


def _image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(pixels))
