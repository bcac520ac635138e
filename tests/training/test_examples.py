"""Examples for interactive segmentation are reproducible and consistent."""

import numpy as np
import pytest

from mam.training.examples import KINDS, Examples
from mam.training.library import INTERACTIVE_MIX, Library


@pytest.mark.parametrize("folder", ["data", "main_objects"])
def test_examples_depend_on_their_index_alone(request, folder):
    library = Library(request.getfixturevalue(folder), INTERACTIVE_MIX)
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
