"""The controls of the result's style; no server."""

from dataclasses import replace
from typing import Any

import gradio as gr
import pytest

from demo.tabs import style
from demo.tabs.style import StyleControls, list_backgrounds, parse_colour
from mam import InputError
from mam.compose.composition import Blur, Gradient, Style
from mam.compose.placement import Placement
from mam.compose.presets import PRESETS
from mam.images import Photo
from tests.conftest import EXAMPLES

LIMIT = 10_000_000


@pytest.fixture(scope="module")
def controls() -> StyleControls:
    with gr.Blocks():
        return StyleControls()


def values(controls: StyleControls, **changes: object) -> dict[Any, Any]:
    """What the page sends when nothing but these was changed."""
    return {control: control.value for control in controls.all} | {
        getattr(controls, name): value for name, value in changes.items()
    }


def test_the_page_begins_with_the_librarys_style(controls) -> None:
    assert vars(controls.style(values(controls), LIMIT)) == vars(Style())


def test_backgrounds(controls) -> None:
    def background(**changes: object) -> object:
        return controls.style(values(controls, **changes), LIMIT).background

    assert background(kind=style.COLOUR) == "#20a0ff"
    assert background(kind=style.COLOUR, colour="rgba(16.2, 32.4, 48, 1)") == (16, 32, 48)
    assert background(kind=style.GRADIENT) == Gradient("#20a0ff", "#f5f5f5")
    assert background(kind=style.BLUR, blur=9) == Blur(9)
    assert isinstance(background(kind=list_backgrounds()[0]), Photo)
    assert background(kind=style.OWN) == "white"
    assert background(kind=style.OWN, own=str(EXAMPLES / "cat.png")).size == (300, 451)
    with pytest.raises(InputError):
        background(kind=style.OWN, own=str(EXAMPLES / "README.md"))


def test_edges_need_no_background(controls) -> None:
    chosen = values(controls, kind=style.OWN, own="no picture", shadow=20, softness=-50, grow=2, clean=False)
    made = controls.edges(chosen)
    assert (made.background, made.placement, made.shadow) == (None, Placement(), 0)
    assert (made.softness, made.grow, made.clean_colours) == (-0.5, 2, False)


def test_size_and_place(controls) -> None:
    chosen = values(controls, shape="shape_square", size=50, shift_x=-25, shift_y=10, whole=True, x=0)
    made = controls.style(chosen, LIMIT)
    assert made.placement == Placement(1.0, 0.5, (-0.25, 0.1))
    assert (made.fit, made.position) == ("contain", (0, 0.5))


def test_colours_come_as_gradios_picker_sends_them() -> None:
    assert parse_colour("#102030") == "#102030" and parse_colour("rgb(1, 2, 3)") == (1, 2, 3)
    assert parse_colour("no colour") == "no colour"  # refused where it is used
    assert len(list_backgrounds()) >= 3


def test_presets(controls) -> None:
    square = PRESETS["square"]
    made = controls.style(values(controls, shape="preset_square", size=50), LIMIT)
    assert made.background == "white" and made.placement == replace(square.placement, scale=0.5)
    assert controls.style(values(controls, shape="preset_square", kind=style.BLUR, blur=9), LIMIT).background == Blur(9)
    sticker = controls.edges(values(controls, shape="preset_sticker"))
    assert sticker.outline == PRESETS["sticker"].outline and sticker.background is None
