"""Examples for interactive segmentation are reproducible and consistent."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from training.examples import KINDS, Examples, edge_share
from training.library import Library


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
    assert "empty" in kinds or folder != "main_objects"


def test_the_target_of_an_empty_prompt_is_all_that_is_labelled(tmp_path):
    folder = tmp_path / "photos" / "duts"
    folder.mkdir(parents=True)
    y, x = np.mgrid[:90, :120]
    objects = (np.hypot(x - 40, y - 45) < 15) | (np.hypot(x - 80, y - 45) < 15)
    Image.fromarray(np.uint8(objects[..., None] * [200, 180, 160])).save(folder / "1.jpg")
    Image.fromarray(np.uint8(objects * 255)).save(folder / "1.png")
    examples = Examples(Library(tmp_path), 96, 0)
    drawn = [example for index in range(40) if KINDS[int((example := examples[index])["kind"])] == "empty"]
    assert len(drawn) > 1
    for example in drawn:
        h, w = example["valid"]
        mask = example["mask"][:h, :w]
        assert ndimage.label(mask)[1] == 2
        # At most 8% of each side is cut off.
        assert objects.mean() - 0.01 < mask.mean() < objects.mean() / 0.84**2 + 0.01


def test_a_click_may_mean_a_part_and_the_object_with_its_neighbours(tmp_path):
    folder = tmp_path / "photos" / "ccp"
    folder.mkdir(parents=True)
    labels = np.zeros((90, 90), np.uint8)
    labels[10:45, 30:60], labels[45:80, 30:60] = 1, 2  # a shirt and trousers
    Image.fromarray(np.uint8(labels[..., None] * [80, 60, 40])).save(folder / "1.jpg")
    Image.fromarray(labels).save(folder / "1.png")
    examples = Examples(Library(tmp_path), 96, 0)
    drawn = [example for index in range(60) if KINDS[int((example := examples[index])["kind"])] == "click"]
    parts = [example["part"].sum() / example["mask"].sum() for example in drawn]
    assert sum(0.3 < share < 0.7 for share in parts) > len(parts) / 3
    assert all((example["part"] <= example["mask"]).all() for example in drawn)
    assert any(example["more"].sum() > 1.2 * example["mask"].sum() for example in drawn)


def test_thin_objects_have_a_large_share_of_edge():
    thin, solid = np.zeros((100, 100), bool), np.zeros((100, 100), bool)
    thin[50:53], solid[20:80, 20:80] = True, True
    assert edge_share(thin) > 0.6 and edge_share(solid) < 0.1
