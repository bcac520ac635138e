"""A grounding model that is loaded when the first text prompt needs it."""

import pickle

from mam import Grounding, Matting
from mam.text import GroundingLoader
from tests.conftest import EXAMPLES

RED = "the girl in the red sweater"


def test_a_model_is_loaded_once_and_a_pickle_holds_the_folder_alone(grounding_folder) -> None:
    loader = GroundingLoader(grounding_folder, "cpu", 1)
    assert loader() is loader()
    again = pickle.loads(pickle.dumps(loader))
    assert again == loader and len(pickle.dumps(loader)) < 1000
    assert again() is not loader()


def test_the_library_loads_a_model_from_a_folder(grounding, grounding_folder) -> None:
    scene = Matting.load(device="cpu", grounding=grounding_folder).open(EXAMPLES / "coffee.png")
    found = scene.find(["a cat", RED], box_threshold=0.0)
    alone = Grounding.load(grounding_folder, "cpu").find(scene.photo.pixels, ["a cat", RED], box_threshold=0.0)
    assert found.boxes == alone.boxes
    assert {f.phrase for f in found} <= {"a cat", RED, ""}
    h, w = scene.photo.size
    assert all(0 <= f.box[0] < f.box[2] <= w and 0 <= f.box[1] < f.box[3] <= h for f in found)
