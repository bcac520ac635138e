"""Evaluation of a model on a benchmark, with results that an interrupted run resumes from.

OUT/results.csv       one row per object and, for simulated users, per round
OUT/alphas/NAME.png   the mattes, uint8
OUT/worst.png         image, truth and matte of the worst cases
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageDraw

from mam.errors import MamError
from mam.evaluation.benchmarks import Case, Layout
from mam.evaluation.interaction import Correction, First, User, box_centre, tight_box
from mam.evaluation.metrics import InstanceTally, iou, match_instances, matte_errors, unknown_region
from mam.images import write_png
from mam.matte import Matte, NothingFound
from mam.matting import Matting
from mam.scene import Guidance, Scene

PromptKind = Literal["box", "point", "text"]
ROUNDS = 5
TEXT_RULES = {"box_threshold": 0.25, "text_threshold": 0.5, "nms": 0.8}  # the paper's, for RefMatte-RW100


@dataclass(frozen=True)
class Row:
    """The metrics of one matte, a row of the CSV file.

    Attributes:
        case: name of the `Case`.
        prompt: "box", "point" or "text"; FIRST+THEN for simulated users.
        round: from 1.
        iou: of SAM's mask.
        iou_alpha: of the alpha above 0.5.
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
    seconds: float

    @classmethod
    def from_strings(cls, values: dict[str, str]) -> Row:
        """Parse a row of the CSV file."""
        kinds: dict[str, Callable[[str], Any]] = {"case": str, "prompt": str, "round": int}
        return cls(**{field.name: kinds.get(field.name, float)(values[field.name]) for field in fields(cls)})


NUMBERS = [field.name for field in fields(Row)][3:]


