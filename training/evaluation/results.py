"""The metrics of each evaluated matte, kept in a CSV file from which an interrupted run resumes."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from mam.errors import MamError
from training.evaluation.benchmarks import Case

ROUNDS = 5  # of a simulated user, per object


@dataclass(frozen=True)
class Measurement:
    """The metrics of one matte, a row of the CSV file.

    Attributes:
        case: name of the `Case`.
        prompt: "box", "point", "text" or "none"; FIRST+THEN for simulated users.
        round: from 1.
        iou: the IoU of SAM's mask.
        iou_alpha: the IoU of the alpha above 0.5.
        sad: as in `metrics.Errors`, over the whole image.
        mad: as in `metrics.Errors`.
        mse: as in `metrics.Errors`; NaN if the truth is a binary mask, as all metrics below but `seconds`.
        grad: as in `metrics.Errors`.
        conn: as in `metrics.Errors`.
        sad_tri: over the unknown region of the trimap.
        mad_tri: over the unknown region.
        mse_tri: over the unknown region.
        grad_tri: over the unknown region.
        conn_tri: over the unknown region.
        score: the model's own prediction of `iou`; NaN if it found nothing.
        clicks_right: share of the clicks that mask 0 has on their right side; NaN without clicks. A candidate that is
            chosen because it obeys more clicks does not count.
        cut: length of the straight cut along the crop's edge, as in `metrics.straight_cut`.
        seconds: from prompt to alpha; the image is encoded already, unless the model encodes a crop.
    """

    case: str
    prompt: str
    round: int
    iou: float
    iou_alpha: float
    sad: float
    mad: float
    mse: float
    grad: float
    conn: float
    sad_tri: float
    mad_tri: float
    mse_tri: float
    grad_tri: float
    conn_tri: float
    score: float
    clicks_right: float
    cut: float
    seconds: float

    @classmethod
    def from_strings(cls, values: dict[str, str]) -> Measurement:
        """Parse a row of the CSV file."""
        kinds: dict[str, Callable[[str], Any]] = {"case": str, "prompt": str, "round": int}
        return cls(**{field.name: kinds.get(field.name, float)(values[field.name]) for field in fields(cls)})


NUMBERS = [field.name for field in fields(Measurement)][3:]


class Results:
    """The rows of a run, kept in a CSV file.

    Args:
        file: the CSV file; if it exists, its complete rows are read.

    Raises:
        MamError: the file has other columns.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.rows: list[Measurement] = []
        header = [field.name for field in fields(Measurement)]
        if file.exists():
            with open(file, newline="") as stream:
                reader = csv.DictReader(stream)
                if reader.fieldnames != header:
                    raise MamError(f"{file} has columns {reader.fieldnames}; it is of another version: move it away.")
                # A row without its last value was interrupted while it was written; that case is measured again.
                self.rows = [Measurement.from_strings(values) for values in reader if values["seconds"]]
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(file, "w", newline="") as stream:
            writer = csv.DictWriter(stream, header)
            writer.writeheader()
            writer.writerows(map(asdict, self.rows))

    def add(self, rows: Sequence[Measurement]) -> None:
        """Append the rows of one case."""
        self.rows += rows
        with open(self.file, "a", newline="") as stream:
            csv.DictWriter(stream, [field.name for field in fields(Measurement)]).writerows(map(asdict, rows))

    def select(self, prompt: str, cases: Sequence[Case]) -> list[Measurement]:
        """Return the rows of these cases for one kind of prompt."""
        names = {case.name for case in cases}
        return [row for row in self.rows if row.prompt == prompt and row.case in names]

    def has(self, case: str, prompt: str, rounds: int) -> bool:
        """Return True if all rounds of a case are present."""
        return sum(row.case == case and row.prompt == prompt for row in self.rows) >= rounds
