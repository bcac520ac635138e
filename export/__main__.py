"""The command line `python -m export COMMAND`, from `graphs` to `web`.

Each command has its parser beside its function, and imports what it needs only when it runs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mam.cli.values import parse_device
from mam.errors import MamError
from mam.model.providers import PROVIDERS
from mam.model.variants import VARIANTS
from mam.text import NAME as TEXT_MODEL

if TYPE_CHECKING:
    from mam.nets.mam import MattingAnything

SAMPLE = Path(__file__).with_name("sample.jpg")
"""The photograph that commands use when none is given: a cup by Rachel Michetti, scikit-image's `coffee.png`, CC0."""

TARGETS = ("openvino", "mobile", "tensorrt", "sam")
"""What `edge` writes files for."""

REQUIRED = ("torch", "onnx", "onnxruntime", "segment_anything", "transformers", "tokenizers", "safetensors", "tqdm")
"""Packages of export/requirements.txt, by the names under which they are imported."""


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and run a command.

    Args:
        argv: the arguments; None takes the process's own.

    Returns:
        The exit status: 0 for success, 1 for a failure or an exceeded limit. Invalid arguments exit with status 2.
    """
    arguments = parse(argv)
    try:
        return run_with_requirements(arguments.run, arguments)
    except (MamError, OSError) as error:
        print(f"export: {error}", file=sys.stderr)
        return 1


def run_with_requirements(command: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    """Run a command.

    Raises:
        MamError: a package that the export needs is not installed.
    """
    try:
        return command(arguments)
    except ModuleNotFoundError as error:
        missing = (error.name or str(error)).partition(".")[0].replace("segment-anything", "segment_anything")
        if not missing.startswith(REQUIRED):
            raise
        raise MamError(
            f"the export needs a package that is not installed ({error}); run: pip install -r export/requirements.txt"
        ) from error


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Command line -> namespace with `run`, the function of the command."""
    parser = argparse.ArgumentParser(prog="python -m export", description="torch checkpoints to ONNX graphs")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    of_graphs = (add_graphs, add_edge, add_skeletons, add_check, add_flavour, add_bench)
    for add in (*of_graphs, add_prepare, add_grounding, add_words, add_triton, add_web):
        add(commands)
    arguments = parser.parse_args(argv)
    if getattr(arguments, "runtime", None):
        return arguments
    if hasattr(arguments, "variant") and arguments.variant is None:
        parser.error("give --variant, the model that the graphs were made from, or --runtime")
    if hasattr(arguments, "seed") and (arguments.checkpoint is None) == (arguments.seed is None):
        parser.error("give either --checkpoint, or --seed for random weights")
    if getattr(arguments, "checkpoint", None):  # tiny_*.pt means the networks of the graphs, not that of the words
        arguments.checkpoint = [file for file in arguments.checkpoint if not file.name.endswith("_words.pt")]
        if not arguments.checkpoint:
            parser.error("--checkpoint names a head of the text model only; expected SAM and Mask-to-Matte")
    return arguments


def add_graphs(commands: Any) -> None:
    """Add the command `graphs`."""
    graphs = commands.add_parser("graphs", help="write image_encoder.onnx, mask_decoder.onnx and matte.onnx")
    graphs.set_defaults(run=run_graphs)
    graphs.add_argument("--out", type=Path, required=True, help="folder for the three graphs")
    graphs.add_argument(
        "--plain", action="store_true", help="standard operators only, at several times the memory (SAM's encoders)"
    )
    _add_model_options(graphs)


def run_graphs(arguments: argparse.Namespace) -> int:
    """Export a model; prints each file with its size."""
    from export.write import write_graphs

    model, digest = _load_model(arguments)
    write_graphs(model, digest, arguments.out, plain=arguments.plain, on_file=_print_size)
    return 0


def add_edge(commands: Any) -> None:
    """Add the command `edge`."""
    edge = commands.add_parser("edge", help="write a model's graphs for other runtimes, with static shapes")
    edge.set_defaults(run=run_edge)
    edge.add_argument("--for", dest="target", choices=TARGETS, required=True, help="the target runtime")
    edge.add_argument("--out", type=Path, required=True, help="folder for the files")
    edge.add_argument(
        "--points",
        type=int,
        nargs="+",
        default=[],
        help="numbers of points to write mask decoders for; default: 16, and of SAM's 2 and 3 (not with --for sam)",
    )
    _add_model_options(edge)


def run_edge(arguments: argparse.Namespace) -> int:
    """Export a model for a runtime; prints each file with its size."""
    from export.edge import write_edge
    from export.sam import write_sam

    if arguments.target == "sam" and arguments.points:
        raise MamError("--points has no meaning with --for sam: its decoder takes any number of points.")
    model, digest = _load_model(arguments)
    if arguments.target == "sam":
        write_sam(model, digest, arguments.out, on_file=_print_size)
        return 0
    write_edge(model, digest, arguments.target, arguments.out, arguments.points, on_file=_print_size)
    return 0


