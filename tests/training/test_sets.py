"""The paper's data sets give examples of the same form as our own composites."""

import numpy as np
import pytest

from training.sets import SetComposites


def test_real_sets_give_examples_of_the_same_form(sets, tmp_path) -> None:
    examples = SetComposites(sets, 0)
    assert len(examples.foregrounds) == 4 and len(examples.backgrounds) == 2 and len(examples.images) == 2
    for i in range(6):
        example, again = examples[i], SetComposites(sets, 0)[i]
        assert example["image"].shape == (1024, 1024, 3) and example["alpha"].max() == 255
        assert all(np.array_equal(example[k], again[k]) for k in example)
    with pytest.raises(FileNotFoundError, match="holds neither RefMatte nor"):
        SetComposites(tmp_path, 0)
