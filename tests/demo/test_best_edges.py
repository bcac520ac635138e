"""The option "Best edges" on the page, with a network in ViTMatte's place; no server."""

from dataclasses import replace

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from demo import app
from demo.canvas.parsing import parse_ops
from demo.downloads import Downloads
from demo.engine import Engine
from demo.session import Op, SceneObject, stroke_from
from demo.tabs.result import add_result
from mam import Matting
from mam.errors import PromptError
from mam.model.vitmatte import FILE, ViTMatte
from tests.conftest import EXAMPLES
from tests.mock_graphs import MockGraphs
from tests.vitmatte import write_red

BOX = (Op("box", (178.0, 82.0, 450.0, 360.0)),)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return ViTMatte.load(write_red(tmp_path_factory.mktemp("red") / "red.onnx"), "cpu")


@pytest.mark.parametrize("has_file", [False, True])
def test_they_are_offered_where_the_file_is(has_file, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MAM_HOME", str(tmp_path))
    if has_file:
        (tmp_path / FILE).write_bytes(b"loaded when it is wanted")
    page = app.build_demo(Matting(MockGraphs()))
    shown = {block.elem_id: block.visible for block in page.blocks.values() if "best_edges" in (block.elem_id or "")}
    assert shown == {"best_edges": has_file, "batch_best_edges": False}


def test_they_are_kept_beside_the_others(network) -> None:
    engine = Engine(Matting(MockGraphs()), best_edges=lambda: network)
    session = engine.open(str(EXAMPLES / "flower.jpg"))
    plain, best = (engine.matte(session, BOX, "alpha", chosen) for chosen in (False, True))
    expected = engine.scene(session).refine(engine.segment(session, BOX), matte_network=network)
    assert np.array_equal(best.alpha, expected.alpha) and (best.alpha != plain.alpha).mean() > 0.005
    assert engine.matte(session, BOX, "alpha") is plain and engine.matte(session, BOX, "alpha", True) is best
    erased = engine.matte(session, (*BOX, Op("paint", ((314.0, 220.0), (320.0, 220.0)), 0, size=20.0)), "alpha", True)
    assert erased.alpha[220, 314] == 0 and np.array_equal(erased.alpha[:150], best.alpha[:150])
    without = Engine(Matting(MockGraphs()))
    session = without.open(str(EXAMPLES / "flower.jpg"))
    assert np.array_equal(without.matte(session, BOX, "alpha", True).alpha, plain.alpha)


def test_strokes_over_the_unknown_are_computed_again(network) -> None:
    engine = Engine(Matting(MockGraphs()), best_edges=lambda: network)
    session = engine.open(str(EXAMPLES / "flower.jpg"))
    erase = Op("paint", ((314.0, 220.0), (320.0, 220.0)), 0, size=20.0)
    (hair,) = parse_ops([{"kind": "paint", "xy": [[200, 150], [260, 150]], "label": 2, "size": 30, "softness": 0}])
    scene, segment = engine.scene(session), engine.segment(session, BOX)
    expected = scene.refine(segment, unknown=[stroke_from(hair)], matte_network=network)
    best = engine.matte(session, (*BOX, hair), "alpha", True)
    assert np.array_equal(best.alpha, expected.alpha) and (best.alpha != scene.refine(segment).alpha).any()
    both = engine.matte(session, (*BOX, erase, hair), "alpha", True)
    assert both.alpha[220, 314] == 0 and np.array_equal(both.alpha[:200], best.alpha[:200])
    assert np.array_equal(engine.matte(session, (*BOX, hair), "alpha").alpha, engine.matte(session, BOX, "alpha").alpha)
    with pytest.raises(PromptError, match="is not a box"):
        parse_ops([{"kind": "scribble", "xy": [[1, 1]], "label": 2}])


def test_the_download_has_them(network) -> None:
    engine = Engine(Matting(MockGraphs()), best_edges=lambda: network)
    session = replace(engine.open(str(EXAMPLES / "flower.jpg")), objects=(SceneObject(1, "flower", BOX),))
    with gr.Blocks() as page:
        result = add_result(page, engine, Downloads())
    values = {control: control.value for control in result.controls.all}
    for chosen in (False, True):
        values[result.controls.style.best_edges] = chosen
        alpha = np.asarray(Image.open(result.save("format_alpha", session, values)))
        assert np.array_equal(alpha, engine.matte(session, BOX, "alpha", chosen).alpha_uint8())
