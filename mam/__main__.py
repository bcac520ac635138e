"""`python -m mam matte | doctor | weights | evaluate | pack | train`. Each command imports only what it needs."""

from __future__ import annotations

import argparse
import glob
import sys
from collections.abc import Sequence
from pathlib import Path

from mam.errors import MamError

PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and run; returns the exit status: 0 all went well, 1 something failed, 2 the command makes no sense."""
    arguments = parse(argv)
    try:
        return arguments.run(arguments)
    except (MamError, FileNotFoundError) as error:
        print(f"mam: {error}", file=sys.stderr)
        return 1


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Command line -> namespace with `run`, the function of the chosen command."""
    parser = argparse.ArgumentParser(prog="python -m mam", description=__doc__.split("`. ")[0].strip("`"))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    matte = commands.add_parser("matte", help="cut an object out of pictures")
    matte.set_defaults(run=run_matte)
    matte.add_argument("pictures", nargs="+", help="files, folders or globs")
    where = matte.add_mutually_exclusive_group()
    where.add_argument("--box", type=_numbers(4), metavar="X0,Y0,X1,Y1", help="in pixels of the picture")
    where.add_argument(
        "--text", help="words for the object, such as 'the girl in the red sweater' (see python -m export grounding)"
    )
    matte.add_argument(
        "--point",
        type=_point,
        action="append",
        default=[],
        metavar="X,Y[,-]",
        help="a click; with ,- it does not belong",
    )
    matte.add_argument(
        "--guidance",
        choices=("alpha", "mask"),
        default="alpha",
        help="alpha: one object (default); mask: one of several",
    )
    matte.add_argument(
        "--background", metavar="PICTURE|COLOUR|blur", help="compose over this instead of leaving it transparent"
    )
    matte.add_argument("--alpha", action="store_true", help="write the alpha matte alone, in grey")
    matte.add_argument(
        "-o", "--out", type=Path, help="a .png for one picture, a folder for several; default: NAME_matte.png"
    )
    _model_options(matte)

    doctor = commands.add_parser("doctor", help="say what is installed, what runs the graphs, and how fast")
    doctor.set_defaults(run=run_doctor)
    _model_options(doctor)

    weights = commands.add_parser("weights", help="the full-size models' files: what there is, download, check")
    weights.set_defaults(run=run_weights)
    weights.add_argument(
        "action", choices=("list", "get", "verify", "path"), help="verify and path need the files to be there already"
    )
    weights.add_argument(
        "names", nargs="*", help="files, as `list` shows them; verify without any checks all that are there"
    )

    evaluate = commands.add_parser(
        "evaluate", help="measure mattes on a benchmark, by one prompt or by simulated users"
    )
    evaluate.set_defaults(run=run_evaluate)
    evaluate.add_argument("data", type=Path, help="the benchmark's folder")
    evaluate.add_argument(
        "--layout", default="segments", help="what the folder is; see mam/evaluation/benchmarks.py (default: segments)"
    )
    evaluate.add_argument(
        "--prompt", choices=("box", "point", "text"), default="box", help="the one prompt, by the paper's rules"
    )
    evaluate.add_argument(
        "--rounds",
        metavar="FIRST+THEN",
        type=_rounds,
        help="simulated users instead: box|click|scribble, then click|scribble",
    )
    evaluate.add_argument("--sources", nargs="+", help="only names that begin with one of these, such as ccp or coco")
    evaluate.add_argument(
        "--out",
        type=Path,
        help="results.csv, mattes, worst.png; run again to go on (default: evaluation/LAYOUT-PROMPT)",
    )
    _model_options(evaluate)

    pack = commands.add_parser("pack", help="pack a folder of training pictures into a few files that load into memory")
    pack.set_defaults(run=run_pack)
    pack.add_argument("data", type=Path, help="see mam/training/data.py")
    pack.add_argument("out", type=Path, help="a folder for data-000.zip, ..., 60 MB each; `train --data` takes it")
    pack.add_argument(
        "--longest", type=int, metavar="PIXELS", help="shrink larger photographs and backgrounds to this side"
    )

    train = commands.add_parser(
        "train", help="train a network by a recipe (needs torch); torchrun runs several processes"
    )
    train.set_defaults(run=run_train)
    train.add_argument(
        "recipe", help="tiny-segment, then tiny-mend, then tiny-matte; vit_b-matte, ...: see mam/training/recipes.py"
    )
    train.add_argument("--data", type=Path, required=True, help="see mam/training/data.py and mam/training/sets.py")
    train.add_argument(
        "--out", type=Path, required=True, help="state to go on from, pictures, and the resulting checkpoint"
    )
    train.add_argument("--sam", type=Path, help="segment: a checkpoint to start from; matte: the frozen SAM (required)")
    train.add_argument("--m2m", type=Path, help="matte: a checkpoint to start from")
    train.add_argument("--steps", type=int)
    train.add_argument("--batch", type=int, help="pictures per process and step")
    train.add_argument("--lr", type=float)
    train.add_argument("--seed", type=int, help="another one shows other pictures")
    train.add_argument("--loaders", type=int, default=0, help="worker processes that prepare pictures")
    return parser.parse_args(argv)


