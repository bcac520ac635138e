"""`mam matte`: cut one object out of each of many images."""

from __future__ import annotations

import argparse
import glob
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mam.cli.model import add_model_options, load_model
from mam.errors import MamError, PromptError

if TYPE_CHECKING:
    from mam.images import Photo
    from mam.matting import Matting

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser of `mam`."""
    parser = commands.add_parser("matte", help="cut an object out of images")
    parser.set_defaults(run=run)
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="files, folders or globs")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--box", type=parse_box, metavar="X0,Y0,X1,Y1", help="in pixels of the image")
    where.add_argument(
        "--text", help="describes the object, such as 'the girl in the red sweater' (see python -m export grounding)"
    )
    parser.add_argument(
        "--point",
        type=parse_point,
        action="append",
        default=[],
        metavar="X,Y[,-]",
        help="a click on the object; with ,- on the background",
    )
    parser.add_argument(
        "--guidance",
        choices=("alpha", "mask"),
        default="alpha",
        help="alpha: one object (default); mask: one of several",
    )
    parser.add_argument(
        "--background", metavar="IMAGE|COLOUR|blur", help="compose over this instead of leaving it transparent"
    )
    parser.add_argument("--alpha", action="store_true", help="write the alpha matte alone, in grey")
    parser.add_argument(
        "-o", "--out", type=Path, help="a .png for one image, a folder for several; default: NAME_matte.png"
    )
    add_model_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Cut one object out of each image; after a failure, report it and continue with the other images."""
    from tqdm import tqdm

    from mam.images import open_photo

    files = find_images(arguments.images)
    targets = output_files(files, arguments.out)
    for folder in {target.parent for target in targets}:
        _require_writable(folder)
    background = arguments.background
    matting = load_model(arguments)
    if background is not None and Path(background).is_file():
        background = open_photo(background, matting.max_pixels)
    failed = 0
    bar = tqdm(files, unit="image", disable=len(files) == 1)
    for file, out in zip(bar, targets, strict=True):
        try:
            _write_matte(matting, file, out, arguments, background)
            if len(files) > 1:
                bar.write(f"{file} -> {out}")
            else:
                print(out)
        except (MamError, OSError, MemoryError) as error:
            failed += 1
            bar.write(f"{file}: {error}", file=sys.stderr)
    if len(files) > 1:
        print(f"{len(files) - failed} of {len(files)} images done", file=sys.stderr)
    return 1 if failed else 0


def _write_matte(
    matting: Matting, file: Path, out: Path, arguments: argparse.Namespace, background: Photo | str | None
) -> None:
    from mam.images import write_png
    from mam.matte import NothingFound

    points = [(x, y) for x, y, _ in arguments.point]
    labels = [label for *_, label in arguments.point]
    prompt = {"text": arguments.text, "box": arguments.box, "points": points, "labels": labels}
    matte = matting.open(file).matte(**prompt, guidance=arguments.guidance)
    if isinstance(matte, NothingFound):
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
    write_png(pixels, out, profile)


def _require_writable(folder: Path) -> None:
    """Create a folder if it is missing.

    Raises:
        MamError: it cannot be created, or no file can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MamError(f"the folder {folder} cannot be created ({error.strerror}); choose another with -o.") from error
    if not os.access(folder, os.W_OK):
        raise MamError(f"the folder {folder} is not writable; choose another with -o.")


def find_images(patterns: Sequence[str]) -> list[Path]:
    """List the files that are named, the images in folders that are named, and the matches of globs.

    Raises:
        FileNotFoundError: a pattern matches nothing.
    """
    found: list[Path] = []
    for pattern in patterns:
        path = Path(pattern)
        if path.is_dir():
            files = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
        elif path.exists():
            files = [path]
        else:
            files = sorted(Path(p) for p in glob.glob(pattern, recursive=True))
        if not files:
            raise FileNotFoundError(f"{pattern} matches no image; expected a file, a folder or a glob.")
        found += files
    return found


def output_files(files: Sequence[Path], out: Path | None) -> list[Path]:
    """Choose the output file of each image: NAME_matte.png in a folder, or the one file that is named.

    Args:
        files: the images.
        out: a folder, or a .png file for a single image; None for the working directory.

    Raises:
        MamError: one file for several images, a file that does not end in .png, or the same file for two images.
    """
    if out is not None and out.suffix and not out.is_dir():
        if len(files) > 1:
            raise MamError(f"-o {out} is one file, but there are {len(files)} images; give a folder.")
        if out.suffix.lower() != ".png":
            raise MamError(f"-o {out} does not end in .png, and mattes are written as PNG; give such a name.")
        return [out]
    targets = [(out or Path()) / f"{file.stem}_matte.png" for file in files]
    for target in targets:
        if targets.count(target) > 1:
            same = ", ".join(str(f) for f, t in zip(files, targets, strict=True) if t == target)
            raise MamError(f"{same} would all be written to {target}; process them one by one with -o.")
    return targets


def parse_box(text: str) -> tuple[float, ...]:
    """Parse X0,Y0,X1,Y1 into four numbers."""
    values = _parse_numbers(text.split(","))
    if values is None or len(values) != 4:
        raise argparse.ArgumentTypeError(f"{text!r} is not a box; expected four numbers, X0,Y0,X1,Y1")
    return values


def parse_point(text: str) -> tuple[float, float, int]:
    """Parse X,Y[,+|-|1|0] into x, y and a label, 1 for foreground and 0 for background."""
    parts = text.split(",")
    place = _parse_numbers(parts[:2])
    if place is None or len(place) != 2 or parts[2:] not in ([], ["+"], ["-"], ["1"], ["0"]):
        raise argparse.ArgumentTypeError(f"{text!r} is not a point; expected X,Y or, on the background, X,Y,-")
    return place[0], place[1], 0 if parts[2:] in (["-"], ["0"]) else 1


def _parse_numbers(parts: Sequence[str]) -> tuple[float, ...] | None:
    """Parse numbers; None if a part is not one."""
    try:
        return tuple(float(part) for part in parts)
    except ValueError:
        return None