def add_skeletons(commands: Any) -> None:
    """Add the command `skeletons`."""
    skeletons = commands.add_parser("skeletons", help="write a model's graphs without weights, as the library has them")
    skeletons.set_defaults(run=run_skeletons)
    skeletons.add_argument("--out", type=Path, required=True, help="folder for a folder per model")
    names = [*(name for name, variant in VARIANTS.items() if variant.checkpoints), TEXT_MODEL]
    skeletons.add_argument("--variant", choices=names, nargs="+", default=names, help="default: all")


def run_skeletons(arguments: argparse.Namespace) -> int:
    """Write skeletons; prints each file with its size."""
    from export.grounding_skeleton import write_published
    from export.skeletons import write_skeleton

    for name in arguments.variant:
        if name == TEXT_MODEL:
            for path in write_published(name, arguments.out / name):
                _print_size(path)
            continue
        write_skeleton(VARIANTS[name], arguments.out / name, on_file=_print_size)
    return 0


def add_check(commands: Any) -> None:
    """Add the command `check`."""
    check = commands.add_parser(
        "check", help="compare exported graphs with torch on photographs, or another runtime with onnxruntime"
    )
    check.set_defaults(run=run_check)
    check.add_argument("--graphs", type=Path, required=True, help="folder of `graphs`, or with --runtime of `edge`")
    check.add_argument(
        "--runtime", choices=["openvino"], help="run the graphs there and in onnxruntime; needs no --variant or weights"
    )
    _add_images_option(check)
    _add_model_options(check, required=False)


def run_check(arguments: argparse.Namespace) -> int:
    """Print the parity table; 1 when a limit is exceeded."""
    return _check_runtime(arguments) if arguments.runtime else _check_parity(arguments)