def run_matte(arguments: argparse.Namespace) -> int:
    """Cut one object out of each picture; a picture that fails is reported and the rest go on."""
    from tqdm import tqdm

    from mam.images import open_photo

    files = find_pictures(arguments.pictures)
    targets = destinations(files, arguments.out)
    background = arguments.background
    if background is not None and Path(background).is_file():
        background = open_photo(background).pixels
    matting = _load(arguments)
    failed = 0
    bar = tqdm(files, unit="picture", disable=len(files) == 1)
    for file, out in zip(bar, targets):
        try:
            _matte_one(matting, file, out, arguments, background)
            bar.write(f"{file} -> {out}") if len(files) > 1 else print(out)
        except (MamError, OSError, MemoryError) as error:
            failed += 1
            bar.write(f"{file}: {error}", file=sys.stderr)
    if len(files) > 1:
        print(f"{len(files) - failed} of {len(files)} pictures done", file=sys.stderr)
    return 1 if failed else 0


def _matte_one(matting, file: Path, out: Path, arguments: argparse.Namespace, background: object) -> None:
    from mam.errors import PromptError
    from mam.images import write_png

    points = [(x, y) for x, y, _ in arguments.point]
    labels = [label for *_, label in arguments.point]
    prompt = {"text": arguments.text, "box": arguments.box, "points": points, "labels": labels}
    matte = matting.open(file).matte(**prompt, guidance=arguments.guidance)
    if not matte:
        raise PromptError(str(matte))
    if arguments.alpha:
        pixels, profile = matte.alpha_uint8(), None
    else:
        if background is None:
            pixels = matte.cutout()
        elif isinstance(background, str) and background == "blur":
            pixels = matte.over_blur()
        else:
            pixels = matte.over(background)
        profile = matte.photo.icc_profile
    out.parent.mkdir(parents=True, exist_ok=True)
    write_png(pixels, out, profile)


def find_pictures(patterns: Sequence[str]) -> list[Path]:
    """Files as they are named, folders by their pictures, globs by what they match.

    Raises:
        FileNotFoundError: something matches nothing.
    """
    found: list[Path] = []
    for pattern in patterns:
        path = Path(pattern)
        if path.is_dir():
            files = sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURES)
        elif path.exists():
            files = [path]
        else:
            files = sorted(Path(p) for p in glob.glob(pattern, recursive=True))
        if not files:
            raise FileNotFoundError(f"{pattern} matches no picture; expected a file, a folder or a glob.")
        found += files
    return found


def destinations(files: Sequence[Path], out: Path | None) -> list[Path]:
    """Where each picture's matte goes: into the folder `out`, or to the one file `out`, or NAME_matte.png here.

    Raises:
        MamError: one file for several pictures, a file that is no .png, or two mattes for one file.
    """
    if out is not None and out.suffix and not out.is_dir():
        if len(files) > 1:
            raise MamError(f"-o {out} is one file, but there are {len(files)} pictures; give a folder.")
        if out.suffix.lower() != ".png":
            raise MamError(f"-o {out} would be a PNG file under another name; give a name that ends in .png.")
        return [out]
    targets = [(out or Path()) / f"{file.stem}_matte.png" for file in files]
    for target in targets:
        if targets.count(target) > 1:
            same = ", ".join(str(f) for f, t in zip(files, targets) if t == target)
            raise MamError(f"{same} would all be written to {target}; cut them out one by one with -o.")
    return targets


