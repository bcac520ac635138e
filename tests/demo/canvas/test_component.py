"""The canvas component's scripts, as they are joined for the browser."""

from pathlib import Path

from demo.canvas import component
from demo.canvas.component import PromptCanvas, script

FOLDER = Path(component.__file__).parent / "js"


def test_every_script_is_joined_once() -> None:
    joined = script()
    files = sorted(FOLDER.glob("*.js"))
    for file in files:
        assert joined.count(file.read_text("utf-8")) == 1
    assert joined.startswith("const LIMITS = {") and "\nconst TEXTS = {" in joined


def test_gradio_can_make_it_again_without_its_value() -> None:
    value = {"kind": "no_photo", "text": ""}
    canvas = PromptCanvas(lambda message: None, lambda message: [], lambda request: 0, {}, value, elem_id="canvas")
    arguments = {name: value for name, value in canvas.constructor_args.items() if name != "value"}
    assert PromptCanvas(**arguments).elem_id == "canvas"