class Results:
    """The rows of a run, kept in a CSV file.

    Args:
        file: the CSV file; if it exists, its complete rows are read.

    Raises:
        MamError: the file has other columns.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.rows: list[Row] = []
        header = [field.name for field in fields(Row)]
        if file.exists():
            with open(file, newline="") as stream:
                reader = csv.DictReader(stream)
                if reader.fieldnames != header:
                    raise MamError(f"{file} has columns {reader.fieldnames}; it is of another version: move it away.")
                # A row without its last value was interrupted while it was written; that case is measured again.
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
        """Return the rows of these cases for one kind of prompt."""
        names = {case.name for case in cases}
        return [row for row in self.rows if row.prompt == prompt and row.case in names]

    def has(self, case: str, prompt: str, rounds: int) -> bool:
        """Return True if all rounds of a case are present."""
        return sum(row.case == case and row.prompt == prompt for row in self.rows) >= rounds


def measure(answer: Matte | None, truth: np.ndarray, unknown: np.ndarray | None, hard: bool) -> dict[str, float]:
    """Compute the metrics of `Row` for one matte.

    Args:
        answer: the matte; None, where the model found nothing, counts as an alpha of zeros.
        truth: (H, W) float alpha in [0, 1].
        unknown: (H, W) bool, the unknown region; None derives it from the truth.
        hard: the truth is a binary mask.
    """
    alpha = np.zeros(truth.shape) if answer is None else answer.alpha_uint8() / 255
    mask = np.zeros(truth.shape, bool) if answer is None else answer.mask
    true_mask = truth > 0.5
    figures = {"iou": iou(mask, true_mask), "iou_alpha": iou(alpha > 0.5, true_mask)}
    names = ("sad", "mad", "mse", "grad", "conn")
    if hard:
        sad = np.abs(alpha - truth)
        rest = dict.fromkeys([*names, *(f"{n}_tri" for n in names)], float("nan"))
        return {**figures, **rest, "sad": float(sad.sum() / 1000), "mad": float(sad.mean())}
    unknown = unknown_region(truth) if unknown is None else unknown
    whole, in_unknown = asdict(matte_errors(alpha, truth)), asdict(matte_errors(alpha, truth, unknown))
    return {**figures, **whole, **{f"{name}_tri": value for name, value in in_unknown.items()}}


def evaluate(
    matting: Matting,
    cases: Sequence[Case],
    layout: Layout,
    prompt: PromptKind,
    out: Path,
) -> Iterator[list[Row]]:
    """Evaluate one prompt per object, chosen by the paper's rules; yield the rows of each new case.

    Args:
        matting: the model.
        cases: the objects of the benchmark.
        layout: the benchmark's layout.
        prompt: "box", the tight box of alpha > 127 / 255; "point", the centre of that box; "text", the best-scoring box
            for the benchmark's text.
        out: the folder for the CSV file and the mattes; cases that are in the CSV file are skipped.

    Raises:
        MamError: text prompts, but the benchmark has no texts, or there is no grounding model.
    """
    if prompt == "text":
        if not all(case.text for case in cases):
            raise MamError("text prompts need a benchmark with texts: rw100.")
        matting.grounding()  # raises before anything is measured, if there is no model
    results = Results(out / "results.csv")
    for case, scene in _open_scenes(matting, [c for c in cases if not results.has(c.name, prompt, 1)]):
        truth = case.read_truth()
        start = time.perf_counter()
        answer = _answer_prompt(scene, case, truth, prompt, layout.guidance)
        seconds = time.perf_counter() - start
        rows = [Row(case.name, prompt, 1, **measure(answer, truth, case.read_unknown(), layout.hard), seconds=seconds)]
        _write_alpha(answer, truth, out, case)
        results.add(rows)
        yield rows


def _answer_prompt(scene: Scene, case: Case, truth: np.ndarray, prompt: PromptKind, guidance: Guidance) -> Matte | None:
    """Return the matte for one prompt, or None if the model finds nothing."""
    if prompt == "text":
        assert case.text is not None  # `evaluate` refuses benchmarks without texts
        found = scene.find([case.text], **TEXT_RULES)
        return _found(scene.matte(box=found[0].box, guidance=guidance)) if found else None
    mask = truth > 127 / 255
    if prompt == "box":
        return _found(scene.matte(box=tight_box(mask), guidance=guidance))
    return _found(scene.matte(points=[box_centre(mask)], guidance=guidance))


def _found(answer: Matte | NothingFound) -> Matte | None:
    return None if isinstance(answer, NothingFound) else answer


def interact(
    matting: Matting, cases: Sequence[Case], layout: Layout, first: First, then: Correction, out: Path
) -> Iterator[list[Row]]:
    """Evaluate simulated users, `ROUNDS` rounds per object; yield the rows of each new case.

    A user stops when the mask equals the truth; the remaining rounds repeat the last metrics.

    Args:
        matting: the model.
        cases: the objects of the benchmark.
        layout: the benchmark's layout.
        first: kind of the first prompt.
        then: kind of the corrections.
        out: the folder for the CSV file and the mattes; cases that are in the CSV file are skipped.
    """
    results, kind = Results(out / "results.csv"), f"{first}+{then}"
    for case, scene in _open_scenes(matting, [c for c in cases if not results.has(c.name, kind, ROUNDS)]):
        truth, unknown = case.read_truth(), case.read_unknown()
        true_mask = truth > 0.5
        user, rows = User(), []
        answer: Matte | None = None
        for number in range(1, ROUNDS + 1):
            start = time.perf_counter()
            if number == 1:
                user.start(first, true_mask)
                new_prompt = True
            else:
                new_prompt = user.correct(then, np.zeros_like(true_mask) if answer is None else answer.mask, true_mask)
            if new_prompt:
                answer = _found(scene.matte(**user.arguments(), previous=answer, guidance=layout.guidance))
                figures = measure(answer, truth, unknown, layout.hard)
            rows.append(Row(case.name, kind, number, **figures, seconds=time.perf_counter() - start))
        _write_alpha(answer, truth, out, case)
        results.add(rows)
        yield rows


def _open_scenes(matting: Matting, cases: Sequence[Case]) -> Iterator[tuple[Case, Scene]]:
    """Yield each case with its image, which consecutive cases share; cases with an empty true mask are skipped."""
    opened: Path | None = None
    for case in cases:
        if not (case.read_truth() > 0.5).any():
            continue
        if case.image != opened:
            opened, scene = case.image, matting.open(case.image)
        yield case, scene


def _write_alpha(answer: Matte | None, truth: np.ndarray, out: Path, case: Case) -> None:
    alpha = np.zeros(truth.shape, np.uint8) if answer is None else answer.alpha_uint8()
    file = out / "alphas" / f"{case.name}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_png(alpha, file, None)


def instance_quality(cases: Sequence[Case], out: Path) -> InstanceTally:
    """Add the tallies of all images, from the mattes that a run has written; `quality()` of the sum is IMQ."""
    total = InstanceTally()
    for group in sorted({case.group for case in cases}):
        members = [case for case in cases if case.group == group]
        alphas = [np.asarray(Image.open(out / "alphas" / f"{case.name}.png")) / 255 for case in members]
        total += match_instances([alpha for alpha in alphas if alpha.any()], [case.read_truth() for case in members])
    return total


def table(rows: Sequence[Row], by_source: bool) -> str:
    """Format the means as text, one line per prompt and round; MAD and MSE are multiplied by 1000.

    Args:
        rows: of all cases.
        by_source: give each source a line of its own; names of cases are then SOURCE/NAME.
    """
    header = ["IoU", "IoU α", "SAD", "MAD³", "MSE³", "Grad", "Conn"]
    columns = "".join(f"{name:>8}" for name in ["objects", *header])
    lines = [f"{'':22}{columns}{'SAD tri':>9}{'seconds':>9}"]
    for source in sorted({row.case.partition("/")[0] for row in rows}) if by_source else [""]:
        own = [row for row in rows if row.case.startswith(source)]
        for prompt, number in dict.fromkeys((row.prompt, row.round) for row in own):
            part = [row for row in own if (row.prompt, row.round) == (prompt, number)]
            mean = {name: float(np.mean([getattr(row, name) for row in part])) for name in NUMBERS}
            name = " ".join(filter(None, [source, prompt, f"round {number}" if "+" in prompt else ""]))
            lines.append(
                f"{name:22}{len(part):8}{mean['iou']:8.3f}{mean['iou_alpha']:8.3f}{mean['sad']:8.2f}"
                f"{1000 * mean['mad']:8.1f}{1000 * mean['mse']:8.1f}{mean['grad']:8.2f}{mean['conn']:8.2f}"
                f"{mean['sad_tri']:9.2f}{mean['seconds']:9.2f}"
            )
    return "\n".join(line.replace("nan", "  -") for line in lines)


def clicks_needed(rows: Sequence[Row], target: float) -> tuple[float, float]:
    """Compute the mean number of rounds until the mask's IoU reaches `target` (NoC, number of clicks).

    Returns:
        The mean number of rounds, where an object that never reaches the target counts as `ROUNDS`; and the fraction of
        such objects.
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
    """Draw the worst cases, by MAD or for binary truths by IoU, as image | truth | matte.

    Args:
        rows: of one kind of prompt; of each case the last row counts.
        cases: at least those of the rows.
        out: the folder of the run.
        count: the largest number of cases to draw.
        side: of each panel, in pixels.

    Returns:
        The path of the sheet, OUT/worst.png.
    """
    last = {row.case: row for row in rows}.values()
    worst = sorted(last, key=lambda row: row.iou if np.isnan(row.mse) else -row.mad)[:count]
    by_name = {case.name: case for case in cases}
    sheet = Image.new("RGB", (3 * side, len(worst) * (side + 16)), "white")
    for i, row in enumerate(worst):
        case = by_name[row.case]
        panels = [
            Image.open(case.image).convert("RGB"),
            Image.fromarray((case.read_truth() * 255).astype(np.uint8)),
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
