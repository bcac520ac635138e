"""End-to-end evaluation: rows, resuming, simulated users, the command."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mam import FoundBox, FoundBoxes
from mam.errors import MamError
from training.__main__ import main
from training.evaluation import run
from training.evaluation.benchmarks import LAYOUTS, read_cases

pytestmark = pytest.mark.slow


def read_rows(folder: Path) -> list[dict[str, str]]:
    with open(folder / "results.csv", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_perfect_matte_has_perfect_metrics(alpha) -> None:
    truth = np.asarray(alpha) / 255

    class Perfect:
        mask = truth > 0.5
        score = 1.0

        def alpha_uint8(self):
            return np.asarray(alpha)

    figures = run.measure(Perfect(), truth, None, hard=False)
    assert figures["iou"] == figures["iou_alpha"] == 1 and figures["sad"] == figures["grad_tri"] == 0
    nothing = run.measure(None, truth, None, hard=False)
    assert nothing["iou"] == 0 and nothing["sad"] == pytest.approx(truth.sum() / 1000)
    assert np.isnan(run.measure(None, truth, None, hard=True)["grad"])


@pytest.mark.parametrize(
    ("layout", "prompt"), [("pairs", "box"), ("him2k", "box"), ("rwp636", "point"), ("segments", "box")]
)
def test_the_command_evaluates_and_resumes(benchmark_folder, tmp_path, capsys, layout, prompt) -> None:
    options = f"--layout {layout} --prompt {prompt} --out {tmp_path} --device cpu".split()
    command = ["evaluate", str(benchmark_folder(layout)), *options]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert prompt in out and ("IMQ" in out) == (layout == "him2k")
    rows = read_rows(tmp_path)
    assert len(rows) == 2 and max(float(row["iou"]) for row in rows) > (0.5 if prompt == "box" else 0.2)
    assert Image.open(tmp_path / "worst.png").width == 720
    assert len(list((tmp_path / "alphas").rglob("*.png"))) == 2

    # An interruption within the second row: the first row is kept, the second case measured again.
    lines = (tmp_path / "results.csv").read_text().splitlines()
    (tmp_path / "results.csv").write_text("\n".join([*lines[:2], lines[2].rpartition(",")[0]]))
    assert main(command) == 0
    again = read_rows(tmp_path)
    assert again[0] == rows[0] and again[1]["iou"] == rows[1]["iou"]
    assert "1 objects were measured before" in capsys.readouterr().err


def test_text_prompts_need_texts_and_a_model(matting, benchmark_folder, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MAM_HOME", str(tmp_path))
    for layout, problem in (("him2k", "a benchmark with texts: rw100"), ("rw100", "there is no text model in")):
        cases = read_cases(layout, benchmark_folder(layout))
        with pytest.raises(MamError, match=problem):
            next(run.evaluate(matting, cases, LAYOUTS[layout], "text", tmp_path))


def test_text_prompts_follow_the_papers_rules_and_take_the_best_box(matting, benchmark_folder, tmp_path) -> None:
    calls = []

    class FakeGrounding:
        known_words = ()

        def find(self, pixels, text, **rules):
            calls.append((text, rules))
            boxes = (FoundBox((90, 41, 222, 179), 0.9, ""), FoundBox((0, 0, 20, 20), 0.8, ""))
            return FoundBoxes(boxes if "one" in text[0] else (), 0.1, text[0])

    cases = read_cases("rw100", benchmark_folder("rw100"))
    with_grounding = replace(matting, grounding=FakeGrounding)
    rows = [row for rows in run.evaluate(with_grounding, cases, LAYOUTS["rw100"], "text", tmp_path) for row in rows]
    rules = {"box_threshold": 0.25, "text_threshold": 0.5, "nms": 0.8}
    assert calls == [(["the flower one"], rules), (["the flower two"], rules)]
    # An object that is not found counts as an alpha of zeros.
    assert rows[0].iou > 0.5 and rows[1].iou == 0 and rows[1].sad > rows[0].sad
    rounds = list(run.interact(with_grounding, cases, LAYOUTS["rw100"], "text", "click", tmp_path / "rounds"))
    assert rounds[0][0].iou == rows[0].iou
    assert rounds[1][0].iou == 0 and rounds[1][1].iou > 0.5  # the click goes on without the text


def test_the_command_evaluates_text_prompts(grounding_folder, benchmark_folder, tmp_path, capsys) -> None:
    folder = str(benchmark_folder("rw100"))
    command = ["evaluate", folder, "--layout", "rw100", "--prompt", "text", "--out", str(tmp_path), "--device", "cpu"]
    assert main([*command, "--grounding", str(grounding_folder)]) == 0
    assert "text" in capsys.readouterr().out and len(read_rows(tmp_path)) == 2


@pytest.mark.parametrize("kind", ["box+click", "click+scribble"])
def test_simulated_users_improve_the_mask(benchmark_folder, tmp_path, capsys, kind) -> None:
    folder = str(benchmark_folder("segments"))
    assert (
        main(["evaluate", folder, "--rounds", kind, "--sources", "davis", "--out", str(tmp_path), "--device", "cpu"])
        == 0
    )
    out = capsys.readouterr().out
    assert f"davis {kind} round 5" in out and "rounds to IoU 0.85" in out
    ious = [float(row["iou"]) for row in read_rows(tmp_path)]
    assert len(ious) == 5 and max(ious[1:]) > ious[0] + 0.005


def test_unknown_kinds_of_rounds_are_refused(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["evaluate", "x", "--rounds", "box+box"])
    assert "box|click|scribble" in capsys.readouterr().err
