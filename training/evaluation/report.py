"""Summaries of an evaluation: tables, the number of clicks needed, instance quality, a sheet of the worst cases."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from training.evaluation.benchmarks import Case
from training.evaluation.metrics import InstanceTally, match_instances
from training.evaluation.results import NUMBERS, ROUNDS, Measurement

WORSE, LOST, CUT = 0.03, 0.2, 0.02  # thresholds of `harm`


def instance_quality(cases: Sequence[Case], out: Path) -> InstanceTally:
    """Add the tallies of all images, from the mattes that a run has written; `quality()` of the sum is IMQ.

    Objects without a matte, those with an empty true mask, are left out.
    """
    total = InstanceTally()
    files = {case.name: out / "alphas" / f"{case.name}.png" for case in cases}
    cases = [case for case in cases if files[case.name].exists()]
    for group in sorted({case.group for case in cases}):
        members = [case for case in cases if case.group == group]
        alphas = [np.asarray(Image.open(files[case.name])) / 255 for case in members]
        total += match_instances([alpha for alpha in alphas if alpha.any()], [case.read_truth() for case in members])
    return total


def table(rows: Sequence[Measurement], by_source: bool) -> str:
    """Format the means as text, one line per prompt and round.

    MADe3 and MSEe3 are multiplied by 1000; SADunk is over the unknown region; "score±" is the mean difference between
    predicted and true IoU, "clicks" the share of clicks that mask 0 has on their right side.

    Args:
        rows: the results of all cases.
        by_source: give each source a line of its own; names of cases are then SOURCE/NAME.
    """
    header = ["IoU", "IoU α", "SAD", "MADe3", "MSEe3", "Grad", "Conn"]
    columns = "".join(f"{name:>8}" for name in ["objects", *header])
    lines = [f"{'':22}{columns}{'SADunk':>9}{'score±':>8}{'clicks':>8}{'seconds':>9}"]
    for source in sorted({row.case.partition("/")[0] for row in rows}) if by_source else [""]:
        own = [row for row in rows if not by_source or row.case.partition("/")[0] == source]
        for prompt, number in dict.fromkeys((row.prompt, row.round) for row in own):
            part = [row for row in own if (row.prompt, row.round) == (prompt, number)]
            mean = {name: float(np.mean([getattr(row, name) for row in part])) for name in NUMBERS}
            name = " ".join(filter(None, [source, prompt, f"round {number}" if "+" in prompt else ""]))
            figures = (
                f"{mean['iou']:8.3f}{mean['iou_alpha']:8.3f}{mean['sad']:8.2f}"
                f"{1000 * mean['mad']:8.1f}{1000 * mean['mse']:8.1f}{mean['grad']:8.2f}{mean['conn']:8.2f}"
                f"{mean['sad_tri']:9.2f}{_mean([abs(row.score - row.iou) for row in part]):8.3f}"
                f"{_mean([row.clicks_right for row in part]):8.4f}{mean['seconds']:9.2f}"
            )
            lines.append(f"{name:22}{len(part):8}{figures.replace('nan', '  -')}")
    return "\n".join(lines)


def _mean(values: Sequence[float]) -> float:
    """Return the mean of the values that are not NaN; NaN if there are none."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def clicks_needed(rows: Sequence[Measurement], target: float) -> tuple[float, float]:
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


def harm(rows: Sequence[Measurement]) -> str:
    """Count what corrections of simulated users did harm to, as text.

    A correction makes a mask worse if its IoU falls by over 0.03; it loses the object if the IoU falls so to under 0.2.
    An answer is cut straight if it ends along its crop's edge, where the object goes on, for over 2% of the longest
    side of the image.
    """
    by_case: dict[tuple[str, str], list[Measurement]] = {}
    for row in rows:
        by_case.setdefault((row.case, row.prompt), []).append(row)
    pairs = [pair for own in by_case.values() for pair in itertools.pairwise(own)]
    worse = [after for before, after in pairs if after.iou < before.iou - WORSE]
    lost = sum(row.iou < LOST for row in worse)
    cut = sum(row.cut > CUT for row in rows)
    share = len(worse) / max(1, len(pairs))
    return f"{share:.1%} of {len(pairs)} corrections make it worse; {lost} objects lost; {cut} straight cuts"


def contact_sheet(
    rows: Sequence[Measurement], cases: Sequence[Case], out: Path, count: int = 12, side: int = 240
) -> Path:
    """Draw the worst cases, by MAD or for binary truths by IoU, as image | truth | matte.

    Args:
        rows: results for one kind of prompt; the last row of each case counts.
        cases: at least the cases of the rows.
        out: the folder of the run.
        count: the largest number of cases to draw.
        side: each panel's side, in pixels.

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
