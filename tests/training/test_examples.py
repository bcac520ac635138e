"""Examples for interactive segmentation are reproducible and consistent."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from training.examples import KINDS, Examples
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