def _check_runtime(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from export.runtimes import compare_runtime, table

    rows = list(tqdm(compare_runtime(arguments.graphs, arguments.images), unit="graph"))
    print(table(rows))
    return 0 if rows and all(row.ok for row in rows) else 1


def _check_parity(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from export.parity import compare, summary
    from mam.model.runtime import load_graphs

    model, _ = _load_model(arguments)
    rows = list(tqdm(compare(model, load_graphs(arguments.graphs, "cpu"), arguments.images), unit="comparison"))
    print(summary(rows))
    exceeded = [row for row in rows if not row.ok]
    for row in exceeded:
        print(f"EXCEEDED {row.what}: {row.case}: {row.error:.2e} > {row.limit:.2e}", file=sys.stderr)
    return 1 if exceeded or not rows else 0


def add_flavour(commands: Any) -> None:
    """Add the command `flavour`."""
    flavour = commands.add_parser("flavour", help="make graphs smaller or faster, at a loss that `bench` measures")
    flavour.set_defaults(run=run_flavour)
    flavour.add_argument("graphs", type=Path, help="folder of exported graphs, or the name of a prepared model")
    flavour.add_argument(
        "--precision",
        choices=("fp16", "fp16_weights", "int8"),
        required=True,
        help="fp16: for GPUs and phones; fp16_weights: half the file, same arithmetic; int8: calibrated on --images",
    )
    flavour.add_argument("--out", type=Path, required=True, help="folder for the new set")
    flavour.add_argument(
        "--images",
        type=Path,
        nargs="+",
        default=[],
        help="photographs like later input; int8 needs some",
    )


def run_flavour(arguments: argparse.Namespace) -> int:
    """Convert a set of graphs to another precision; prints each file with its size."""
    from export.precision import convert_graphs
    from mam.model.folders import find_graphs

    folder = find_graphs(arguments.graphs)
    convert_graphs(folder, arguments.precision, arguments.out, arguments.images, on_file=_print_size)
    return 0


def add_bench(commands: Any) -> None:
    """Add the command `bench`."""
    bench = commands.add_parser("bench", help="size, speed, memory and error of sets of graphs")
    bench.set_defaults(run=run_bench)
    bench.add_argument(
        "graphs",
        type=Path,
        nargs="+",
        help="folders of graphs, or names of prepared models; the others are compared with the first",
    )
    bench.add_argument("--device", type=parse_device, default="auto", help=f"auto, {', '.join(PROVIDERS)} or cuda:1")
    bench.add_argument("--threads", type=int, help="CPU threads per graph")
    _add_images_option(bench)


def run_bench(arguments: argparse.Namespace) -> int:
    """Print what each graph of each set costs, and its error against the first set's."""
    from tqdm import tqdm

    from export.bench import bench, table
    from mam.model.contract import GRAPHS
    from mam.model.folders import find_graphs

    folders = [find_graphs(graphs) for graphs in arguments.graphs]
    costs = bench(folders, arguments.images, arguments.device, arguments.threads)
    print(table(list(tqdm(costs, total=len(GRAPHS) * len(folders), unit="graph"))))
    return 0


def add_prepare(commands: Any) -> None:
    """Add the command `prepare`."""
    prepare = commands.add_parser("prepare", help="download a full-size model and export it for the library to find")
    prepare.set_defaults(run=run_prepare)
    prepare.add_argument(
        "--variant", choices=[name for name, variant in VARIANTS.items() if variant.checkpoints], required=True
    )


def run_prepare(arguments: argparse.Namespace) -> int:
    """Prepare a full-size model; prints a line per step."""
    from export.prepare import prepare

    prepare(VARIANTS[arguments.variant], lambda line: print(line, flush=True))
    return 0


def add_grounding(commands: Any) -> None:
    """Add the command `grounding`."""
    grounding = commands.add_parser("grounding", help="write the text model: grounding.onnx and tokenizer.json")
    grounding.set_defaults(run=run_grounding)
    grounding.add_argument(
        "--model", choices=("tiny", "base"), default="tiny", help="which Grounding DINO (default: tiny)"
    )
    grounding.add_argument(
        "--source", type=Path, help="a folder in Hugging Face's layout; default: what IDEA-Research published"
    )
    grounding.add_argument(
        "--side",
        type=int,
        help="the longest side of resized images; smaller is faster (default: the model's 1333)",
    )
    grounding.add_argument("--out", type=Path, help="default: where the library finds it")


def run_grounding(arguments: argparse.Namespace) -> int:
    """Export the text model, downloading it first if needed; prints each file with its size."""
    from export.grounding import Source, write_grounding
    from mam.model.folders import graphs_folder

    name = f"grounding-dino-{arguments.model}"
    source = Source.in_folder(arguments.source) if arguments.source else Source.download(name)
    for path in write_grounding(source, arguments.out or graphs_folder(name), arguments.side):
        _print_size(path)
    return 0


def add_words(commands: Any) -> None:
    """Add the command `words`."""
    words = commands.add_parser("words", help="write words.onnx, the embedded text model")
    words.set_defaults(run=run_words)
    words.add_argument(
        "--head", type=Path, help="from `python -m training train tiny-words`; default: the embedded one"
    )
    words.add_argument("--out", type=Path, required=True, help="folder for words.onnx")


def run_words(arguments: argparse.Namespace) -> int:
    """Export the embedded text model; prints the file with its size."""
    from export.words import HEAD, export_words
    from mam.model.folders import BUNDLE

    _print_size(export_words(arguments.head or BUNDLE / HEAD, arguments.out))
    return 0


def add_triton(commands: Any) -> None:
    """Add the command `triton`."""
    triton = commands.add_parser("triton", help="write a model repository for Triton Inference Server")
    triton.set_defaults(run=run_triton)
    triton.add_argument(
        "--graphs", type=Path, help="a folder of graphs, or a prepared model; default: the embedded one"
    )
    triton.add_argument("--out", type=Path, required=True, help="folder for the three models")


def run_triton(arguments: argparse.Namespace) -> int:
    """Write the repository; prints each graph with its size."""
    from export.triton import write_repository
    from mam.model.folders import find_graphs

    write_repository(find_graphs(arguments.graphs), arguments.out, on_file=_print_size)
    return 0


def add_web(commands: Any) -> None:
    """Add the command `web`."""
    web = commands.add_parser("web", help="write the whole tool as a folder of static files that run in a browser")
    web.set_defaults(run=run_web)
    web.add_argument("--graphs", type=Path, help="a folder of graphs, or a prepared model; default: the embedded one")
    web.add_argument("--out", type=Path, required=True, help="folder for the site; an earlier one is replaced")


def run_web(arguments: argparse.Namespace) -> int:
    """Write the site; prints the sizes of its files and how to serve it."""
    from export.web.build import build_site, table
    from mam.model.folders import find_graphs

    print(table(build_site(find_graphs(arguments.graphs), arguments.out)))
    print(f"serve it: python -m http.server -d {arguments.out} 8000")
    return 0


def _add_images_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--images", type=Path, nargs="+", default=[SAMPLE], help="photographs; default: a small one")


def _add_model_options(parser: argparse.ArgumentParser, required: bool = True) -> None:
    parser.add_argument("--variant", choices=sorted(VARIANTS), required=required)
    parser.add_argument(
        "--checkpoint",
        type=Path,
        nargs="+",
        help="one or two files that hold SAM and Mask-to-Matte: ours, Meta's sam_vit_*.pth and the authors' M2M, or "
        "theirs with both",
    )
    parser.add_argument("--seed", type=int, help="random weights instead, to measure sizes, speed and parity")


def _load_model(arguments: argparse.Namespace) -> tuple[MattingAnything, str]:
    """Return the network, and the digest of the checkpoint or the seed."""
    from mam.nets import checkpoint
    from mam.weights import sha256

    variant = VARIANTS[arguments.variant]
    if arguments.seed is not None:
        return checkpoint.build_seeded(variant, arguments.seed), f"seed {arguments.seed}"
    return checkpoint.load(variant, *arguments.checkpoint), sha256(*arguments.checkpoint)


def _print_size(path: Path) -> None:
    from export.limits import graph_bytes

    print(f"{path}  {graph_bytes(path) / 1e6:.1f} MB", flush=True)


if __name__ == "__main__":
    sys.exit(main())
