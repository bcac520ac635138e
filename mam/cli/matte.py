"""`mam matte`: cut one object out of each of many images."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mam.cli.files import STANDARD, Input, choose_outputs, find_inputs, require_writable
from mam.cli.model import add_model_options, load_model
from mam.cli.prompts import PromptFile
from mam.cli.values import parse_box, parse_point, parse_scribble, parse_text
from mam.errors import MamError, PromptError

if TYPE_CHECKING:
    from mam.images import Photo
    from mam.matte import Matte
    from mam.matting import Matting


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser of `mam`."""
    parser = commands.add_parser(
        "matte",
        help="cut an object out of images",
        description="Cut one object out of each image: the main one, or the one that a prompt points at.",
    )
    parser.set_defaults(run=run)
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="files, folders, globs, addresses, or - for stdin")
    prompt = parser.add_argument_group("prompts; without any, the main object is cut out")
    where = prompt.add_mutually_exclusive_group()
    where.add_argument("--box", type=parse_box, metavar="X0,Y0,X1,Y1", help="in pixels of the image")
    where.add_argument(
        "--text",
        type=parse_text,
        help="describes the object, such as 'the girl in the red sweater' (see python -m export grounding)",
    )
    prompt.add_argument(
        "--point",
        type=parse_point,
        action="append",
        default=[],
        metavar="X,Y[,-]",
        help="a click on the object; with ,- on the background",
    )
    prompt.add_argument(
        "--scribble",
        type=parse_scribble,
        action="append",
        default=[],
        metavar="X,Y,X,Y,...[,-]",
        help="a stroke over the object; with ,- over the background",
    )
    prompt.add_argument("--mask", help="a rough mask of the image's size, white or opaque on the object")
    prompt.add_argument(
        "--prompts", type=Path, metavar="FILE", help="prompts per image, JSON or CSV (docs/usage.md); others have none"
    )
    prompt.add_argument(
        "--guidance",
        choices=("alpha", "mask"),
        default="alpha",
        help="alpha: one object (default); mask: one of several",
    )
    result = parser.add_argument_group("results")
    result.add_argument("-o", "--out", help="an image file, a folder, or - for stdout; default: NAME_matte.png")
    result.add_argument(
        "--background", metavar="IMAGE|COLOUR|blur", help="compose over this instead of leaving it transparent"
    )
    result.add_argument("--alpha", action="store_true", help="write the alpha matte alone, in grey")
    result.add_argument("--bits", type=int, choices=(8, 16), default=8, help="of a pixel of the alpha, with --alpha")
    result.add_argument(
        "--format", choices=("png", "webp", "jpg"), default="png", help="of the files in a folder; jpg is over white"
    )
    result.add_argument("--trim", type=int, metavar="MARGIN", help="crop to the object, with a margin in pixels")
    result.add_argument(
        "--keep-metadata",
        action="store_true",
        help="copy resolution and EXIF data, but not where and by whom the image was taken",
    )
    result.add_argument("--skip-existing", action="store_true", help="leave out images that have a result already")
    result.add_argument("--force", action="store_true", help="allow overwriting an image that is read")
    add_model_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Cut one object out of each image; after a failure, report it and continue with the other images."""
    from tqdm import tqdm

    inputs, notes = find_inputs(arguments.images)
    prompts = _Prompts(arguments)
    also_read = [Path(name) for name in (arguments.mask, arguments.background) if name and Path(name).is_file()]
    also_read += prompts.files()
    outputs = choose_outputs(inputs, arguments.out, f".{arguments.format}", arguments.force, also_read)
    _check_results(arguments, outputs)
    background = _open_background(arguments)
    for folder in {path.parent for path in outputs if path is not None}:
        require_writable(folder)
    for note in [*notes, *prompts.notes(inputs)]:
        print(note, file=sys.stderr)
    pairs = list(zip(inputs, outputs, strict=True))
    todo = []
    for image, out in pairs:
        if arguments.skip_existing and out is not None and out.exists():
            print(f"{image} left out: {out} exists", file=sys.stderr)
        else:
            todo.append((image, out))
    if not todo:
        return 0

    matting = load_model(arguments)
    if arguments.text is not None:
        matting.grounding()  # fails now rather than at every image
    failed = 0
    bar = tqdm(todo, unit="image", disable=len(todo) == 1)
    for image, out in bar:
        try:
            note = _write_matte(matting, image, out, prompts.of(image), arguments, background)
            if note:
                bar.write(note, file=sys.stderr)
            if out is not None:
                bar.write(f"{image} -> {out}" if len(inputs) > 1 else str(out))
        except (MamError, OSError, ValueError, MemoryError) as error:
            failed += 1
            reason = str(error) or type(error).__name__
            # Most messages begin with the file's name.
            named = image.path is not None and reason.startswith(image.path.name)
            where = f"{image.path.parent}: " if named and image.path and str(image.path.parent) != "." else ""
            bar.write(f"{where}{reason}" if named else f"{image}: {reason}", file=sys.stderr)
    if len(todo) > 1:
        print(f"{len(todo) - failed} of {len(todo)} images done", file=sys.stderr)
    return 1 if failed else 0


class _Prompts:
    """The prompt of each image: its own in the file of prompts, else that of the command line."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        from mam.images import MAX_PIXELS, open_mask

        self.file = None if arguments.prompts is None else PromptFile(arguments.prompts)
        self.common: dict[str, Any] = {
            "text": arguments.text,
            "box": arguments.box,
            "points": [place for place, _ in arguments.point],
            "labels": [label for _, label in arguments.point],
            "scribbles": [stroke for stroke, _ in arguments.scribble],
            "scribble_labels": [label for _, label in arguments.scribble],
            "mask": None,
            "guidance": arguments.guidance,
        }
        if arguments.mask is not None:
            self.common["mask"] = open_mask(arguments.mask, arguments.max_pixels or MAX_PIXELS)
        labels = [*self.common["labels"], *self.common["scribble_labels"]]
        given = arguments.text is not None or arguments.box is not None or arguments.mask is not None
        if labels and not any(labels) and not given:
            raise PromptError("all points are on the background; give one on the object, a box or a mask.")

    def files(self) -> list[Path]:
        """Return the files that are read for prompts."""
        return [] if self.file is None else [self.file.path, *self.file.masks()]

    def notes(self, inputs: list[Input]) -> list[str]:
        """Return a note if prompts of the file belong to none of the images."""
        unused = [] if self.file is None else self.file.unused(inputs)
        return [f"{len(unused)} prompts belong to no image, such as that of {unused[0]}."] if unused else []

    def of(self, image: Input) -> dict[str, Any]:
        """Return the arguments of `mam.Scene.matte` for an image."""
        own = None if self.file is None else self.file.prompt_for(image)
        return self.common if own is None else {"guidance": self.common["guidance"], **own}


