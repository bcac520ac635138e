"""Public functions of the page for programs: `gradio_client`, curl, and language models through MCP.

Gradio reads the functions' annotations as they stand, so this file must not postpone their evaluation.
"""

import inspect
import json
import re
from pathlib import Path
from typing import Any, Literal

import gradio as gr

from demo.addresses import fetch_for_visitor
from demo.downloads import Downloads
from demo.engine import Engine
from demo.events import queue
from demo.messages import show_errors, visitor_error
from demo.uploads import uploaded_file
from mam import Matte, Prompt
from mam.catalogue import list_models
from mam.errors import UnknownWord
from mam.images import Photo
from mam.images.fetch import is_address
from mam.model.variants import BEST_AT
from mam.serve.decoding import read_image


def add_api(engine: Engine, downloads: Downloads) -> None:
    """Register the functions inside an open `gr.Blocks`; all other handlers of the page are private.

    Gradio and MCP clients read each function's arguments from its signature and docstring, so both functions that cut
    out state all of them.
    """

    @show_errors
    def matte(
        image: gr.FileData,
        box: list[float] | str | None = None,
        points: list[list[float]] | str | None = None,
        labels: list[int] | str | None = None,
        scribbles: list[list[list[float]]] | str | None = None,
        scribble_labels: list[int] | str | None = None,
        guidance: Literal["alpha", "mask", ""] | None = "alpha",
        text: str | None = None,
    ) -> tuple[gr.FileData, gr.FileData, float]:
        """Cut one object out of an image, with soft edges.

        Args:
            image: The image file.
            box: x0, y0, x1, y1 around the object, in pixels of the image.
            points: x, y of each click, in pixels of the image.
            labels: 1 (belongs to the object) or 0 (does not) per click; all 1 if left out.
            scribbles: Strokes, each a list of x, y.
            scribble_labels: 1 or 0 per stroke; all 1 if left out.
            guidance: "alpha" for the one object of an image, "mask" for one of several that touch.
            text: Names the object instead of a box, such as "dog"; any English phrase, if this server has a text
                model for phrases.

        Returns:
            The alpha matte (grey PNG), the cut-out (RGBA PNG), both of the image's size, and the predicted IoU.
        """
        photo = read(image)
        with engine.turn(photo):
            found = cut_out(photo, box, points, labels, scribbles, scribble_labels, guidance, text)
            alpha = downloads.png(found.alpha_uint8(), photo.name, "alpha")
            cutout = downloads.png(found.cutout(), photo.name, "cutout", photo.icc_profile)
        return _file_data(alpha), _file_data(cutout), found.score

    @show_errors
    def replace_background(
        image: gr.FileData,
        background: str | None = "white",
        background_image: gr.FileData | None = None,
        box: list[float] | str | None = None,
        points: list[list[float]] | str | None = None,
        labels: list[int] | str | None = None,
        scribbles: list[list[list[float]]] | str | None = None,
        scribble_labels: list[int] | str | None = None,
        guidance: Literal["alpha", "mask", ""] | None = "alpha",
        text: str | None = None,
    ) -> gr.FileData:
        """Cut one object out of an image and put it on another background.

        Args:
            image: The image file.
            background: A colour, such as "white" or "#20a0ff", or "blur" for the image's own background out of focus.
            background_image: An image file as the background, instead.
            box: x0, y0, x1, y1 around the object, in pixels of the image.
            points: x, y of each click, in pixels of the image.
            labels: 1 (belongs to the object) or 0 (does not) per click; all 1 if left out.
            scribbles: Strokes, each a list of x, y.
            scribble_labels: 1 or 0 per stroke; all 1 if left out.
            guidance: "alpha" for the one object of an image, "mask" for one of several that touch.
            text: Names the object instead of a box, such as "dog"; any English phrase, if this server has a text
                model for phrases.

        Returns:
            The image with its new background (PNG), of the same size.
        """
        photo, colour = read(image), _given("background", background) or "white"
        behind = read(background_image) if _names_file(background_image) else colour
        with engine.turn(photo):
            found = cut_out(photo, box, points, labels, scribbles, scribble_labels, guidance, text)
            pixels = found.over_blur() if behind == "blur" else found.over(behind)
            return _file_data(downloads.png(pixels, photo.name, "result", photo.icc_profile))

    @show_errors
    def segment(
        image: gr.FileData,
        box: list[float] | str | None = None,
        points: list[list[float]] | str | None = None,
        labels: list[int] | str | None = None,
    ) -> tuple[list[gr.FileData], list[float]]:
        """Find an object in an image as masks with hard edges: the answer, and what else the prompt may mean.

        Args:
            image: The image file.
            box: x0, y0, x1, y1 around the object, in pixels of the image.
            points: x, y of each click, in pixels of the image.
            labels: 1 (belongs to the object) or 0 (does not) per click; all 1 if left out.

        Returns:
            Up to four masks (PNG, 0 or 255, of the image's size): the answer, then what else the prompt may mean, from
            a part of it to more than it, each different; and the IoU predicted for each.
        """
        photo = read(image)
        prompt = Prompt(_given("box", box), _given("points", points) or (), _given("labels", labels))
        with engine.turn(photo):
            scene = engine.matting.open(photo)
            (found,) = scene.segment([prompt])
            answers = [found, *scene.alternatives(found).values()]
        masks = [answer.mask.astype("uint8") * 255 for answer in answers]
        files = [_file_data(downloads.png(mask, photo.name, f"mask{k}")) for k, mask in enumerate(masks)]
        return files, [answer.score for answer in answers]

    def models() -> list[dict[str, Any]]:
        """List the models of this server.

        Returns:
            Of each: name, megabytes, licence, best_at, state ("ready", "to get", "by hand" or "offline"), in_use (by
            these functions), and check, a sentence about its comparison with the model tiny, or null.
        """
        return [
            {
                "name": model.name,
                "megabytes": round(model.size / 1e6),
                "licence": model.licence,
                "best_at": BEST_AT[model.best_at],
                "state": model.state,
                "in_use": model.name == engine.matting.graphs.variant,
                "check": model.proof and model.proof.summary,
            }
            for model in list_models()
        ]

    def read(file: object) -> Photo:
        return read_image(_image_source(file), engine.matting.max_pixels)

    def cut_out(photo: Photo, *prompt: Any) -> Matte:
        names = ("box", "points", "labels", "scribbles", "scribble_labels", "guidance", "text")
        values = {name: _given(name, value) for name, value in zip(names, prompt, strict=True)}
        given = {name: value for name, value in values.items() if value is not None}
        try:
            scene = engine.matting.open(photo)
            with engine.refining:
                found = scene.matte(**given)
        except UnknownWord as error:
            known = ", ".join(engine.known_words)
            raise visitor_error(f"the word {error.word!r} is not known here; these are: {known}.") from error
        if not isinstance(found, Matte):
            raise visitor_error(str(found))
        return found

    for function in (matte, replace_background, segment, models):
        function.__doc__ = _join_lines(function.__doc__ or "")
        gr.api(function, api_name=function.__name__, **queue("api"))  # not the canvas's: addresses may be slow


