"""Controls for the background, the frame, the edges and the shadow, read as a `mam.Style`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from demo.canvas.images import thumbnail_url
from demo.events import PRIVATE
from demo.texts import ENGLISH, Texts, label
from mam import Background, Blur, Gradient, Style
from mam.compose.presets import SHAPES
from mam.images import open_photo
from mam.images.decode import SUFFIXES
from mam.serve.decoding import read_photo

BACKGROUNDS = Path(__file__).parents[1] / "backgrounds"
_THUMBNAIL = 96  # pixels

NONE, WHITE, COLOUR, GRADIENT, BLUR, OWN = "none", "white", "colour", "gradient", "blur", "own"
Values = Mapping[gr.components.Component, Any]


class StyleControls:
    """Lays the controls out inside an open `gr.Blocks`; those that the chosen background does not need are hidden.

    Attributes:
        all: The controls; handlers that read a style have them among their inputs.
        place: The controls of size and place, with their defaults.
        touching: Whether the object touches others; the model needs it, not the style.
        best_edges: Whether edges are computed by the slow network; the same holds.

    Args:
        prefix: How the elements' ids begin.
        kind: The background at first.
        offers_best_edges: There is such a network.
    """

    def __init__(self, prefix: str = "", kind: str = NONE, offers_best_edges: bool = False) -> None:
        pictures = list_backgrounds()
        kinds = [NONE, WHITE, COLOUR, GRADIENT, BLUR, *pictures, OWN]
        with gr.Tab(label("background")):
            self.kind = gr.Radio(
                ENGLISH.choices(kinds),
                value=kind,
                label=label("background"),
                show_label=False,
                elem_id=f"{prefix}kind",
                elem_classes="kind",
            )
            with gr.Row(elem_classes="settings"):
                self.colour = gr.ColorPicker("#20a0ff", label=label("upper_colour"), visible=False)
                self.lower_colour = gr.ColorPicker("#f5f5f5", label=label("lower_colour"), visible=False)
                self.blur = gr.Slider(
                    2, 60, 20, step=1, label=label("strength"), visible=False, elem_id=f"{prefix}blur"
                )
                self.own = gr.UploadButton(
                    label("choose_background"), file_types=sorted(SUFFIXES), visible=False, elem_id=f"{prefix}own"
                )
                self.x = gr.Slider(0, 100, 50, step=1, label=label("left_right"), visible=False, min_width=100)
                self.y = gr.Slider(0, 100, 50, step=1, label=label("up_down"), visible=False, min_width=100)
                self.whole = gr.Checkbox(
                    False, label=label("whole"), visible=False, min_width=100, elem_id=f"{prefix}whole"
                )
        with gr.Tab(label("place")), gr.Row(elem_classes="settings"):
            self.shape = gr.Dropdown(
                ENGLISH.choices(SHAPES),
                value="shape_photo",
                label=label("shape"),
                elem_id=f"{prefix}shape",
                filterable=False,
            )
            self.size = gr.Slider(10, 300, 100, step=5, label=label("size"), elem_id=f"{prefix}size", min_width=140)
            self.shift_x = gr.Slider(
                -100, 100, 0, step=1, label=label("left_right"), elem_id=f"{prefix}shift_x", min_width=140
            )
            self.shift_y = gr.Slider(
                -100, 100, 0, step=1, label=label("up_down"), elem_id=f"{prefix}shift_y", min_width=140
            )
        with gr.Tab(label("edges")), gr.Row(elem_classes="settings"):
            self.softness = gr.Slider(
                -100, 100, 0, step=5, label=label("softness"), elem_id=f"{prefix}softness", min_width=140
            )
            self.grow = gr.Slider(-5, 5, 0, step=0.5, label=label("grow"), elem_id=f"{prefix}grow", min_width=140)
            self.shadow = gr.Slider(0, 100, 0, step=5, label=label("shadow"), elem_id=f"{prefix}shadow", min_width=140)
            self.clean = gr.Checkbox(True, label=label("clean"), elem_id=f"{prefix}clean", min_width=140)
            self.touching = gr.Checkbox(False, label=label("touching"), elem_id=f"{prefix}touching", min_width=140)
            self.best_edges = gr.Checkbox(
                False,
                label=label("best_edges"),
                elem_id=f"{prefix}best_edges",
                min_width=140,
                visible=offers_best_edges,
            )
        self._shown_for = {
            self.colour: (COLOUR, GRADIENT),
            self.lower_colour: (GRADIENT,),
            self.blur: (BLUR,),
            self.own: (OWN,),
            self.x: (*pictures, OWN),
            self.y: (*pictures, OWN),
            self.whole: (*pictures, OWN),
        }
        self.place = {self.shape: "shape_photo", self.size: 100, self.shift_x: 0, self.shift_y: 0}
        edges = (self.softness, self.grow, self.clean, self.shadow)
        # `Any`, because Gradio adds the events of its components when it is imported.
        self.all: list[Any] = [self.kind, *self._shown_for, *self.place, *edges]
        self.show_controls_after(self.kind.input)

    def show_controls_after(self, event: Callable[..., Any]) -> None:
        """Show the controls of the chosen background at an event."""
        event(self._show_controls, self.kind, list(self._shown_for), queue=False, **PRIVATE)

    def choices(self, texts: Texts) -> dict[gr.components.Component, Any]:
        """Return updates of the controls with choices, which Gradio does not translate."""
        kinds = [str(value) for _, value in self.kind.choices]
        return {
            self.kind: gr.update(choices=texts.choices(kinds)),
            self.shape: gr.update(choices=texts.choices(SHAPES)),
        }

    def is_placed(self, values: Values) -> bool:
        """Return whether size and place are not the default."""
        return any(values[control] != default for control, default in self.place.items())

    def edges(self, values: Values) -> Style:
        """Return the chosen edges and frame, without background and shadow: all that a cut-out or an alpha needs."""
        shape = SHAPES[values[self.shape]]
        scale, offset = values[self.size] / 100, (values[self.shift_x] / 100, values[self.shift_y] / 100)
        return replace(
            shape,
            background=None,
            softness=values[self.softness] / 100,
            grow=values[self.grow],
            clean_colours=values[self.clean],
            placement=replace(shape.placement, scale=scale, offset=offset),
        )

    def style(self, values: Values, max_pixels: int) -> Style:
        """Return the whole chosen style.

        Args:
            values: Each control's value.
            max_pixels: A larger background image is made smaller.

        Raises:
            InputError: The visitor's own background cannot be used.
        """
        return replace(
            self.edges(values),
            background=self._background(values, max_pixels),
            fit="contain" if values[self.whole] else "cover",
            position=(values[self.x] / 100, values[self.y] / 100),
            shadow=values[self.shadow] / 100,
        )

    def _background(self, values: Values, max_pixels: int) -> Background | None:
        kind = values[self.kind]
        if kind == NONE:
            return SHAPES[values[self.shape]].background
        if kind == WHITE:
            return "white"
        if kind == COLOUR:
            return parse_colour(values[self.colour])
        if kind == GRADIENT:
            return Gradient(parse_colour(values[self.colour]), parse_colour(values[self.lower_colour]))
        if kind == BLUR:
            return Blur(values[self.blur])
        if kind == OWN:  # white until a picture is chosen
            return read_photo(values[self.own], max_pixels) if values[self.own] else "white"
        return open_photo(BACKGROUNDS / f"{kind}.jpg", max_pixels)

    def _show_controls(self, kind: str) -> list[dict[str, Any]]:
        return [gr.update(visible=kind in kinds) for kinds in self._shown_for.values()]


def parse_colour(text: str) -> str | tuple[int, ...]:
    """Read what Gradio's colour picker sends: "#rrggbb", or "rgba(r, g, b, a)" with fractions."""
    values = re.fullmatch(r"rgba?\(([\d.]+), *([\d.]+), *([\d.]+)(?:, *[\d.]+)?\)", text)
    return tuple(round(float(value)) for value in values.groups()) if values else text


def list_backgrounds() -> list[str]:
    """Return the names of the backgrounds that come with the page."""
    return sorted(path.stem for path in BACKGROUNDS.glob("*.jpg"))


def backgrounds_css() -> str:
    """Return rules that show each background as the picture of its choice."""
    checkers = "repeating-conic-gradient(#ccc 0 25%, #fff 0 50%) 0 / 16px 16px"
    fills = {
        NONE: checkers,
        WHITE: "#fff",
        COLOUR: "conic-gradient(#e33, #ec3, #3b6, #39e, #a4e, #e33)",
        GRADIENT: "linear-gradient(#20a0ff, #f5f5f5)",
        BLUR: "radial-gradient(circle at 30% 40%, #fa8, #8ac 60%, #567)",
        **{
            name: f"center / cover url({thumbnail_url(BACKGROUNDS / f'{name}.jpg', _THUMBNAIL)})"
            for name in list_backgrounds()
        },
        OWN: "repeating-linear-gradient(45deg, #ddd 0 6px, #eee 6px 12px)",
    }
    rules = (
        f".kind label:nth-of-type({number})::before {{ background: {fill}; }}"
        for number, fill in enumerate(fills.values(), 1)
    )
    return "\n".join(rules)
