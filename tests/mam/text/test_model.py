"""A grounding model with random weights: folders that it is loaded from, and images that it searches."""

import numpy as np
import pytest

from mam import GraphError, Grounding, Matting
from mam.model.folders import BUNDLE, graphs_folder
from mam.text import ClosedSetModel
from mam.text.model import NAME, NO_MODEL

RED = "the girl in the red sweater"


@pytest.mark.parametrize("size", [(1, 3000), (3000, 1), (1, 1), (90, 160)])
def test_images_of_any_size_can_be_searched(grounding, size) -> None:
    found = grounding.find(np.full((*size, 3), 90, np.uint8), RED, box_threshold=0)
    h, w = size
    assert found and found.best_score == found[0].score == max(f.score for f in found)
    assert all(0 <= f.box[0] < f.box[2] <= w and 0 <= f.box[1] < f.box[3] <= h for f in found)


def test_without_a_model_the_error_names_the_command(tmp_path, monkeypatch, grounding_folder) -> None:
    monkeypatch.setenv("MAM_HOME", str(tmp_path))
    monkeypatch.delenv("MAM_GROUNDING", raising=False)
    with pytest.raises(GraphError) as caught:
        Grounding.load()
    assert str(caught.value) == NO_MODEL.format(folder=graphs_folder(NAME))
    assert "`mam weights get grounding-dino-tiny`" in str(caught.value)
    scene = Matting.load(device="cpu").open(np.full((20, 30, 3), 90, np.uint8))
    assert scene.grounding() == ClosedSetModel()  # until there is one
    base = graphs_folder("grounding-dino-base")
    base.parent.mkdir(parents=True)
    base.symlink_to(grounding_folder)  # the larger model is used if it is the only one
    assert scene.find("a cat").text == "a cat."


def test_the_environment_names_the_folder(monkeypatch, grounding_folder) -> None:
    monkeypatch.setenv("MAM_GROUNDING", str(grounding_folder))
    assert Grounding.load(device="cpu").folder == grounding_folder
    monkeypatch.setenv("MAM_GROUNDING", str(grounding_folder / "nothing"))
    with pytest.raises(GraphError, match=r"no text model in .*nothing"):
        Grounding.load(device="cpu")


def test_broken_folders_are_clear_errors(tmp_path, grounding_folder) -> None:
    (tmp_path / "grounding.onnx").write_bytes((BUNDLE / "matte.onnx").read_bytes())
    with pytest.raises(GraphError, match="there is no text model in"):
        Grounding.load(tmp_path, "cpu")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(GraphError, match="is not a tokenizer"):
        Grounding.load(tmp_path, "cpu")
    (tmp_path / "tokenizer.json").write_bytes((grounding_folder / "tokenizer.json").read_bytes())
    with pytest.raises(GraphError, match=r"has the metadata .*'matte'.*python -m export grounding"):
        Grounding.load(tmp_path, "cpu")
