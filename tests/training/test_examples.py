"""Examples for interactive segmentation are reproducible and make sense."""

import numpy as np
import pytest
from PIL import Image

from mam.training.examples import KINDS, Examples, Library, paste


@pytest.fixture(scope="module")
def main_objects(tmp_path_factory):
    """Two soft masks of main objects, as webp and png."""
    root = tmp_path_factory.mktemp("main")
    folder = root / "photos" / "duts"
    folder.mkdir(parents=True)
    disc = np.clip(30 - np.hypot(*np.mgrid[-45:45, -60:60]), 0, 1)
    rng = np.random.default_rng(0)
    for name in "ab":
        pixels = (disc[..., None] * 150 + rng.integers(0, 90, (90, 120, 3))).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.webp")
        Image.fromarray((disc * 255).astype(np.uint8)).save(folder / f"{name}.png")
    return root


@pytest.mark.parametrize("folder", ["data", "main_objects"])
def test_examples_depend_on_their_index_alone(request, folder):
    library = Library(request.getfixturevalue(folder))
    first, second = Examples(library, 96, 0), Examples(library, 96, 0)
    kinds = set()
    for index in range(30):
        example, again = first[index], second[index]
        assert all(np.array_equal(example[k], again[k]) for k in example)
        h, w = example["valid"]
        assert max(h, w) == 96
        assert example["mask"][:h, :w].any()
        assert not example["mask"][h:].any()
        assert not example["image"][:, w:].any()
        kinds.add(KINDS[int(example["kind"])])
    assert {"box", "click"} <= kinds


def test_main_objects_are_found_by_soft_masks(main_objects):
    image, labels = Library(main_objects).photo(np.random.default_rng(0)).read()
    assert image.mode == "RGB"
    assert np.unique(labels).tolist() == [0, 1]


def test_a_shadow_darkens_the_background_and_is_not_part_of_the_object():
    grey = Image.new("RGB", (100, 100), (200, 200, 200))
    white = Image.new("RGBA", (40, 40), (255, 255, 255, 255))
    shadows = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        image, labels = paste(rng, grey, np.zeros((100, 100), np.uint8), white, 0.4)
        assert labels.max() == 1
        shadows += int((np.asarray(image)[labels == 0] < 190).any())
    assert 4 <= shadows <= 16


def test_a_folder_without_photographs_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no photographs"):
        Library(tmp_path)
