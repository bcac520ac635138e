"""The public functions for programs: `gradio_client`, curl, and language models by MCP. The page's own handlers are private.

Gradio reads the functions' annotations as they stand, so this file must not postpone their evaluation.
"""

import json
from pathlib import Path
from typing import Any, Literal

import gradio as gr
from gradio.processing_utils import get_upload_folder

from demo.studio import Studio
from mam import MamError, Matte, Prompt
from mam.images import open_photo

_MODEL = {"concurrency_id": "model", "concurrency_limit": 2}


def add_api(studio: Studio) -> None:
    """Register the functions inside an open `gr.Blocks`."""
    downloads = studio.downloads

    def matte(
        image: gr.FileData,
        box: list[float] | None = None,
        points: list[list[float]] | None = None,
        labels: list[int] | None = None,
        scribbles: list[list[list[float]]] | None = None,
        scribble_labels: list[int] | None = None,
        guidance: Literal["alpha", "mask"] = "alpha",
        text: str | None = None,
    ) -> tuple[gr.FileData, gr.FileData, float]:
        """Cut one object out of a picture, softly.

        Args:
            image: The picture file.
            box: x0, y0, x1, y1 around the object, in pixels of the picture.
            points: x, y of each click, in pixels of the picture.
            labels: 1 (belongs to the object) or 0 (does not) per click; all 1 if left out.
            scribbles: Strokes, each a list of x, y.
            scribble_labels: 1 or 0 per stroke; all 1 if left out.
            guidance: "alpha" for the one object of a picture, "mask" for one of several that touch.
            text: Words for the object instead of a box, if this server has a text model.

        Returns:
            The alpha matte (grey PNG), the cut-out (RGBA PNG), both of the picture's size, and the predicted IoU.
        """
        found = cut(image, box, points, labels, scribbles, scribble_labels, guidance, text)
        name, profile = found.photo.name, found.photo.icc_profile
        alpha = downloads.png(found.alpha_uint8(), f"{name}_alpha")
        return _sent(alpha), _sent(downloads.png(found.cutout(), f"{name}_cutout", profile)), found.score

    def replace_background(
        image: gr.FileData,
        background: str = "white",
        picture: gr.FileData | None = None,
        box: list[float] | None = None,
        points: list[list[float]] | None = None,
        labels: list[int] | None = None,
        scribbles: list[list[list[float]]] | None = None,
        scribble_labels: list[int] | None = None,
        guidance: Literal["alpha", "mask"] = "alpha",
        text: str | None = None,
    ) -> gr.FileData:
        """Cut one object out of a picture and put it on another background.

        Args:
            image: The picture file.
            background: A colour, such as "white" or "#20a0ff", or "blur" for the picture's own background out of focus.
            picture: A picture file as the background, instead.
            box: x0, y0, x1, y1 around the object, in pixels of the picture.
            points: x, y of each click, in pixels of the picture.
            labels: 1 (belongs to the object) or 0 (does not) per click; all 1 if left out.
            scribbles: Strokes, each a list of x, y.
            scribble_labels: 1 or 0 per stroke; all 1 if left out.
            guidance: "alpha" for the one object of a picture, "mask" for one of several that touch.
            text: Words for the object instead of a box, if this server has a text model.

        Returns:
            The picture with its new background (PNG), of the same size.
        """
        found = cut(image, box, points, labels, scribbles, scribble_labels, guidance, text)
        with _words():
            if picture is not None:
                pixels = found.over(open_photo(_uploaded(picture), studio.matting.max_pixels).pixels)
            else:
                pixels = found.over_blur() if background == "blur" else found.over(background)
        return _sent(downloads.png(pixels, f"{found.photo.name}_result", found.photo.icc_profile))

    def segment(
        image: gr.FileData,
        box: list[float] | None = None,
        points: list[list[float]] | None = None,
        labels: list[int] | None = None,
    ) -> tuple[list[gr.FileData], list[float]]:
        """Find an object in a picture without cutting it out softly: SAM's four answers.

        Args:
            image: The picture file.
            box: x0, y0, x1, y1 around the object, in pixels of the picture.
            points: x, y of each click, in pixels of the picture.
            labels: 1 (belongs to the object) or 0 (does not) per click; all 1 if left out.

        Returns:
            Four masks (PNG, 0 or 255, of the picture's size): the single answer, then a part, a larger part, the whole; and
            the IoU predicted for each.
        """
        with _words():
            scene = studio.matting.open(_uploaded(image))
            (found,) = scene.segment([Prompt(box, points or (), labels)])
            masks = [other.mask.astype("uint8") * 255 for other in scene.alternatives(found)]
        files = [_sent(downloads.png(mask, f"{scene.photo.name}_mask{k}")) for k, mask in enumerate(masks)]
        return files, [float(score) for score in found.scores]

    def cut(image, box, points, labels, scribbles, scribble_labels, guidance, text) -> Matte:
        with _words():
            found = studio.matting.open(_uploaded(image)).matte(
                box=box,
                points=points or (),
                labels=labels,
                scribbles=scribbles or (),
                scribble_labels=scribble_labels,
                guidance=guidance,
                text=text,
            )
        if not found:
            raise gr.Error(str(found))
        return found

    for function in (matte, replace_background, segment):
        gr.api(function, api_name=function.__name__, **_MODEL)


class _words:
    """Our own errors as Gradio's, whose words reach the caller."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind, error, trace) -> None:
        if isinstance(error, (MamError, FileNotFoundError)):
            raise gr.Error(str(error)) from error


def _uploaded(file: object) -> str:
    """The path of a file that was uploaded. Gradio moves uploads to its own folder, but hands a path through as it came when
    the caller left out the mark of an upload: such a path is never opened.

    Raises:
        gr.Error: no upload.
    """
    path = file.get("path") if isinstance(file, dict) else None
    if not isinstance(path, str) or not Path(path).resolve().is_relative_to(Path(get_upload_folder()).resolve()):
        raise gr.Error(
            f"{json.dumps(file, default=str)[:80]} is no uploaded file; send one with gradio_client's handle_file."
        )
    return path


def _sent(path: str) -> dict[str, Any]:
    """A file for the caller, in the form that Gradio finds inside lists too."""
    return gr.FileData(path=path, orig_name=Path(path).name).model_dump()