def run_doctor(arguments: argparse.Namespace) -> int:
    """Versions, providers asked for and got, and one timed run on a made-up picture."""
    import os
    import platform
    import time

    import numpy as np
    import onnxruntime as ort

    import mam
    from mam.runtime import cuda_driver

    print(f"mam {mam.__version__}, Python {platform.python_version()}, {platform.platform()}, {os.cpu_count()} CPUs")
    for package in (
        "onnxruntime",
        "onnxruntime-gpu",
        "numpy",
        "pillow",
        "pymatting",
        "gradio",
        "torch",
        "segment-anything",
    ):
        print(f"  {package} {_version(package) or ': not installed'}")
    if _version("onnxruntime") and _version("onnxruntime-gpu"):
        print(
            "  WARNING: onnxruntime and onnxruntime-gpu share one module and break each other; uninstall both, install one."
        )
    print(f"providers compiled in: {', '.join(ort.get_available_providers())}")
    print(f"NVIDIA driver: {cuda_driver() or 'none'}")
    start = time.perf_counter()
    matting = _load(arguments)
    print(f"model {matting.graphs.variant} from {matting.graphs.folder}, loaded in {time.perf_counter() - start:.2f} s")
    print(f"asked for {arguments.device}, runs on {matting.graphs.provider}")
    try:
        words = matting.grounding()
        print(f"words: {words.name} from {words.folder}, runs on {words.provider}")
    except MamError as error:
        print(f"words: none ({error})")

    disc = np.hypot(*np.ogrid[-384:384, -512:512]) < 250
    picture = np.where(disc[..., None], np.uint8([200, 60, 40]), np.uint8([40, 90, 60]))
    for turn in ("first", "next"):
        start = time.perf_counter()
        scene = matting.open(picture)
        encoded = time.perf_counter()
        scene.matte(box=(250, 120, 774, 648))
        print(
            f"{turn} 1024 x 768 picture: encode {encoded - start:.3f} s, prompt to alpha {time.perf_counter() - encoded:.3f} s"
        )
    return 0


def run_weights(arguments: argparse.Namespace) -> int:
    """List, download, check, or say where files are."""
    from tqdm import tqdm

    from mam import weights

    names = arguments.names
    if arguments.action == "list":
        print(f"in {weights.home()}:")
        for entry in weights.WEIGHTS.values():
            there = "here" if (weights.home() / entry.name).exists() else "by hand" if entry.by_hand else "to get"
            size = f"{entry.size / 1e6:7.0f} MB" if entry.size else "         ?"
            print(f"  {entry.name:32} {there:8} {size}  {entry.what}; {entry.licence}")
        return 0
    if arguments.action == "verify" and not names:
        names = [name for name in weights.WEIGHTS if (weights.home() / name).exists()]
    if not names:
        raise MamError(f"nothing to {arguments.action}; `python -m mam weights list` shows what there is.")
    for name in names:
        if arguments.action == "get":
            with tqdm(unit="B", unit_scale=True, unit_divisor=1000, desc=name) as bar:

                def progress(have: int, expected: int) -> None:
                    bar.total = expected or None
                    bar.update(have - bar.n)

                print(weights.get(name, progress))
        else:
            file = weights.path(name)
            print(f"{file}: whole" if arguments.action == "verify" else file)
    return 0