def _open_background(arguments: argparse.Namespace) -> Photo | str | None:
    """Check the background before the work, and open it if it is an image."""
    from mam.composite import is_colour
    from mam.images import MAX_PIXELS, open_photo

    background: str | None = arguments.background
    if background is None or background == "blur" or (is_colour(background) and not Path(background).is_file()):
        return background
    try:
        return open_photo(background, arguments.max_pixels or MAX_PIXELS)
    except FileNotFoundError:
        raise MamError(
            f"--background {background} is no image file and no colour; expected a file, a name like 'white', "
            "a code like '#20a0ff', or blur."
        ) from None


def _check_results(arguments: argparse.Namespace, outputs: list[Path | None]) -> None:
    suffixes = {f".{arguments.format}" if out is None else out.suffix.lower() for out in outputs}
    if arguments.alpha and arguments.background is not None:
        raise MamError("--alpha and --background exclude each other; choose one.")
    if arguments.bits == 16 and not arguments.alpha:
        raise MamError("--bits 16 is for --alpha; colours have 8 bits.")
    if arguments.bits == 16 and suffixes != {".png"}:
        raise MamError("16 bits need PNG; choose a .png name or --format png.")
    if arguments.trim is not None and arguments.trim < 0:
        raise MamError(f"--trim {arguments.trim} is negative; expected a margin in pixels.")


def _write_matte(
    matting: Matting,
    image: Input,
    out: Path | None,
    prompt: dict[str, Any],
    arguments: argparse.Namespace,
    background: Photo | str | None,
) -> str:
    """Cut out one image and write the result -> a note about what could not be read, or nothing."""
    from mam.matte import NothingFound
    from mam.writing import encode_image, format_of, write_image

    content = sys.stdin.buffer.read() if image.source == STANDARD else image.source
    scene = matting.open(content)
    matte = scene.matte(**prompt)
    if isinstance(matte, NothingFound):
        raise PromptError(str(matte))
    file_format = arguments.format.upper().replace("JPG", "JPEG") if out is None else format_of(out)
    pixels, profile = _pixels(matte, arguments, background, file_format)
    metadata = scene.photo.metadata if arguments.keep_metadata else None
    if out is None:
        sys.stdout.buffer.write(encode_image(pixels, file_format, profile, metadata))
        sys.stdout.buffer.flush()
    else:
        write_image(pixels, out, profile, metadata)
    return scene.photo.note


def _pixels(
    matte: Matte, arguments: argparse.Namespace, background: Photo | str | None, file_format: str
) -> tuple[Any, bytes | None]:
    """Return the pixels to write, and their colour profile."""
    if arguments.alpha:
        pixels, profile = matte.alpha_uint16() if arguments.bits == 16 else matte.alpha_uint8(), None
    else:
        if background is None and file_format == "JPEG":
            background = "white"
        profile = matte.photo.icc_profile
        if background is None:
            pixels = matte.cutout()
        else:
            pixels = matte.over_blur() if background == "blur" else matte.over(background)
    if arguments.trim is not None:
        x0, y0, x1, y1 = matte.bounds(arguments.trim)
        pixels = pixels[y0:y1, x0:x1]
    return pixels, profile