def _given(name: str, value: Any) -> Any:
    """Return an optional value of a client, as the library takes it: lists may come as text, and "" or [] for nothing.

    Raises:
        gr.Error: It is a text that holds no list.
    """
    if isinstance(value, str):
        value = value.strip()
        if value.lower() in ("", "null", "none", "undefined"):
            return None
        if name not in ("text", "guidance", "background"):
            try:
                value = json.loads(value if value.startswith("[") else f"[{value}]")
            except (ValueError, RecursionError):
                raise visitor_error(f"{name} is {value[:80]!r}; expected a list of numbers, such as [1, 2].") from None
    return None if value in ([], {}) else value


def _names_file(file: object) -> bool:
    return bool((file.get("path") or file.get("url")) if isinstance(file, dict) else file)


def _join_lines(docstring: str) -> str:
    """Put the description of each parameter into one line, as Gradio takes no more."""
    return re.sub(r"\n {8,}", " ", inspect.cleandoc(docstring))


def _image_source(file: object) -> Path | bytes:
    """Return the path of an uploaded file, or the content of an address or data URI.

    Gradio moves uploads to its own folder, but passes a path on unchanged when the caller left out the mark of an
    upload. Such a path is never opened.

    Raises:
        gr.Error: It is none of these.
        InputError: The address cannot be read, or the server opens none.
    """
    path = (file.get("path") or file.get("url")) if isinstance(file, dict) else file
    if isinstance(path, str) and is_address(path):
        return fetch_for_visitor(path)
    uploaded = uploaded_file(path)
    if uploaded is None:
        raise visitor_error(
            f"{json.dumps(file, default=str)[:80]} is not an uploaded file; send one with gradio_client's handle_file, "
            "or a data URI."
        )
    return uploaded


def _file_data(path: str) -> Any:
    """Return a file for the caller, as a dictionary, which Gradio finds inside lists too."""
    return gr.FileData(path=path, orig_name=Path(path).name).model_dump()
