"""Run a model over a benchmark: one row per object into a CSV that an interrupted run goes on with, means, the worst cases.

OUT/results.csv       one row per object and, for simulated users, per round
OUT/alphas/NAME.png   the mattes, uint8
OUT/worst.png         picture, truth and answer of the worst cases
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw

from mam.errors import MamError
from mam.evaluation.benchmarks import Case, Layout
from mam.evaluation.interaction import Correction, First, User, middle, tight_box
from mam.evaluation.metrics import InstanceTally, iou, match_instances, matte_errors, unknown_region
from mam.images import write_png
from mam.matte import Matte
from mam.matting import Matting
from mam.scene import Scene

PromptKind = Literal["box", "point", "text"]
ROUNDS = 5
TEXT_RULES = {"box_threshold": 0.25, "text_threshold": 0.5, "nms": 0.8}  # the paper's, for RefMatte-RW100


@dataclass(frozen=True)
class Row:
    """What was measured of one answer; errors as in `metrics.Errors`, `_tri` over the unknown region, NaN for hard masks.

    `iou` is of SAM's mask, `iou_alpha` of the alpha above 0.5. `seconds` go from prompt to alpha.
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
    seconds: float

    @classmethod
    def from_strings(cls, values: dict[str, str]) -> Row:
        """Read back from a CSV."""
        kinds = {"case": str, "prompt": str, "round": int}
        return cls(**{field.name: kinds.get(field.name, float)(values[field.name]) for field in fields(cls)})


NUMBERS = [field.name for field in fields(Row)][3:]


class Results:
    """The rows of a run, in a file that grows by whole rows.

    Args:
        file: read if it is there.

    Raises:
        MamError: the file is of another kind of run.
    """

    def __init__(self, file: Path) -> None:
        self.file, self.rows = file, []
        header = [field.name for field in fields(Row)]
        if file.exists():
            with open(file, newline="") as stream:
                reader = csv.DictReader(stream)
                if reader.fieldnames != header:
                    raise MamError(f"{file} has columns {reader.fieldnames}; it is of another version: move it away.")
                # A row that was cut short by an interruption is measured again.
                self.rows = [Row.from_strings(values) for values in reader if values["seconds"]]
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(file, "w", newline="") as stream:
            writer = csv.DictWriter(stream, header)
            writer.writeheader()
            writer.writerows(map(asdict, self.rows))

    def add(self, rows: Sequence[Row]) -> None:
        """Append the rows of one case."""
        self.rows += rows
        with open(self.file, "a", newline="") as stream:
            csv.DictWriter(stream, [field.name for field in fields(Row)]).writerows(map(asdict, rows))

    def select(self, prompt: str, cases: Sequence[Case]) -> list[Row]:
        """Return the rows of some cases by one kind of prompt."""
        names = {case.name for case in cases}
        return [row for row in self.rows if row.prompt == prompt and row.case in names]

    def has(self, case: str, prompt: str, rounds: int) -> bool:
        """True when a case is done, all rounds of it."""
        return sum(row.case == case and row.prompt == prompt for row in self.rows) >= rounds


def measure(answer: Matte | None, truth: np.ndarray, unknown: np.ndarray | None, hard: bool) -> dict[str, float]:
    """The figures of `Row` for one answer; None, where nothing was found, counts as an empty matte.

    Args:
        truth: (H, W) float alpha. unknown: (H, W) bool or None, then made from the truth.
        hard: the truth is a mask.
    """
    alpha = np.zeros(truth.shape) if answer is None else answer.alpha_uint8() / 255
    mask = np.zeros(truth.shape, bool) if answer is None else answer.mask
    object_ = truth > 0.5
    figures = {"iou": iou(mask, object_), "iou_alpha": iou(alpha > 0.5, object_)}
    names = ("sad", "mad", "mse", "grad", "conn")
    if hard:
        sad = np.abs(alpha - truth)
        rest = dict.fromkeys([*names, *(f"{n}_tri" for n in names)], float("nan"))
        return {**figures, **rest, "sad": float(sad.sum() / 1000), "mad": float(sad.mean())}
    unknown = unknown_region(truth) if unknown is None else unknown
    everywhere, there = asdict(matte_errors(alpha, truth)), asdict(matte_errors(alpha, truth, unknown))
    return {**figures, **everywhere, **{f"{name}_tri": value for name, value in there.items()}}


