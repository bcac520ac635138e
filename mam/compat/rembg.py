"""rembg's Python interface: `from mam.compat.rembg import remove, new_session`.

Source: the signatures of rembg 2.0.86. What its arguments mean here is in docs/tools.md.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from reprlib import repr as shorten
from typing import Any

import numpy as np
from PIL import Image

from mam.compose.composition import Composition, Style
from mam.errors import PromptError
from mam.images import Photo, open_photo
from mam.images.encode import encode_image
from mam.matte import Matte
from mam.matting import Matting
from mam.model.load_matte import load_matte
from mam.model.providers import PROVIDERS
from mam.model.variants import VARIANTS

DEFAULT = "bria-rmbg"
MODELS = (
    *(DEFAULT, "u2net", "u2netp", "u2net_human_seg", "silueta", "isnet-general-use", "isnet-anime", "sam"),
    *(f"birefnet-{kind}" for kind in ("general", "general-lite", "general-fp16", "portrait", "dis", "hrsod", "cod")),
    "birefnet-massive",
)
"""Names of rembg's models; each means the embedded model, or the one that a server runs."""
REFUSED = {
    "u2net_cloth_seg": "it returns three masks of clothes, which no model here does",
    **dict.fromkeys(("u2net_custom", "dis_custom", "ben_custom"), "it runs a network of another kind"),
    **dict.fromkeys(("withoutbg", "atlascloud"), "it sends the image to another server"),
}
"""Names of rembg's other models, and why they are not available."""


@dataclass(frozen=True, eq=False)
class Session:
    """A loaded model, in the place of rembg's sessions.

    Attributes:
        model_name: as requested.
        matting: the model.
    """

    model_name: str
    matting: Matting

    @functools.cached_property
    def with_vitmatte(self) -> Matting:
        """The model with the edges by ViTMatte, which is downloaded on first use (110 MB)."""
        network = self.matting.matte_network or load_matte("vitmatte")
        return replace(self.matting, matte_network=network)

    def predict(self, img: Image.Image, *args: object, **kwargs: Any) -> list[Image.Image]:
        """Return the alpha of a PIL image, in a list, as a PIL image of mode L; for `kwargs` see `remove`."""
        photo = open_photo(img, self.matting.max_pixels)
        return [Image.fromarray(compose(photo, self, sam_prompt=kwargs.get("sam_prompt")).alpha_uint8())]


def new_session(model_name: str = DEFAULT, *args: object, sess_opts: Any = None, **kwargs: Any) -> Session:
    """Load a model.

    Args:
        model_name: one of rembg's `MODELS`, which all mean the embedded model; or what `mam.Matting.load` takes: a
            variant, such as "mobile_sam", or a folder of graphs.
        args: ignored.
        sess_opts: `onnxruntime.SessionOptions`, of which `intra_op_num_threads` counts; else the environment's
            OMP_NUM_THREADS.
        kwargs: `providers`, names of onnxruntime's, of which the first counts; others are ignored.

    Raises:
        ValueError: the model is one of rembg's that is not available, or none at all.
        GraphError, WeightsError: as `mam.Matting.load`.
    """
    if model_name in REFUSED:
        raise ValueError(f"the model {model_name!r} is not available: {REFUSED[model_name]}.")
    if model_name not in MODELS and not os.path.isdir(model_name) and model_name not in VARIANTS:
        raise ValueError(f"No session class found for model {model_name!r}; expected one of {', '.join(MODELS)}.")
    threads = getattr(sess_opts, "intra_op_num_threads", 0) or int(os.environ.get("OMP_NUM_THREADS") or 0)
    providers = [one[0] if isinstance(one, tuple) else one for one in kwargs.get("providers") or ()]
    devices = {provider.name: device for device, provider in PROVIDERS.items()}
    device = devices.get(providers[0], "auto") if providers else "auto"
    graphs = None if model_name in MODELS else model_name
    return Session(model_name, Matting.load(graphs, device=device, threads=threads or None))


