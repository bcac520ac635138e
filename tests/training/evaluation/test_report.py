"""Summaries of an evaluation."""

from training.evaluation.report import clicks_needed, table
from training.evaluation.results import Measurement


def row(case: str, number: int, value: float) -> Measurement:
    return Measurement(case, "box+click", number, value, *[0.0] * 15)


ROWS = [row("ccp/a", 1, 0.5), row("ccp/a", 2, 0.9), row("coco/b", 1, 0.1), row("coco/b", 2, 0.2)]


def test_rounds_needed() -> None:
    assert clicks_needed(ROWS, 0.85) == ((2 + 5) / 2, 0.5)


def test_the_table_has_a_line_per_source_and_round() -> None:
    lines = table(ROWS, by_source=True).splitlines()
    assert [line.split()[:4] for line in lines[1:]] == [
        [source, "box+click", "round", number] for source in ("ccp", "coco") for number in "12"
    ]
    assert lines[2].split()[4:6] == ["1", "0.900"]
    assert len(table(ROWS, by_source=False).splitlines()) == 3
