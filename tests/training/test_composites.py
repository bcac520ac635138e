"""Composites have soft alpha; photographs leave out the pixels near their masks' edges."""

from training.composites import Composites
from training.library import Library


def test_composites_have_soft_alpha_and_ignored_bands(data) -> None:
    library = Library(data)
    soft = ignored = 0
    for i in range(8):
        example = Composites(library, 0)[i]
        assert example["image"].shape == (1024, 1024, 3) and example["alpha"].shape == (1024, 1024)
        soft += ((example["alpha"] > 0) & (example["alpha"] < 255)).sum()
        h, w = example["valid"]
        ignored += (example["known"][:h, :w] == 0).sum()
    assert soft > 1000 and ignored > 1000
