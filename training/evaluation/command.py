"""`python -m training evaluate`: evaluate a model on a benchmark."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

from mam.cli.model import add_model_options, load_model
from mam.errors import MamError

if TYPE_CHECKING:
    from training.evaluation.interaction import Correction, First

_FIRST = ("none", "box", "click", "scribble", "mask", "text")


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser of `python -m training`."""
    parser = commands.add_parser("evaluate", help="measure mattes on a benchmark, by one prompt or by simulated users")
    parser.set_defaults(run=run)
    parser.add_argument("data", type=Path, help="the benchmark's folder")
    parser.add_argument(
        "--layout", default="segments", help="of the folder; see training/evaluation/benchmarks.py (default: segments)"
    )
    parser.add_argument(
        "--prompt",
        choices=("box", "point", "text", "none", "mask", "pointing"),
        default="box",
        help="the one prompt, by the paper's rules; mask: the true mask; pointing: whether the text model's best "
        "answer to a category's name points at such an object (needs coco_labels.json)",
    )
    parser.add_argument(
        "--rounds",
        metavar="FIRST+THEN",
        type=parse_rounds,
        help="simulated users instead: none|box|click|scribble|mask|text, then click|scribble; none: images of one "
        "object; text: objects whose name no other one of the image has",
    )
    parser.add_argument("--stride", type=int, default=1, metavar="N", help="only every N-th object")
    parser.add_argument("--sources", nargs="+", help="only names that begin with one of these, such as ccp or coco")
    parser.add_argument(
        "--out",
        type=Path,
        help="for results.csv, mattes and worst.png; the same command resumes (default: evaluation/LAYOUT-PROMPT)",
    )
    add_model_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Evaluate, then print the means and the files' paths; the same command resumes an interrupted run."""
    from tqdm import tqdm

    try:
        from training.evaluation import report
        from training.evaluation.benchmarks import LAYOUTS, alone_in_image, read_cases
        from training.evaluation.results import ROUNDS, Results
        from training.evaluation.run import evaluate, interact
    except ModuleNotFoundError as error:
        raise MamError(f"evaluation needs {error.name}: pip install scipy") from None

    if arguments.prompt == "pointing":
        return _point(arguments)
    cases = read_cases(arguments.layout, arguments.data)
    if arguments.sources:
        cases = [case for case in cases if case.name.startswith(tuple(arguments.sources))]
        if not cases:
            raise MamError(f"no case's name begins with {' or '.join(arguments.sources)}; see {arguments.data}.")
    if arguments.rounds and arguments.rounds[0] == "none":
        cases = alone_in_image(cases)
    if arguments.rounds and arguments.rounds[0] == "text":
        cases = [case for case in cases if case.text]
    cases = cases[:: arguments.stride]
    if not cases:
        raise MamError(f"no object of {arguments.data} has such a first prompt; see training/evaluation/benchmarks.py.")
    layout = LAYOUTS[arguments.layout]
    kind = "+".join(arguments.rounds) if arguments.rounds else arguments.prompt
    out = arguments.out or Path("evaluation") / f"{arguments.layout}-{kind}"
    matting = load_model(arguments)
    if arguments.rounds:
        first, then = arguments.rounds
        work = interact(matting, cases, layout, first, then, out)
    else:
        work = evaluate(matting, cases, layout, arguments.prompt, out)
    done = sum(1 for _ in tqdm(work, total=len(cases), unit="object"))
    rows = Results(out / "results.csv").select(kind, cases)
    if done < len(cases):
        print(f"{len(cases) - done} objects were measured before, or have no pixel above one half", file=sys.stderr)
    print(report.table(rows, by_source=arguments.layout == "segments"))
    if arguments.rounds:
        for target in (0.85, 0.9):
            needed, never = report.clicks_needed(rows, target)
            print(f"rounds to IoU {target:.2f}: {needed:.2f} of {ROUNDS}; not reached by {never:.0%}")
        print(report.harm(rows))
    if layout.instances:
        quality = report.instance_quality(cases, out).quality()
        print("IMQ  " + "  ".join(f"{name} {100 * value:.2f}" for name, value in quality.items()))
    print(f"{out / 'results.csv'}; the worst cases: {report.contact_sheet(rows, cases, out)}")
    return 0


def _point(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from training.evaluation.pointing import point, read_named, summary

    if arguments.rounds or arguments.out:
        raise MamError("--prompt pointing writes no files and has no rounds; leave out --rounds and --out.")
    named = read_named(arguments.data)
    if arguments.sources:
        photos = arguments.data / "photos"
        sources = tuple(arguments.sources)
        named = [one for one in named if one.image.relative_to(photos).as_posix().startswith(sources)]
    if not named:
        raise MamError(f"{arguments.data} has no named object that covers 2% of its image; see --sources.")
    model = load_model(arguments).grounding()
    print(summary(list(tqdm(point(model, named), total=len(named), unit="category"))))
    return 0


def parse_rounds(text: str) -> tuple[First, Correction]:
    """Parse FIRST+THEN into the kinds of the first prompt and of the corrections."""
    first, _, then = text.partition("+")
    if first not in _FIRST or then not in ("click", "scribble"):
        expected = f"{'|'.join(_FIRST)}, a plus and click|scribble: box+click"
        raise argparse.ArgumentTypeError(f"{text!r}; expected {expected}")
    return cast("First", first), cast("Correction", then)
