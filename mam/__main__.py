"""`python -m mam matte | doctor | evaluate | train`. Each command imports only what it needs."""

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
    matte.add_argument("--box", type=_numbers(4), metavar="X0,Y0,X1,Y1", help="in pixels of the picture")
    matte.add_argument("--point", type=_point, action="append", default=[], metavar="X,Y[,-]", help="a click; with ,- it does not belong")
    matte.add_argument("--guidance", choices=("alpha", "mask"), default="alpha", help="alpha: one object (default); mask: one of several")
    matte.add_argument("--background", metavar="PICTURE|COLOUR|blur", help="compose over this instead of leaving it transparent")
    matte.add_argument("--alpha", action="store_true", help="write the alpha matte alone, in grey")
    matte.add_argument("-o", "--out", type=Path, help="a .png for one picture, a folder for several; default: NAME_matte.png")
    _model_options(matte)

    doctor = commands.add_parser("doctor", help="say what is installed, what runs the graphs, and how fast")
    doctor.set_defaults(run=run_doctor)
    _model_options(doctor)

    evaluate = commands.add_parser("evaluate", help="mask IoU on photographs with label maps")
    evaluate.set_defaults(run=run_evaluate)
    evaluate.add_argument("data", type=Path, help="a folder with photos/<source>/<id>.jpg and <id>.png")
    evaluate.add_argument("--sources", nargs="+", default=["ccp", "davis", "coco"])
    _model_options(evaluate)

    train = commands.add_parser("train", help="train `tiny` from scratch (needs torch); torchrun runs several processes")
    train.set_defaults(run=run_train)
    train.add_argument("stage", choices=("segment", "matte"))
    train.add_argument("--data", type=Path, required=True, help="see mam/training/data.py")
    train.add_argument("--out", type=Path, required=True, help="state to go on from, and the resulting checkpoint")
    train.add_argument("--steps", type=int, required=True)
    train.add_argument("--batch", type=int, default=4, help="pictures per process and step")
    train.add_argument("--lr", type=float, required=True)
    train.add_argument("--pool", type=int, default=2, choices=(1, 2), help="segment: cells pooled before the decoder")
    train.add_argument("--sam", type=Path, help="segment: checkpoint to start from; matte: the frozen SAM (required)")
    train.add_argument("--loaders", type=int, default=0, help="worker processes that prepare pictures")
    arguments = parser.parse_args(argv)
    if arguments.run is run_train and arguments.stage == "matte" and arguments.sam is None:
        parser.error("train matte needs --sam, the checkpoint that `train segment` wrote")
    return arguments


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
    matte = matting.open(file).matte(box=arguments.box, points=points, labels=labels, guidance=arguments.guidance)
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
    for package in ("onnxruntime", "onnxruntime-gpu", "numpy", "pillow", "pymatting", "gradio", "torch", "segment-anything"):
        print(f"  {package} {_version(package) or ': not installed'}")
    if _version("onnxruntime") and _version("onnxruntime-gpu"):
        print("  WARNING: onnxruntime and onnxruntime-gpu share one module and break each other; uninstall both, install one.")
    print(f"providers compiled in: {', '.join(ort.get_available_providers())}")
    print(f"NVIDIA driver: {cuda_driver() or 'none'}")
    start = time.perf_counter()
    matting = _load(arguments)
    print(f"model {matting.graphs.variant} from {matting.graphs.folder}, loaded in {time.perf_counter() - start:.2f} s")
    print(f"asked for {arguments.device}, runs on {matting.graphs.provider}")

    disc = np.hypot(*np.ogrid[-384:384, -512:512]) < 250
    picture = np.where(disc[..., None], np.uint8([200, 60, 40]), np.uint8([40, 90, 60]))
    for turn in ("first", "next"):
        start = time.perf_counter()
        scene = matting.open(picture)
        encoded = time.perf_counter()
        scene.matte(box=(250, 120, 774, 648))
        print(f"{turn} 1024 x 768 picture: encode {encoded - start:.3f} s, prompt to alpha {time.perf_counter() - encoded:.3f} s")
    return 0


def _version(package: str) -> str | None:
    import importlib.metadata

    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def run_evaluate(arguments: argparse.Namespace) -> int:
    """Print mean IoU per source for tight boxes and for one click in the box's middle."""
    from tqdm import tqdm

    from mam.evaluation.masks import evaluate_masks

    scores = list(tqdm(evaluate_masks(_load(arguments), arguments.data, arguments.sources), unit="object"))
    print(f"{'source':10} {'objects':>8} {'box':>7} {'click':>7}")
    for source in arguments.sources:
        own = [s for s in scores if s.source == source]
        if not own:
            print(f"{source:10} {0:8}  no label covers 1% of its picture")
            continue
        print(f"{source:10} {len(own):8} {sum(s.box for s in own) / len(own):7.3f} {sum(s.click for s in own) / len(own):7.3f}")
    return 0


def run_train(arguments: argparse.Namespace) -> int:
    """Train one stage; run again after an interruption, it goes on."""
    from mam.training.run import train_matte, train_segmentation

    common = {name: getattr(arguments, name) for name in ("steps", "batch", "lr", "loaders")}

    def log(line: str) -> None:
        print(line, flush=True)

    if arguments.stage == "segment":
        train_segmentation(arguments.data, arguments.out, pool=arguments.pool, start=arguments.sam, log=log, **common)
    else:
        train_matte(arguments.data, arguments.out, sam_file=arguments.sam, log=log, **common)
    return 0


def _model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--graphs", type=Path, help="a folder of exported graphs; default: the embedded model")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int, help="CPU threads per graph")


def _load(arguments: argparse.Namespace):
    from mam.matting import Matting

    matting = Matting.load(arguments.graphs, device=arguments.device, threads=arguments.threads)
    if matting.graphs.note:
        print(matting.graphs.note, file=sys.stderr)
    return matting


def _numbers(count: int):
    def parse_numbers(text: str) -> tuple[float, ...]:
        values = tuple(float(part) for part in text.split(","))
        if len(values) != count:
            raise argparse.ArgumentTypeError(f"{text!r} holds {len(values)} numbers; expected {count}, separated by commas")
        return values

    return parse_numbers


def _point(text: str) -> tuple[float, float, int]:
    parts = text.split(",")
    if len(parts) not in (2, 3) or (len(parts) == 3 and parts[2] not in ("+", "-", "1", "0")):
        raise argparse.ArgumentTypeError(f"{text!r} is no point; expected X,Y or X,Y,- for what does not belong")
    return float(parts[0]), float(parts[1]), 0 if parts[2:] in (["-"], ["0"]) else 1


if __name__ == "__main__":
    sys.exit(main())
