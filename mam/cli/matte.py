"""`mam matte`: cut one object out of each of many images."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mam.cli.annotation_writer import AnnotationWriter
from mam.cli.files import STANDARD, Input, choose_outputs, find_inputs, is_result, require_writable
from mam.cli.model import add_model_options, load_model
from mam.cli.prompts import Prompts
from mam.cli.results import read_output_options
from mam.cli.values import parse_box, parse_point, parse_scribble, parse_text
from mam.compose.composition import OutputOptions
from mam.errors import MamError, PromptError
from mam.images.encode import FORMATS, describe_source, write_content
from mam.matte import Matte, encode_mattes
from mam.matting import Matting
from mam.scene import Guidance, Scene


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser of `mam`."""
    parser = commands.add_parser(
        "matte",
        help="cut an object out of images",
        description="Cut one object out of each image: the main one, or the one that a prompt points at.",
    )
    parser.set_defaults(run=run)
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="files, folders, globs, addresses, or - for stdin")
    prompt = parser.add_argument_group("prompts; without any, the main object is cut out")
    where = prompt.add_mutually_exclusive_group()
    where.add_argument("--box", type=parse_box, metavar="X0,Y0,X1,Y1", help="in pixels of the image")
    where.add_argument(
        "--text",
        type=parse_text,
        help="names the object, such as 'dog' (`mam doctor` lists the words), or describes it, such as 'the girl in "
        "the red sweater' (needs another text model: mam weights get grounding-dino-tiny)",
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
    prompt.add_argument(
        "--mask",
        help="a mask of the image's size, white or opaque on the object; without points it is taken as it is",
    )
    prompt.add_argument(
        "--prompts",
        type=Path,
        metavar="FILE",
        help="prompts per image, JSON or CSV (docs/usage.md), annotations of COCO or labelme, or a folder of labelme's "
        "or YOLO's files (docs/tools.md); images without one fail, if no option prompts them",
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
    result.add_argument(
        "--preset",
        choices=("square", "portrait", "story", "passport", "sticker"),
        help="a finished image: square, white, 2000 x 2000; portrait, 1080 x 1350; story, 1080 x 1920; passport, head "
        "and shoulders, 827 x 1063; sticker, with an outline, 512 x 512. --background replaces the preset's",
    )
    result.add_argument("--alpha", action="store_true", help="write the alpha matte alone, in grey")
    result.add_argument("--bits", type=int, choices=(8, 16), default=8, help="per pixel of the alpha, with --alpha")
    result.add_argument(
        "--format",
        choices=("png", "webp", "jpg", "tiff", "psd"),
        default="png",
        help="of the files in a folder; jpg is over white, tiff has 16 bits, psd has layers (needs psd-tools)",
    )
    result.add_argument(
        "--annotations",
        type=Path,
        metavar="FILE|FOLDER",
        help="also write the objects' masks: a .json file of COCO with run lengths, or labelme's files into a folder",
    )
    result.add_argument("--trim", type=int, metavar="MARGIN", help="crop to the object, with a margin in pixels")
    result.add_argument(
        "--keep-metadata",
        action="store_true",
        help="copy resolution and EXIF data, but not where and by whom the image was taken",
    )
    result.add_argument("--skip-existing", action="store_true", help="leave out images that have a result already")
    result.add_argument("--force", action="store_true", help="allow overwriting an image that is read")
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="local: this process (default); ray: actors of a Ray cluster, or of a local one with all cores",
    )
    parser.add_argument(
        "--watch", type=Path, metavar="FOLDER", help="cut out photos as they arrive in a folder, until Ctrl-C; with -o"
    )
    add_model_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Cut one object out of each image; after a failure, report it and continue with the other images."""
    if arguments.watch is not None:
        from mam.cli.watch import run_on_arrivals

        return run_on_arrivals(arguments)
    if not arguments.images:
        raise MamError("no image was named; give files, folders, globs, addresses, or - for standard input.")
    if arguments.engine == "ray":
        from mam.cli.cluster import run_on_ray

        return run_on_ray(arguments)
    return _run_here(arguments)


def _run_here(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    inputs, notes = find_inputs(arguments.images)
    prompts = Prompts(arguments)
    also_read = [Path(name) for name in (arguments.mask, arguments.background) if name and Path(name).is_file()]
    also_read += prompts.files()
    outputs = choose_outputs(inputs, arguments.out, f".{arguments.format}", arguments.force, also_read)
    suffixes = {f".{arguments.format}" if out is None else out.suffix.lower() for out in outputs}
    options = read_output_options(arguments, suffixes)
    for folder in {path.parent for path in outputs if path is not None}:
        require_writable(folder)
    annotations = _open_annotations(arguments, prompts)
    for note in [*notes, *prompts.notes(inputs)]:
        print(note, file=sys.stderr)
    pairs = list(zip(inputs, outputs, strict=True))
    todo = []
    for image, out in pairs:
        if arguments.skip_existing and out is not None and is_result(out, image):
            print(f"{image} skipped: {out} exists", file=sys.stderr)
        else:
            todo.append((image, out))
    if not todo:
        return 0

    matting = load_for(arguments)
    failed = 0
    bar = tqdm(todo, unit="image", disable=len(todo) == 1)
    try:
        for image, out in bar:
            job = matting, image, out, prompts, options, arguments.format, bar.write, len(inputs) > 1, annotations
            failed += not write_one(*job)
    finally:  # after Ctrl-C too
        if annotations is not None:
            annotations.finish()
    if len(todo) > 1:
        print(f"{len(todo) - failed} of {len(todo)} images done", file=sys.stderr)
    return 1 if failed else 0


def _open_annotations(arguments: argparse.Namespace, prompts: Prompts) -> AnnotationWriter | None:
    out = arguments.annotations
    if out is None:
        return None
    if arguments.skip_existing and out.suffix:
        raise MamError(f"--annotations {out} gets the images of one run only; leave out --skip-existing.")
    return AnnotationWriter(out, None if prompts.file is None or arguments.force else prompts.file.path)


def load_for(arguments: argparse.Namespace) -> Matting:
    """Load the model, and check that it understands the text of the command line."""
    matting = load_model(arguments)
    if arguments.text is not None:  # fails now rather than at every image
        for phrase, read in matting.grounding().read(arguments.text).items():
            if read != phrase:
                print(f"{phrase!r} is read as {read!r}", file=sys.stderr)
    return matting


def write_one(
    matting: Matting,
    image: Input,
    out: Path | None,
    prompts: Prompts,
    options: OutputOptions,
    file_format: str,
    say: Callable[..., None],
    name_both: bool = True,
    annotations: AnnotationWriter | None = None,
) -> bool:
    """Cut out one image, write the result and print a line -> whether it succeeded.

    Args:
        matting: the model.
        image: what is cut out.
        out: the file to write; None for standard output.
        prompts: the prompts of all images.
        options: what is written.
        file_format: for standard output.
        say: prints a line to `file`.
        name_both: the line names the image beside the result.
        annotations: get the objects too.
    """
    try:
        note = _write_matte(matting, image, out, prompts.of(image), options, file_format, annotations)
        if note:
            say(note, file=sys.stderr)
        if out is not None:
            say(f"{image} -> {out}" if name_both else str(out), file=sys.stdout)
        return True
    except (MamError, OSError, ValueError, MemoryError) as error:
        reason = str(error) or type(error).__name__
        # Most messages begin with the file's name.
        named = image.path is not None and reason.startswith(image.path.name)
        where = f"{image.path.parent}: " if named and image.path and str(image.path.parent) != "." else ""
        say(f"{where}{reason}" if named else f"{image}: {reason}", file=sys.stderr)
        return False


def _write_matte(
    matting: Matting,
    image: Input,
    out: Path | None,
    prompt: dict[str, Any],
    options: OutputOptions,
    file_format: str,
    annotations: AnnotationWriter | None,
) -> str:
    """Cut out one image and write the result -> a note about what could not be read, or nothing."""
    content = sys.stdin.buffer.read() if image.source == STANDARD else image.source
    scene = matting.open(content)
    found, note = _cut_out(scene, prompt)
    kind = FORMATS[f".{file_format}" if out is None else out.suffix.lower()]
    source = "" if out is None or image.source == STANDARD else describe_source(image.source, out)
    result = encode_mattes(found, kind, options, source)
    if out is None:
        sys.stdout.buffer.write(result)
        sys.stdout.buffer.flush()
    else:
        write_content(result, out)
    if annotations is not None:
        annotations.add(image, found)
    return f"{scene.photo.note} {note}".strip()


def _cut_out(scene: Scene, prompt: dict[str, Any]) -> tuple[list[tuple[str, Matte]], str]:
    """Cut out the object of a prompt, or all of an annotated image -> their labels and mattes, and a note.

    Raises:
        PromptError: nothing was found, or the prompt does not fit the image.
    """
    objects = prompt.get("objects")
    if objects is None:
        matte = scene.matte(**prompt)
        if not isinstance(matte, Matte):
            raise PromptError(str(matte))
        return [("object", matte)], ""
    if not objects:
        raise PromptError("its annotations name no object; leave the image out.")
    guidance: Guidance = "mask" if len(objects) > 1 else prompt["guidance"]
    mattes = scene.mattes([one.prompt(scene.photo.size) for one in objects], guidance=guidance)
    found = [(one.label, matte) for one, matte in zip(objects, mattes, strict=True) if isinstance(matte, Matte)]
    if not found:
        raise PromptError(f"nothing was found at its {len(objects)} annotations.")
    lost = len(objects) - len(found)
    return found, f"{scene.photo.name}: nothing was found at {lost} of {len(objects)} annotations." if lost else ""
