"""The layout of a training folder, how often its sources are drawn, and what is cut out of it."""

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from training.library import MIX, Library, label_components


@pytest.fixture(scope="module")
def library(data) -> Library:
    return Library(data)


def test_video_frames_are_grouped_by_shot(library) -> None:
    assert [len(shot) for shot in library.shots["davis"]] == [2, 1]


def test_a_folder_without_photographs_is_refused(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="no photographs in"):
        Library(tmp_path)


def test_sources_are_drawn_by_weight(library) -> None:
    rng = np.random.default_rng(0)
    counts = Counter(library.photo(rng).source for _ in range(2000))
    weights = {source: MIX.sources.get(source, MIX.other) for source in library.shots}
    for source, weight in weights.items():
        assert counts[source] / 2000 == pytest.approx(weight / sum(weights.values()), abs=0.04)
    assert {library.photo(rng, ["ccp", "not here"]).source for _ in range(20)} == {"ccp"}


def test_main_objects_are_found_by_soft_masks(main_objects) -> None:
    image, labels = Library(main_objects).photo(np.random.default_rng(0)).read()
    assert image.mode == "RGB"
    assert np.unique(labels).tolist() == [0, 1]


def test_components_are_numbered_without_specks() -> None:
    mask = np.zeros((40, 40), bool)
    mask[2:12, 2:12] = mask[20:30, 20:30] = mask[38, 38] = True
    labels = label_components(mask)
    assert labels[5, 5] == 1 and labels[25, 25] == 2 and labels[38, 38] == 0


def test_foregrounds_are_opaque_inside_and_cut_tightly(data) -> None:
    library, rng = Library(data), np.random.default_rng(0)
    for _ in range(20):
        foreground = library.foreground(rng)
        alpha = np.asarray(foreground.getchannel("A"))
        assert foreground.mode == "RGBA" and alpha.max() > 127
        assert foreground.width < 120  # the photographs'


def test_foregrounds_come_from_any_photograph_where_nothing_else_is(tmp_path) -> None:
    folder = tmp_path / "photos" / "coco"
    folder.mkdir(parents=True)
    Image.new("RGB", (20, 20)).save(folder / "1.jpg")
    Image.fromarray(np.eye(20, dtype=np.uint8)).save(folder / "1.png")
    assert Library(tmp_path).foreground(np.random.default_rng(0)).size == (20, 20)
