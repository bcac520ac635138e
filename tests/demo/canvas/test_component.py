"""The canvas component's scripts, as they are joined for the browser."""

from pathlib import Path

from demo.canvas import component
from demo.canvas.component import script

FOLDER = Path(component.__file__).parent / "js"


def test_every_script_is_joined_once() -> None:
    joined = script()
    files = sorted(FOLDER.glob("*.js"))
    for file in files:
        assert joined.count(file.read_text("utf-8")) == 1
    assert joined.startswith("const LIMITS = {") and "\nconst TEXTS = {" in joined
