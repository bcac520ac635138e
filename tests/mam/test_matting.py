"""Load a model and open an image."""

import pickle

import numpy as np
import pytest

from mam import GraphError, ImageTooLarge, Matting
from tests.conftest import FLOWER_BOX


def test_the_embedded_model_is_the_default(matting: Matting) -> None:
    assert matting.graphs.variant == "tiny"
    assert repr(matting).startswith("Matting(graphs=OnnxGraphs(tiny on CPUExecutionProvider")


def test_any_folder_of_graphs_is_loaded(graphs_folder) -> None:
    assert Matting.load(graphs_folder, device="cpu").graphs.variant == "mini"


def test_images_over_the_limit_are_refused() -> None:
    with pytest.raises(ImageTooLarge, match=r"the limit is 0.0"):
        Matting.load(device="cpu", max_pixels=100).open(np.zeros((20, 20, 3), np.uint8))


@pytest.mark.slow
def test_it_pickles_by_its_folder(matting: Matting, flower) -> None:
    data = pickle.dumps(matting)
    again = pickle.loads(data)
    assert len(data) < 1000 and again.graphs.folder == matting.graphs.folder
    scene = again.open(flower.photo.pixels)
    assert np.array_equal(scene.matte(box=FLOWER_BOX).alpha, flower.matte(box=FLOWER_BOX).alpha)


def test_the_text_model_is_loaded_when_it_is_needed(tmp_path) -> None:
    matting = Matting.load(device="cpu", grounding=tmp_path)
    with pytest.raises(GraphError, match="there is no text model in"):
        matting.grounding()
    assert pickle.loads(pickle.dumps(matting)).grounding == matting.grounding
