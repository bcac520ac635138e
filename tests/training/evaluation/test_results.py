"""The CSV file of an evaluation."""

from pathlib import Path

import pytest

from mam.errors import MamError
from training.evaluation.results import Measurement, Results


def row(case: str, number: int) -> Measurement:
    return Measurement(case, "box+click", number, *[0.5] * 16)


def test_rows_are_read_again(tmp_path: Path) -> None:
    Results(tmp_path / "results.csv").add([row("a", 1), row("a", 2)])
    again = Results(tmp_path / "results.csv")
    assert again.rows == [row("a", 1), row("a", 2)]
    assert again.has("a", "box+click", 2) and not again.has("a", "box+click", 3) and not again.has("b", "box+click", 1)


def test_other_columns_are_refused(tmp_path: Path) -> None:
    (tmp_path / "results.csv").write_text("a,b\n1,2\n")
    with pytest.raises(MamError, match="of another version"):
        Results(tmp_path / "results.csv")
