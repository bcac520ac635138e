"""Trimaps from alphas, and edges by a network with ViTMatte's inputs and outputs."""

import numpy as np
import pytest
from PIL import Image

from mam import Matting, PromptError, Scene, Stroke
from mam.cli import main
from mam.masks.trimap import make_trimap
from mam.model.matte_network import BACKGROUND, FOREGROUND, UNKNOWN
from mam.model.vitmatte import ViTMatte
from tests.conftest import EXAMPLES, FLOWER_BOX
from tests.mock_graphs import MockGraphs
from tests.vitmatte import write_red

NOTHING = np.zeros((300, 400), np.float32)


def ramp(width: float) -> np.ndarray:
    """An alpha that rises from left to right, around column 200."""
    return np.broadcast_to(np.clip((np.arange(400) - 199.5) / width + 0.5, 0, 1), NOTHING.shape).astype(np.float32)


def test_the_softer_an_edge_the_wider_its_unknown_band() -> None:
    widths = []
    for width in (1, 10, 40, 100):
        trimap = make_trimap(ramp(width), np.round(ramp(1)), NOTHING)
        unknown = trimap[150] == UNKNOWN
        first, last = np.flatnonzero(unknown)[[0, -1]]
        assert unknown[first : last + 1].all() and (trimap == trimap[150]).all()
        assert (trimap[:, :first] == BACKGROUND).all() and (trimap[:, last + 1 :] == FOREGROUND).all()
        widths.append(unknown.sum())
    assert widths[0] < 10 < 14 < widths[1] < widths[2] < widths[3] and widths[2] > 55


def test_what_the_mask_denies_and_what_is_named_is_unknown() -> None:
    alpha, mask, named = np.ones_like(NOTHING), np.ones_like(NOTHING), NOTHING.copy()
    mask[100:140, 100:140] = 0
    named[200:203, 300:303] = 1
    unknown = make_trimap(alpha, mask, named) == UNKNOWN
    assert unknown[103:137, 103:137].all() and unknown[200:203, 300:303].all()
    assert not unknown[100:140, 200:].any() and unknown.sum() < 100 * 100


@pytest.fixture(scope="module")
def red_edges(tmp_path_factory) -> Matting:
    """Masks are boxes and discs, and alpha is the red channel where it is unknown."""
    file = write_red(tmp_path_factory.mktemp("red") / "red.onnx")
    return Matting(MockGraphs(), matte_network=ViTMatte.load(file, "cpu"))


PIXELS = np.full((300, 400, 3), 102, np.uint8)
BOX = (100, 100, 300, 200)


def test_edges_are_computed_again_and_clicks_obeyed(red_edges) -> None:
    scene = red_edges.open(PIXELS)
    alpha = scene.matte(box=BOX).alpha
    edge = np.isclose(alpha, 0.4, atol=0.01)
    assert edge[99:101, 110:290].all() and edge[110:190, 299:301].all()
    assert (alpha[110:190, 110:290] == 1).all() and alpha[:90].sum() == alpha[210:].sum() == 0
    corrected = scene.matte(box=BOX, points=[(299, 150)]).alpha
    assert corrected[150, 299] > 0.9


def test_strokes_name_the_unknown(red_edges) -> None:
    scene = red_edges.open(PIXELS)
    matte = scene.matte(box=BOX)
    strokes = [Stroke([(180, 150), (220, 150)], 20), Stroke([(200, 30)], 20, effect="restore")]
    alpha = scene.refine(matte.segment, unknown=strokes).alpha
    assert np.allclose(alpha[[150, 30], 200], 0.4, atol=0.01)
    assert np.array_equal(alpha[170:], matte.alpha[170:])
    with pytest.raises(PromptError, match='matte="vitmatte"'):
        Matting(red_edges.graphs).open(PIXELS).refine(matte.segment, unknown=strokes)


@pytest.mark.parametrize("box", [(0, 0, 400, 300), (100, 100, 104, 103)])
def test_an_object_without_an_edge_or_without_a_core_keeps_its_alpha(red_edges, box) -> None:
    own, kept = (matting.open(PIXELS).matte(box=box).alpha for matting in (Matting(red_edges.graphs), red_edges))
    assert own.any() and np.array_equal(own, kept)


def test_a_large_photo_gets_its_edges_at_its_size(red_edges) -> None:
    pixels = np.full((1500, 2600, 3), 102, np.uint8)
    alpha = red_edges.open(pixels).matte(box=(1400, 300, 2400, 1000)).alpha
    assert alpha.shape == (1500, 2600) and alpha[650, 1900] == 1 and not alpha[:, :1300].any()
    assert np.isclose(alpha[350:950, 1400], 0.4, atol=0.1).all()


@pytest.mark.slow
def test_the_command_line_loads_it(red_edges, flower, tmp_path) -> None:
    box, out = ",".join(map(str, FLOWER_BOX)), tmp_path / "flower.png"
    file = str(red_edges.matte_network.file)
    assert main(["matte", str(EXAMPLES / "flower.jpg"), "--box", box, "--matte", file, "--alpha", "-o", str(out)]) == 0
    expected = Scene(flower.graphs, flower.photo, matte_network=red_edges.matte_network).matte(box=FLOWER_BOX)
    assert np.array_equal(np.asarray(Image.open(out)), expected.alpha_uint8())
    assert (expected.alpha_uint8() != flower.matte(box=FLOWER_BOX).alpha_uint8()).mean() > 0.005