def evaluate(
    matting: Matting,
    cases: Sequence[Case],
    layout: Layout,
    prompt: PromptKind,
    out: Path,
) -> Iterator[list[Row]]:
    """Ask for every object by one prompt, the paper's way; yield the rows of each new case.

    Args:
        prompt: "box", the tight box of alpha > 127; "point", the middle of that box; "text", the best-scoring box for
            the benchmark's text.
        out: gets the CSV and the mattes; cases that are in the CSV are left out.

    Raises:
        MamError: text, but the benchmark has no words, or there is no text model.
    """
    if prompt == "text":
        if not all(case.text for case in cases):
            raise MamError("text prompts need a benchmark with words: rw100.")
        matting.grounding()  # its absence is to be known before anything is measured
    results = Results(out / "results.csv")
    for case, scene in _scenes(matting, [c for c in cases if not results.has(c.name, prompt, 1)]):
        truth = case.read_truth()
        start = time.perf_counter()
        if prompt == "box":
            given = {"box": tight_box(truth > 127 / 255)}
        elif prompt == "point":
            given = {"points": [middle(truth > 127 / 255)]}
        else:
            found = scene.find([case.text], **TEXT_RULES)
            given = {"box": found[0].box} if found else None
        answer = scene.matte(**given, guidance=layout.guidance) or None if given else None
        seconds = time.perf_counter() - start
        rows = [Row(case.name, prompt, 1, **measure(answer, truth, case.read_unknown(), layout.hard), seconds=seconds)]
        _keep(answer, truth, out, case)
        results.add(rows)
        yield rows


def interact(
    matting: Matting, cases: Sequence[Case], layout: Layout, first: First, then: Correction, out: Path
) -> Iterator[list[Row]]:
    """Let simulated users ask for every object in `ROUNDS` rounds; yield the rows of each new case.

    A user whose mask has nothing wrong left stops; the remaining rounds repeat the last figures.
    """
    results, kind = Results(out / "results.csv"), f"{first}+{then}"
    for case, scene in _scenes(matting, [c for c in cases if not results.has(c.name, kind, ROUNDS)]):
        truth, unknown = case.read_truth(), case.read_unknown()
        object_ = truth > 0.5
        user, answer, rows = User(), None, []
        for number in range(1, ROUNDS + 1):
            start = time.perf_counter()
            if number == 1:
                user.start(first, object_)
                wrong = True
            else:
                wrong = user.correct(then, np.zeros_like(object_) if answer is None else answer.mask, object_)
            if wrong:
                answer = scene.matte(**user.arguments(), previous=answer, guidance=layout.guidance) or None
                figures = measure(answer, truth, unknown, layout.hard)
            rows.append(Row(case.name, kind, number, **figures, seconds=time.perf_counter() - start))
        _keep(answer, truth, out, case)
        results.add(rows)
        yield rows


def _scenes(matting: Matting, cases: Sequence[Case]) -> Iterator[tuple[Case, Scene]]:
    """Each case with its picture, encoded once for cases that follow each other; cases without an object are left out."""
    opened, scene = None, None
    for case in cases:
        if not (case.read_truth() > 0.5).any():
            continue
        if case.image != opened:
            opened, scene = case.image, matting.open(case.image)
        yield case, scene


def _keep(answer: Matte | None, truth: np.ndarray, out: Path, case: Case) -> None:
    alpha = np.zeros(truth.shape, np.uint8) if answer is None else answer.alpha_uint8()
    file = out / "alphas" / f"{case.name}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_png(alpha, file, None)