def _version(package: str) -> str | None:
    import importlib.metadata

    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def run_evaluate(arguments: argparse.Namespace) -> int:
    """Measure, print means, name the files; an interrupted run goes on where it stood."""
    from tqdm import tqdm

    from mam.evaluation import run
    from mam.evaluation.benchmarks import LAYOUTS, read_cases

    cases = read_cases(arguments.layout, arguments.data)
    if arguments.sources:
        cases = [case for case in cases if case.name.startswith(tuple(arguments.sources))]
        if not cases:
            raise MamError(f"no case's name begins with {' or '.join(arguments.sources)}; see {arguments.data}.")
    layout = LAYOUTS[arguments.layout]
    kind = "+".join(arguments.rounds) if arguments.rounds else arguments.prompt
    out = arguments.out or Path("evaluation") / f"{arguments.layout}-{kind}"
    matting = _load(arguments)
    if arguments.rounds:
        work = run.interact(matting, cases, layout, *arguments.rounds, out)
    else:
        work = run.evaluate(matting, cases, layout, arguments.prompt, out)
    done = sum(1 for _ in tqdm(work, total=len(cases), unit="object"))
    names = {case.name for case in cases}
    rows = [row for row in run.Results(out / "results.csv").rows if row.prompt == kind and row.case in names]
    if done < len(cases):
        print(f"{len(cases) - done} objects were measured before, or have no pixel above one half", file=sys.stderr)
    print(run.table(rows, by_source=arguments.layout == "segments"))
    if arguments.rounds:
        for target in (0.85, 0.9):
            needed, never = run.clicks_needed(rows, target)
            print(f"rounds to IoU {target:.2f}: {needed:.2f} of {run.ROUNDS}; not reached by {never:.0%}")
    if layout.instances:
        quality = run.instance_quality(cases, out).quality()
        print("IMQ  " + "  ".join(f"{name} {100 * value:.2f}" for name, value in quality.items()))
    print(f"{out / 'results.csv'}; the worst cases: {run.contact_sheet(rows, cases, out)}")
    return 0


def run_pack(arguments: argparse.Namespace) -> int:
    """Pack training pictures."""
    from mam.training.files import pack

    pack(arguments.data, arguments.out, arguments.longest)
    return 0


def run_train(arguments: argparse.Namespace) -> int:
    """Train by a recipe; run again after an interruption, it goes on."""
    from mam.training.recipes import RECIPES
    from mam.training.run import train_matte, train_segmentation

    if arguments.recipe not in RECIPES:
        raise MamError(f"no recipe {arguments.recipe!r}; expected one of {', '.join(RECIPES)}.")
    recipe = RECIPES[arguments.recipe].changed(**{k: getattr(arguments, k) for k in ("steps", "batch", "lr", "seed")})

    def log(line: str) -> None:
        print(line, flush=True)

    if arguments.sam is None and (recipe.stage == "matte" or recipe.only):
        raise MamError(f"{arguments.recipe} needs --sam, the checkpoint of the SAM that it goes on from.")
    if recipe.stage == "segment":
        train_segmentation(
            recipe, arguments.data, arguments.out, start=arguments.sam, loaders=arguments.loaders, log=log
        )
    else:
        start, loaders = arguments.m2m, arguments.loaders
        train_matte(
            recipe, arguments.data, arguments.out, sam_file=arguments.sam, start=start, loaders=loaders, log=log
        )
    return 0


def _model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--graphs",
        type=Path,
        help="a folder of exported graphs, or a model made ready by `python -m export prepare`; default: the embedded one",
    )
    parser.add_argument(
        "--grounding", type=Path, help="a folder with an exported text model; default: where its export puts it"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int, help="CPU threads per graph")


def _load(arguments: argparse.Namespace):
    from mam.matting import Matting

    device, threads = arguments.device, arguments.threads
    matting = Matting.load(arguments.graphs, device=device, threads=threads, grounding=arguments.grounding)
    if matting.graphs.note:
        print(matting.graphs.note, file=sys.stderr)
    return matting


def _numbers(count: int):
    def parse_numbers(text: str) -> tuple[float, ...]:
        values = tuple(float(part) for part in text.split(","))
        if len(values) != count:
            raise argparse.ArgumentTypeError(
                f"{text!r} holds {len(values)} numbers; expected {count}, separated by commas"
            )
        return values

    return parse_numbers


def _rounds(text: str) -> tuple[str, str]:
    first, _, then = text.partition("+")
    if first not in ("box", "click", "scribble") or then not in ("click", "scribble"):
        raise argparse.ArgumentTypeError(
            f"{text!r}; expected box|click|scribble, a plus, then click|scribble: box+click"
        )
    return first, then


def _point(text: str) -> tuple[float, float, int]:
    parts = text.split(",")
    if len(parts) not in (2, 3) or (len(parts) == 3 and parts[2] not in ("+", "-", "1", "0")):
        raise argparse.ArgumentTypeError(f"{text!r} is no point; expected X,Y or X,Y,- for what does not belong")
    return float(parts[0]), float(parts[1]), 0 if parts[2:] in (["-"], ["0"]) else 1


if __name__ == "__main__":
    sys.exit(main())
