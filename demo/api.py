"""The public function for programs: `gradio_client`, curl. The page's own handlers stay private."""

from __future__ import annotations

import gradio as gr

from demo.session import Studio
from mam import MamError


def add_api(studio: Studio) -> None:
    """Register `/matte` inside an open `gr.Blocks`.

    Hidden components carry it, because files that a `gr.api` function returns are not served to clients.
    """

    def matte(
        image: str | None,
        box: list[float] | None = None,
        points: list[list[float]] | None = None,
        labels: list[int] | None = None,
        guidance: str = "alpha",
    ) -> tuple[str, str, float]:
        """Cut one object out of a picture.

        Args:
            image: the picture file.
            box: x0, y0, x1, y1 in pixels of the picture.
            points: x, y of each click.
            labels: 1 (belongs to it) or 0 (does not) per click; all 1 if left out.
            guidance: "alpha" for one object, "mask" for one of several.

        Returns:
            The alpha matte (grey PNG) and the cut-out (RGBA PNG) at the picture's size, and the predicted IoU.
        """
        if image is None:
            raise gr.Error("no picture; expected a file as the first argument.")
        try:
            found = studio.matting.open(image).matte(box=box, points=points or (), labels=labels, guidance=guidance)
        except (MamError, FileNotFoundError) as error:
            raise gr.Error(str(error)) from error
        if not found:
            raise gr.Error(str(found))
        photo = found.photo
        alpha = studio.downloads.write(found.alpha_uint8(), f"{photo.name}_alpha")
        cutout = studio.downloads.write(found.cutout(), f"{photo.name}_cutout", photo.icc_profile)
        return alpha, cutout, found.score

    with gr.Row(visible=False):
        inputs = [
            gr.File(type="filepath", label="image"),
            gr.JSON(label="box"),
            gr.JSON(label="points"),
            gr.JSON(label="labels"),
            gr.Textbox("alpha", label="guidance"),
        ]
        outputs = [gr.File(label="alpha"), gr.File(label="cutout"), gr.Number(label="score")]
        gr.Button().click(
            matte, inputs, outputs, api_name="matte", api_description=matte.__doc__, concurrency_id="model"
        )