def remove(
    data: bytes | Image.Image | np.ndarray,
    alpha_matting: bool = False,
    alpha_matting_foreground_threshold: int = 240,
    alpha_matting_background_threshold: int = 10,
    alpha_matting_erode_size: int = 10,
    session: Session | None = None,
    only_mask: bool = False,
    post_process_mask: bool = False,
    decontaminate: bool = False,
    vitmatte: bool = False,
    vitmatte_model: str | None = None,
    bgcolor: tuple[int, int, int, int] | None = None,
    force_return_bytes: bool = False,
    *args: object,
    **kwargs: Any,
) -> bytes | Image.Image | np.ndarray:
    """Cut out the main object of an image, or the one that `sam_prompt` points at.

    Args:
        data: the content of a file, a PIL image, or an array (H, W), (H, W, 3) or (H, W, 4).
        alpha_matting: ignored like its three numbers, because every alpha here is a matte.
        alpha_matting_foreground_threshold: ignored.
        alpha_matting_background_threshold: ignored.
        alpha_matting_erode_size: ignored.
        session: from `new_session`; None for the embedded model, which is loaded once.
        only_mask: return the alpha alone.
        post_process_mask: make the alpha 0 or 1, at half.
        decontaminate: ignored, because colours are always cleaned of the old background.
        vitmatte: compute the edges by ViTMatte, which is downloaded on first use.
        vitmatte_model: ignored; there is one, small-distinctions-646.
        bgcolor: red, green, blue and alpha of a background, 0 to 255.
        force_return_bytes: return the content of a PNG whatever `data` is.
        args: ignored.
        kwargs: `sam_prompt`, as for `compose`; `putalpha`, keep the image's own colours; others are ignored.

    Returns:
        The same kind as `data`: the content of a PNG; a PIL image of mode RGBA, or L with `only_mask`; or an array
        (H, W, 4) or (H, W) uint8. Where nothing is found, all of it is transparent.

    Raises:
        ValueError: `data` is of another type; `mam.InputError` and `mam.PromptError` are such errors too.
    """
    if not isinstance(data, (bytes, bytearray, Image.Image, np.ndarray)):
        raise ValueError(f"Input type {type(data)} is not supported; expected bytes, a PIL image or an array.")
    session = session or _default_session()
    photo = open_photo(data, session.matting.max_pixels)
    composition = compose(
        photo,
        session,
        sam_prompt=kwargs.get("sam_prompt"),
        hard=post_process_mask,
        vitmatte=vitmatte,
        own_colours=bool(kwargs.get("putalpha")),
    )
    pixels = finish(composition, only_mask, bgcolor)
    if force_return_bytes or isinstance(data, (bytes, bytearray)):
        return encode_image(pixels, "PNG", None if only_mask else photo.icc_profile)
    if isinstance(data, np.ndarray):
        return pixels
    image = Image.fromarray(pixels)
    if photo.icc_profile is not None:
        image.info["icc_profile"] = photo.icc_profile
    return image


def compose(
    photo: Photo,
    session: Session,
    *,
    sam_prompt: Sequence[dict[str, Any]] | None = None,
    hard: bool = False,
    vitmatte: bool = False,
    own_colours: bool = False,
) -> Composition:
    """Cut out an object for rembg's interfaces.

    Args:
        photo: the image.
        session: the model.
        sam_prompt: marks: {"type": "point", "label": 1 or 0, "data": [x, y]} or {"type": "rectangle", "data": [x0, y0,
            x1, y1]}, in pixels; None for the main object.
        hard: make the alpha 0 or 1, at half.
        vitmatte: compute the edges by ViTMatte.
        own_colours: keep the photo's colours at soft edges.

    Raises:
        PromptError: the marks are not of this form, or do not fit the photo.
    """
    matting = session.with_vitmatte if vitmatte else session.matting
    matte = matting.open(photo).matte(**_read_prompt(sam_prompt or ()))
    alpha = matte.alpha if isinstance(matte, Matte) else np.zeros(photo.size, np.float32)
    if hard:
        alpha = (alpha >= 0.5).astype(np.float32)
    return Composition.of(photo, [alpha], Style(clean_colours=not own_colours))


def finish(composition: Composition, only_mask: bool, bgcolor: Sequence[int] | None) -> np.ndarray:
    """Return the result as (H, W) or (H, W, 4) uint8."""
    if only_mask:
        return composition.alpha_uint8()
    cutout = composition.cutout()
    if bgcolor is None:
        return cutout
    background = Image.new("RGBA", (cutout.shape[1], cutout.shape[0]), tuple(bgcolor))
    return np.asarray(Image.alpha_composite(background, Image.fromarray(cutout)))


def _read_prompt(marks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Convert rembg's marks to arguments of `mam.Scene.matte`."""
    try:
        boxes = [mark["data"] for mark in marks if mark["type"] == "rectangle"]
        points = [mark for mark in marks if mark["type"] == "point"]
        labels = [mark["label"] for mark in points]
    except (TypeError, KeyError):
        raise PromptError(f"sam_prompt is {shorten(marks)}; expected a list of marks with type, label, data.") from None
    if len(boxes) > 1 or len(boxes) + len(points) < len(marks):
        raise PromptError("sam_prompt may have points and one rectangle.")
    return {"box": boxes[0] if boxes else None, "points": [mark["data"] for mark in points], "labels": labels}


@functools.cache
def _default_session() -> Session:
    return new_session()
