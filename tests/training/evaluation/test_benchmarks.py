"""Benchmark layouts: their cases, and the errors for missing files."""

import pytest

from mam.errors import MamError
from training.evaluation.benchmarks import LAYOUTS, read_cases

NAMES = {
    "him2k": ["crowd/00", "crowd/01"],
    "him2k_comp": ["crowd/00", "crowd/01"],
    "pairs": ["a/flower", "b/flower"],
    "segments": ["ccp/flower", "davis/flower_1"],
}


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_cases_of_every_layout(benchmark_folder, layout) -> None:
    cases = read_cases(layout, benchmark_folder(layout))
    assert [case.name for case in cases] == NAMES.get(layout, ["one", "two"])
    truth = cases[0].read_truth()
    assert truth.shape == (214, 320) and truth.max() == 1 and 0.1 < truth.mean() < 0.4
    unknown = cases[0].read_unknown()
    assert (unknown is not None) == (layout in ("am2k", "pm10k"))
    if unknown is not None:
        assert 0 < unknown.mean() < 0.1


def test_guidance_follows_the_paper() -> None:
    assert {name for name, layout in LAYOUTS.items() if layout.guidance == "mask"} == {"him2k", "him2k_comp", "rw100"}


def test_texts_are_the_indexed_expressions(benchmark_folder) -> None:
    assert [case.text for case in read_cases("rw100", benchmark_folder("rw100"))] == [
        "the flower one",
        "the flower two",
    ]


def test_missing_files_are_named(benchmark_folder, tmp_path, photo) -> None:
    with pytest.raises(MamError, match="no layout 'nothing'; expected one of ppm100"):
        read_cases("nothing", tmp_path)
    with pytest.raises(MamError, match="no images of layout am2k"):
        read_cases("am2k", tmp_path)
    with pytest.raises(MamError, match=r"is no rw100: .*refmatte_rw100_label\.json"):
        read_cases("rw100", tmp_path)
    (tmp_path / "image").mkdir()
    photo.save(tmp_path / "image" / "x.jpg")
    with pytest.raises(MamError, match=r"has no .*alpha.x\.png"):
        read_cases("rwp636", tmp_path)