def instance_quality(cases: Sequence[Case], out: Path) -> InstanceTally:
    """Sum of the tallies of all pictures whose mattes a run has kept: call `quality()` on it."""
    total = InstanceTally()
    for group in sorted({case.group for case in cases}):
        members = [case for case in cases if case.group == group]
        kept = [np.asarray(Image.open(out / "alphas" / f"{case.name}.png")) / 255 for case in members]
        total += match_instances([alpha for alpha in kept if alpha.any()], [case.read_truth() for case in members])
    return total


def table(rows: Sequence[Row], by_source: bool) -> str:
    """Means as text: one line per prompt, and per source where names are SOURCE/NAME; MAD and MSE times 1000."""
    lines = [
        f"{'':22}{'objects':>8}{'IoU':>8}{'IoU α':>8}{'SAD':>8}{'MAD³':>8}{'MSE³':>8}{'Grad':>8}{'Conn':>8}{'SAD tri':>9}{'seconds':>9}"
    ]
    for source in sorted({row.case.partition("/")[0] for row in rows}) if by_source else [""]:
        own = [row for row in rows if row.case.startswith(source)]
        for prompt, number in dict.fromkeys((row.prompt, row.round) for row in own):
            part = [row for row in own if (row.prompt, row.round) == (prompt, number)]
            mean = {name: float(np.mean([getattr(row, name) for row in part])) for name in NUMBERS}
            name = " ".join(filter(None, [source, prompt, f"round {number}" if "+" in prompt else ""]))
            lines.append(
                f"{name:22}{len(part):8}{mean['iou']:8.3f}{mean['iou_alpha']:8.3f}{mean['sad']:8.2f}{1000 * mean['mad']:8.1f}"
                f"{1000 * mean['mse']:8.1f}{mean['grad']:8.2f}{mean['conn']:8.2f}{mean['sad_tri']:9.2f}{mean['seconds']:9.2f}"
            )
    return "\n".join(line.replace("nan", "  -") for line in lines)


def clicks_needed(rows: Sequence[Row], target: float) -> tuple[float, float]:
    """Mean number of rounds until the mask's IoU reaches `target`, and the share of objects that never did.

    Those count as `ROUNDS` rounds, as is usual for "number of clicks".
    """
    reached: dict[tuple[str, str], int] = {}
    for row in rows:
        key = (row.case, row.prompt)
        reached.setdefault(key, 0)
        if row.iou >= target and not reached[key]:
            reached[key] = row.round
    needed = [value or ROUNDS for value in reached.values()]
    return float(np.mean(needed)), float(np.mean([not value for value in reached.values()]))


def contact_sheet(rows: Sequence[Row], cases: Sequence[Case], out: Path, count: int = 12, side: int = 240) -> Path:
    """Draw the worst cases, by MAD or for hard masks by IoU, as picture | truth | answer; returns the file's path."""
    last = {row.case: row for row in rows}.values()
    worst = sorted(last, key=lambda row: row.iou if np.isnan(row.mse) else -row.mad)[:count]
    by_name = {case.name: case for case in cases}
    sheet = Image.new("RGB", (3 * side, len(worst) * (side + 16)), "white")
    for i, row in enumerate(worst):
        case = by_name[row.case]
        panels = [
            Image.open(case.image).convert("RGB"),
            Image.fromarray(np.uint8(case.read_truth() * 255)),
            Image.open(out / "alphas" / f"{row.case}.png"),
        ]
        for k, panel in enumerate(panels):
            panel.thumbnail((side, side))
            sheet.paste(panel, (k * side, i * (side + 16) + 16))
        caption = f"{row.case}  IoU {row.iou:.2f}  MAD {1000 * row.mad:.0f}e-3"
        ImageDraw.Draw(sheet).text((4, i * (side + 16) + 2), caption, fill="black")
    file = out / "worst.png"
    sheet.save(file)
    return file
