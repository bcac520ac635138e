"""What the visitor looks at and takes home: the result's pictures, and files at full size."""

from __future__ import annotations

import zipfile
from pathlib import Path

import gradio as gr

from demo import views
from demo.session import Item, Session, ready
from demo.studio import Studio
from demo.views import Layers, Look
from demo.words import in_words
from mam import MamError, Matte, PromptError

ALL, SELECTED = "All visible objects", "The selected object"
DOWNLOADS = {
    "cutout": "Cut-out PNG",
    "alpha": "Alpha PNG",
    "png": "Result PNG",
    "jpeg": "Result JPEG",
    "zip": "All objects ZIP",
}


def _mattes(studio: Studio, session: Session, guidance: str, which: str) -> list[tuple[Item, Matte]]:
    """The objects that are shown, with their mattes; those for which nothing was found are left out."""
    found = []
    for item in session.items:
        if ready(item.ops) and (item.visible if which == ALL else item.id == session.active):
            matte = studio.matte(session, item.ops, guidance)
            if matte:
                found.append((item, matte))
    return found


def pictures(studio: Studio, session: Session | None, guidance: str, which: str, look: Look) -> list:
    """New values for the pictures, the line about problems, and whether there is something to save."""
    nothing = [None, None, None, "", *[gr.update(interactive=False)] * len(DOWNLOADS)]
    if session is None or studio.current(session.visitor) != session.token:
        return nothing
    try:
        mattes = _mattes(studio, session, guidance, which)
        if not mattes:
            return nothing
        photo, limit = studio.scene(session).photo, studio.matting.max_pixels
        layers = Layers.lift(photo, [matte.alpha for _, matte in mattes], look, views.LONGEST)
        squares = layers.over_checkerboard()
        new = squares if look.kind == views.TRANSPARENT else layers.composed(look, limit)
    except (MamError, FileNotFoundError) as error:
        return [gr.skip(), gr.skip(), gr.skip(), f"**{in_words(error)}**", *[gr.skip()] * len(DOWNLOADS)]
    files = studio.downloads
    return [
        (files.jpeg(layers.pixels, "before", layers.profile), files.png(new, "after", layers.profile)),
        files.png(squares, "cutout", layers.profile),
        files.png(layers.alpha_uint8(), "alpha"),
        "",
        *[gr.update(interactive=True)] * len(DOWNLOADS),
    ]


def download(studio: Studio, kind: str, session: Session | None, guidance: str, which: str, look: Look) -> str:
    """Path of a full-size download, named after the visitor's upload.

    Raises:
        PromptError: there is nothing to save. InputError: no usable background.
    """
    mattes = [] if session is None else _mattes(studio, session, guidance, which)
    if not mattes:
        raise PromptError("nothing is cut out yet.")
    photo = studio.scene(session).photo
    if kind == "zip":
        path = studio.downloads.path(f"{session.name}_objects.zip")
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as bundle:
            for item, matte in mattes:
                layers = Layers.lift(photo, [matte.alpha], look)
                name = f"{session.name}_{item.id}_{item.name}"
                for part, pixels in (("cutout", layers.cutout()), ("alpha", layers.alpha_uint8())):
                    profile = photo.icc_profile if part == "cutout" else None
                    one = studio.downloads.png(pixels, f"{name}_{part}", profile)
                    bundle.write(one, Path(one).name)
        return str(path)
    layers = Layers.lift(photo, [matte.alpha for _, matte in mattes], look)
    if kind == "alpha":
        return studio.downloads.png(layers.alpha_uint8(), f"{session.name}_alpha")
    if kind == "cutout":
        return studio.downloads.png(layers.cutout(), f"{session.name}_cutout", photo.icc_profile)
    pixels = layers.composed(look, studio.matting.max_pixels)
    if kind == "jpeg":
        if pixels.shape[2] == 4:
            raise PromptError("JPEG knows no transparency; choose a background first, or save a PNG.")
        return studio.downloads.jpeg(pixels, f"{session.name}_result", photo.icc_profile)
    return studio.downloads.png(pixels, f"{session.name}_result", photo.icc_profile)
