"""Controls for the background, the edges and the shadow, read as a `mam.composition.Style`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from mam.composition import Background, Blur, Gradient, Style
from mam.image_files import SUFFIXES
from mam.images import open_photo

BACKGROUNDS = Path(__file__).parents[1] / "backgrounds"

TRANSPARENT, COLOUR, GRADIENT, BLUR = "Transparent", "Colour", "Gradient", "Blur"
SHIPPED, OWN = "Picture", "Your own picture"
KINDS = [TRANSPARENT, COLOUR, GRADIENT, BLUR, SHIPPED, OWN]
_IMAGES = (SHIPPED, OWN)
Values = Mapping[gr.components.Component, Any]


class StyleControls:
    """Lays the controls out inside an open `gr.Blocks`; those that the chosen background does not need are hidden.

    Attributes:
        all: The controls; handlers that read a style have them among their inputs.
    """

    def __init__(self) -> None:
        self.kind = gr.Radio(KINDS, value=TRANSPARENT, label="Background", elem_id="kind")
        with gr.Row():
            self.colour = gr.ColorPicker("#20a0ff", label="Colour", visible=False)
            self.lower_colour = gr.ColorPicker("#f5f5f5", label="Lower colour", visible=False)
        self.blur = gr.Slider(2, 60, 20, step=1, label="Blur", visible=False)
        names = list_backgrounds()
        self.shipped = gr.Radio(names, value=names[0], label="Picture", visible=False)
        self.own = gr.UploadButton(
            "Choose your picture", file_types=sorted(SUFFIXES), visible=False, elem_id="own", size="sm"
        )
        self.whole = gr.Checkbox(False, label="Show all of it (fit) instead of filling the frame", visible=False)
        with gr.Row():
            self.x = gr.Slider(0, 100, 50, step=1, label="Left - right", visible=False, min_width=120)
            self.y = gr.Slider(0, 100, 50, step=1, label="Up - down", visible=False, min_width=120)
        with gr.Accordion("Edges and shadow", open=False):
            self.softness = gr.Slider(-100, 100, 0, step=5, label="Harder - softer", elem_id="softness")
            self.grow = gr.Slider(-5, 5, 0, step=0.5, label="Shrink - grow", elem_id="grow")
            self.clean = gr.Checkbox(
                True, label="Clean colours: remove the old background from soft edges", elem_id="clean"
            )
            self.shadow = gr.Slider(0, 100, 0, step=5, label="Shadow", elem_id="shadow")
        self._shown_for = {
            self.colour: (COLOUR, GRADIENT),
            self.lower_colour: (GRADIENT,),
            self.blur: (BLUR,),
            self.shipped: (SHIPPED,),
            self.own: (OWN,),
            self.whole: _IMAGES,
            self.x: _IMAGES,
            self.y: _IMAGES,
        }
        self.all = [self.kind, *self._shown_for, self.softness, self.grow, self.clean, self.shadow]
        self.kind.input(
            self._show_controls,
            self.kind,
            list(self._shown_for),
            queue=False,
            api_visibility="private",
            show_progress="hidden",
        )

    def edges(self, values: Values) -> Style:
        """Return the chosen style without a background: all that a cut-out or an alpha needs."""
        return Style(
            fit="contain" if values[self.whole] else "cover",
            position=(values[self.x] / 100, values[self.y] / 100),
            shadow=values[self.shadow] / 100,
            softness=values[self.softness] / 100,
            grow=values[self.grow],
            clean_colours=values[self.clean],
        )

    def style(self, values: Values, max_pixels: int) -> Style:
        """Return the chosen style with its background.

        Args:
            values: Each control's value.
            max_pixels: Larger background images are refused.

        Raises:
            InputError: The visitor's own background cannot be used.
        """
        return replace(self.edges(values), background=self._background(values, max_pixels))

    def _background(self, values: Values, max_pixels: int) -> Background | None:
        kind = values[self.kind]
        if kind == TRANSPARENT:
            return None
        if kind == COLOUR:
            return parse_colour(values[self.colour])
        if kind == GRADIENT:
            return Gradient(parse_colour(values[self.colour]), parse_colour(values[self.lower_colour]))
        if kind == BLUR:
            return Blur(values[self.blur])
        if kind == SHIPPED:
            return open_photo(BACKGROUNDS / f"{values[self.shipped]}.jpg", max_pixels)
        return open_photo(Path(values[self.own]), max_pixels) if values[self.own] else "white"  # until one is chosen

    def _show_controls(self, kind: str) -> list[dict[str, Any]]:
        return [gr.update(visible=kind in kinds) for kinds in self._shown_for.values()]


def parse_colour(text: str) -> str | tuple[int, ...]:
    """Read what Gradio's colour picker sends: "#rrggbb", or "rgba(r, g, b, a)" with fractions."""
    values = re.fullmatch(r"rgba?\(([\d.]+), *([\d.]+), *([\d.]+)(?:, *[\d.]+)?\)", text)
    return tuple(round(float(value)) for value in values.groups()) if values else text


def list_backgrounds() -> list[str]:
    """Return the names of the backgrounds that come with the page."""
    return sorted(path.stem for path in BACKGROUNDS.glob("*.jpg"))
