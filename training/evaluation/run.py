"""Evaluate a model on a benchmark, by single prompts or by simulated users; a run that was interrupted resumes.

OUT/results.csv       one row per object and, for simulated users, per round (`training.evaluation.results`)
OUT/alphas/NAME.png   the mattes, uint8
OUT/worst.png         image, truth and matte of the worst cases (`training.evaluation.report`)
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import numpy as np

from mam.errors import GraphError, MamError, UnknownWord
from mam.images.encode import write_image
from mam.masks.decoding import candidates
from mam.matte import Matte, NothingFound
from mam.matting import Matting
from mam.scene import Guidance, Scene
from mam.text.model import NO_MODEL, default_folder
from training.evaluation.benchmarks import Case, Layout
from training.evaluation.interaction import Correction, First, User, box_centre, tight_box
from training.evaluation.metrics import iou, matte_errors, straight_cut, unknown_region
from training.evaluation.results import ROUNDS, Measurement, Results

PromptKind = Literal["box", "point", "text", "none", "mask"]
TEXT_RULES = {"box_threshold": 0.25, "text_threshold": 0.5, "nms": 0.8}  # the paper's, for RefMatte-RW100


def measure(answer: Matte | None, truth: np.ndarray, unknown: np.ndarray | None, hard: bool) -> dict[str, float]:
    """Compute the metrics of `Measurement` for one matte.

    Args:
        answer: the matte; None, where the model found nothing, counts as an alpha of zeros.
        truth: (H, W) float alpha in [0, 1].
        unknown: (H, W) bool, the unknown region; None derives it from the truth.
        hard: the truth is a binary mask.
    """
    alpha = np.zeros(truth.shape) if answer is None else answer.alpha_uint8() / 255
    mask = np.zeros(truth.shape, bool) if answer is None else answer.mask
    true_mask = truth > 0.5
    figures = {
        "iou": iou(mask, true_mask),
        "iou_alpha": iou(alpha > 0.5, true_mask),
        "score": float("nan") if answer is None else answer.score,
    }
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
) -> Iterator[list[Measurement]]:
    """Evaluate one prompt per object, chosen by the paper's rules; yield the rows of each new case.

    Args:
        matting: the model.
        cases: the objects of the benchmark.
        layout: the benchmark's layout.
        prompt: "box", the tight box of alpha > 127 / 255; "point", the centre of that box; "text", the best-scoring box
            for the benchmark's text; "none", no prompt, for benchmarks with one object per image; "mask", the true
            mask.
        out: the folder for the CSV file and the mattes; cases that are in the CSV file are skipped.

    Raises:
        MamError: text prompts, but the benchmark has no texts, or there is no grounding model.
    """
    if prompt == "text":
        if not all(case.text for case in cases):
            raise MamError("text prompts need a benchmark with texts: rw100.")
        model = matting.grounding()  # raises before anything is measured, if there is no model
        if model.known_words:
            raise GraphError(NO_MODEL.format(folder=default_folder()))
    results = Results(out / "results.csv")
    for case, scene in _open_scenes(matting, [c for c in cases if not results.has(c.name, prompt, 1)]):
        truth = case.read_truth()
        start = time.perf_counter()
        answer = _answer_prompt(scene, case, truth, prompt, layout.guidance)
        seconds = time.perf_counter() - start
        figures = measure(answer, truth, case.read_unknown(), layout.hard)
        rows = [
            Measurement(case.name, prompt, 1, **figures, clicks_right=float("nan"), cut=float("nan"), seconds=seconds)
        ]
        _write_alpha(answer, truth, out, case)
        results.add(rows)
        yield rows


def _answer_prompt(scene: Scene, case: Case, truth: np.ndarray, prompt: PromptKind, guidance: Guidance) -> Matte | None:
    """Return the matte for one prompt, or None if the model finds nothing."""
    if prompt == "text":
        assert case.text is not None  # `evaluate` refuses benchmarks without texts
        found = scene.find([case.text], **TEXT_RULES)
        return _found(scene.matte(box=found[0].box, guidance=guidance)) if found else None
    if prompt == "none":
        return _found(scene.matte(guidance=guidance))
    mask = truth > 127 / 255
    if prompt == "mask":
        return _found(scene.matte(mask=mask, guidance=guidance))
    if prompt == "box":
        return _found(scene.matte(box=tight_box(mask), guidance=guidance))
    return _found(scene.matte(points=[box_centre(mask)], guidance=guidance))


def _found(answer: Matte | NothingFound) -> Matte | None:
    return None if isinstance(answer, NothingFound) else answer


def interact(
    matting: Matting, cases: Sequence[Case], layout: Layout, first: First, then: Correction, out: Path
) -> Iterator[list[Measurement]]:
    """Evaluate simulated users, `ROUNDS` rounds per object; yield the rows of each new case.

    A user stops when the mask equals the truth; the remaining rounds repeat the last metrics. `first` and `then` are
    the kinds of the first prompt and of the corrections; `evaluate` describes the other arguments.
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
                user.start(first, true_mask, case.text)
                new_prompt = True
            else:
                new_prompt = user.correct(then, np.zeros_like(true_mask) if answer is None else answer.mask, true_mask)
            if new_prompt:
                answer = _ask(scene, user, answer, layout.guidance)
                figures = measure(answer, truth, unknown, layout.hard)
                figures["clicks_right"] = _clicks_right(answer, user)
                figures["cut"] = 0.0 if answer is None else straight_cut(answer.mask, true_mask, answer.segment.crop)
            rows.append(Measurement(case.name, kind, number, **figures, seconds=time.perf_counter() - start))
        _write_alpha(answer, truth, out, case)
        results.add(rows)
        yield rows


def _ask(scene: Scene, user: User, previous: Matte | None, guidance: Guidance) -> Matte | None:
    """Return the answer to a user, who goes on without a text for which nothing is found."""
    try:
        answer = _found(scene.matte(**user.arguments(), previous=previous, guidance=guidance))
    except UnknownWord:
        answer = None
    if answer is None:
        user.text = None
    return answer


def _clicks_right(answer: Matte | None, user: User) -> float:
    if answer is None or not user.points:
        return float("nan")
    mask = candidates(answer.segment)[0].mask
    x, y = np.array(user.points).astype(int).T
    return float((mask[y, x] == np.array(user.labels, bool)).mean())


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
    write_image(alpha, file)
