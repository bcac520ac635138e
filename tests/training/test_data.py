"""Training examples: shapes, ranges, and that they depend on (seed, index) alone."""

import numpy as np

from mam.training.data import Segments
from mam.training.library import SEGMENTS_MIX, Library


def test_segments(data) -> None:
    library = Library(data, SEGMENTS_MIX)
    for i in range(20):
        example = Segments(library, 64, 7)[i]
        again = Segments(library, 64, 7)[i]
        h, w = example["valid"]
        assert example["image"].shape == (64, 64, 3) and example["mask"].dtype == bool
        assert max(h, w) == 64 and not example["image"][h:].any() and not example["mask"][:, w:].any()
        assert 0.003 * h * w <= example["mask"].sum() < 0.95 * h * w
        assert all(np.array_equal(example[k], again[k]) for k in example)
    assert not np.array_equal(Segments(library, 64, 8)[0]["image"], Segments(library, 64, 7)[0]["image"])
