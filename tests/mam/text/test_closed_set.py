"""The embedded text model on real photographs, and when it is loaded."""

import pickle
import shutil

import numpy as np
import pytest

from mam import GraphError, Matting
from mam.images import open_photo
from mam.model.folders import BUNDLE
from mam.text import ClosedSetModel, GroundingLoader
from mam.text.closed_set import prepare_image
from mam.text.regions import boxes_of
from tests.conftest import EXAMPLES


@pytest.fixture(scope="module")
def words():
    return ClosedSetModel(threads=1)


@pytest.fixture()
def no_text_model(tmp_path, monkeypatch):
    monkeypatch.setenv("MAM_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MAM_GROUNDING", raising=False)


@pytest.mark.parametrize(
    ("photo", "text", "inside"),
    [("cat.png", "the cat", (225, 150)), ("astronaut.png", "woman", (220, 250)), ("coffee.png", "cup", (300, 200))],
)
def test_an_object_is_found_by_its_name(words, photo, text, inside) -> None:
    found = words.find(open_photo(EXAMPLES / photo).pixels, text)
    x0, y0, x1, y1 = found[0].box
    assert found[0].score > 0.25 and x0 < inside[0] < x1 and y0 < inside[1] < y1
    assert found[0].point is not None and x0 <= found[0].point[0] <= x1 and y0 <= found[0].point[1] <= y1


def test_what_is_not_there_is_not_found_and_losses_are_stated(words) -> None:
    pixels = open_photo(EXAMPLES / "cat.png").pixels
    found = words.find(pixels, "a yellow bus. zebra")
    assert not found and 0 < found.best_score <= 0.25 and found.text == "bus. zebra."
    assert found.readings == (("a yellow bus", "bus"),)
    assert str(found).startswith("nothing found for 'bus. zebra.' (best score 0.")
    assert words.find(pixels, "cats").readings == ()


def test_boxes_are_the_regions_of_a_map() -> None:
    logs = np.full((10, 20), np.log(0.001), np.float32)
    logs[2:5, 3:7], logs[6:8, 12:18] = np.log(0.9), np.log(0.4)
    found, peak = boxes_of(logs, "dog", (100, 400), threshold=0.25)
    assert peak == pytest.approx(0.9, abs=1e-3) and [one.score for one in found] == pytest.approx([0.9, 0.4], abs=1e-3)
    # A region ends between the places of the map: up to one of them more, 20 x 10 pixels.
    assert np.abs(np.array(found[0].box) - (60, 20, 140, 50)).max() <= 20
    assert np.abs(np.array(found[1].box) - (240, 60, 360, 80)).max() <= 20
    assert len(boxes_of(logs, "dog", (100, 400), threshold=0.5)[0]) == 1


def test_images_become_multiples_of_32_pixels() -> None:
    assert prepare_image(np.zeros((1000, 30, 3), np.uint8)).shape == (1, 3, 640, 32)
    assert prepare_image(np.zeros((300, 400, 3), np.uint8)).shape == (1, 3, 480, 640)


@pytest.mark.slow
def test_it_is_the_default_and_nothing_is_loaded_before_the_first_search(no_text_model, monkeypatch) -> None:
    from mam.model import providers

    matting = Matting.load(device="cpu", threads=1)
    opened = []
    open_sessions = providers.open_sessions
    monkeypatch.setattr(
        providers, "open_sessions", lambda files, *options: opened.extend(files) or open_sessions(files, *options)
    )
    model = matting.grounding()
    assert isinstance(model, ClosedSetModel) and len(model.known_words) > 50 and not opened
    scene = matting.open(EXAMPLES / "cat.png")
    matte = scene.matte(text="cat")
    assert matte and matte.mask[150, 225] and [file.name for file in opened] == ["words.onnx"]
    assert not scene.matte(text="zebra")
    assert matting.grounding() is model
    assert pickle.loads(pickle.dumps(matting)).grounding() == model


def test_a_model_for_any_phrase_replaces_it_once_there_is_one(no_text_model, grounding_folder, monkeypatch) -> None:
    loader = GroundingLoader()
    assert loader().known_words
    monkeypatch.setenv("MAM_GROUNDING", str(grounding_folder))
    assert not loader().known_words and loader().read("a red cat") == {"a red cat": "a red cat"}


def test_damaged_files_are_named(tmp_path) -> None:
    with pytest.raises(GraphError, match=r"words\.json is damaged"):
        ClosedSetModel(tmp_path).read("cat")
    (tmp_path / "words.json").write_text("[" * 100_000)
    with pytest.raises(GraphError, match=r"words\.json is damaged"):
        ClosedSetModel(tmp_path).read("cat")
    shutil.copy(BUNDLE / "words.json", tmp_path)
    shutil.copy(BUNDLE / "matte.onnx", tmp_path / "words.onnx")
    with pytest.raises(GraphError, match="is not the graph of this release"):
        ClosedSetModel(tmp_path).find(np.zeros((40, 40, 3), np.uint8), "cat")
