"""The command line `python -m export COMMAND`, from `graphs` to `web`.

A command imports what it needs only when it runs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from export.limits import OF_PRECISION, graph_bytes
from export.targets import SAM, TARGETS
from mam.cli import run_program
from mam.errors import MamError
from mam.model.contract import SEMAT
from mam.model.folders import BUNDLE, find_graphs, graphs_folder
from mam.model.variants import VARIANTS
from mam.text import NAME as TEXT_MODEL

if TYPE_CHECKING:
    from mam.nets.mam import MattingAnything

SAMPLE = Path(__file__).with_name("sample.jpg")
"""The photograph that commands use when none is given: a cup by Rachel Michetti, scikit-image's `coffee.png`, CC0."""

REQUIRED = (
    *("torch", "onnx", "onnxruntime", "segment_anything", "transformers", "timm"),
    *("tokenizers", "safetensors", "tqdm"),
)
"""Packages of export/requirements.txt, by the names under which they are imported."""


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and run a command; see `mam.cli.run_program`. The exit status is 1 for an exceeded limit too."""
    try:
        return run_program(parse, "export", sys.argv[1:] if argv is None else argv)
    except ModuleNotFoundError as error:
        missing = (error.name or str(error)).partition(".")[0].replace("segment-anything", "segment_anything")
        if not missing.startswith(REQUIRED):
            raise
        wanted = "timm torchvision" if missing == "timm" else "-r export/requirements.txt"
        problem = f"the export needs a package that is not installed ({error}); run: pip install {wanted}"
        print(f"export: {problem}", file=sys.stderr)
        return 1


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Command line -> namespace with `run`, the function of the command."""
    parser = argparse.ArgumentParser(prog="python -m export", description="torch checkpoints to ONNX graphs")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(run: Callable[[argparse.Namespace], int], text: str) -> Callable[..., argparse.Action]:
        command = commands.add_parser(run.__name__.removeprefix("run_"), help=text)
        command.set_defaults(run=run)
        return command.add_argument

    models = [*(name for name, variant in VARIANTS.items() if variant.checkpoints), SEMAT.name, TEXT_MODEL]
    some_graphs = "a folder of graphs; default: the embedded model"

    option = add(run_graphs, "write image_encoder.onnx, mask_decoder.onnx and matte.onnx")
    option("--out", type=Path, required=True, help="folder for the three graphs")
    option("--plain", action="store_true", help="standard operators only, at several times the memory (SAM's encoders)")
    _add_model_options(option)

    option = add(run_edge, "write a model's graphs for other runtimes, with static shapes")
    option("--for", dest="target", choices=[*TARGETS, SAM], required=True, help="the target runtime")
    option("--out", type=Path, required=True, help="folder for the files")
    points = "numbers of points to write mask decoders for; default: 16, and of SAM's 2 and 3 (not with --for sam)"
    option("--points", type=int, nargs="+", default=[], help=points)
    _add_model_options(option)

    option = add(run_check, "compare exported graphs with torch on photographs, or another runtime with onnxruntime")
    option("--graphs", type=Path, required=True, help="folder of `graphs`, or with --runtime of `edge`")
    runtime = "run the graphs there and in onnxruntime; needs no --variant or weights"
    option("--runtime", choices=["openvino"], help=runtime)
    option("--images", type=Path, nargs="+", default=[SAMPLE], help="photographs; default: a small one")
    _add_model_options(option, required=False)

    option = add(run_flavour, "make graphs smaller or faster, at a loss that `check` measures")
    option("graphs", type=Path, help="folder of exported graphs")
    precision = "fp16: for GPUs and phones; fp16_weights: half the file, same arithmetic; int8: calibrated on --images"
    option("--precision", choices=[name for name in OF_PRECISION if name != "float32"], required=True, help=precision)
    option("--out", type=Path, required=True, help="folder for the new set")
    option("--images", type=Path, nargs="+", default=[], help="photographs like later input; int8 needs some")

    option = add(run_triton, "write a model repository for Triton Inference Server")
    option("--graphs", type=Path, help=some_graphs)
    option("--out", type=Path, required=True, help="folder for the three models")

    option = add(run_web, "write the whole tool as a folder of static files that run in a browser")
    option("--graphs", type=Path, help=some_graphs)
    option("--out", type=Path, required=True, help="folder for the site; an earlier one is replaced")

    option = add(run_templates, "write a model's graphs without weights, as the library has them")
    option("--out", type=Path, required=True, help="folder for a folder per model")
    option("--variant", choices=models, nargs="+", default=models, help="default: all")

    option = add(run_grounding, "write the text model: grounding.onnx and tokenizer.json")
    option("--model", choices=("tiny", "base"), default="tiny", help="which Grounding DINO (default: tiny)")
    source = "a folder in Hugging Face's layout; default: what IDEA-Research published"
    option("--source", type=Path, help=source)
    side = "the longest side of resized images; smaller is faster (default: the model's 1333)"
    option("--side", type=int, help=side)
    option("--out", type=Path, help="default: where the library finds it")

    option = add(run_words, "write words.onnx, the embedded text model")
    option("--head", type=Path, help="from `python -m training train tiny-words`; default: the embedded one")
    option("--out", type=Path, required=True, help="folder for words.onnx")

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


def _add_model_options(option: Callable[..., argparse.Action], required: bool = True) -> None:
    option("--variant", choices=sorted(VARIANTS), required=required)
    checkpoint = (
        "one or two files that hold SAM and Mask-to-Matte: ours, Meta's sam_vit_*.pth and the authors' M2M, or theirs "
        "with both"
    )
    option("--checkpoint", type=Path, nargs="+", help=checkpoint)
    option("--seed", type=int, help="random weights instead, to measure sizes, speed and parity")


def run_graphs(arguments: argparse.Namespace) -> int:
    """Export a model; prints each file with its size."""
    from export.write import write_graphs

    model, digest = _load_model(arguments)
    write_graphs(model, digest, arguments.out, plain=arguments.plain, on_file=_print_size)
    return 0


def run_edge(arguments: argparse.Namespace) -> int:
    """Export a model for a runtime; prints each file with its size."""
    from export.edge import write_edge
    from export.sam import write_sam

    if arguments.target == SAM and arguments.points:
        raise MamError("--points has no meaning with --for sam: its decoder takes any number of points.")
    model, digest = _load_model(arguments)
    if arguments.target == SAM:
        write_sam(model, digest, arguments.out, on_file=_print_size)
    else:
        write_edge(model, digest, arguments.target, arguments.out, arguments.points, on_file=_print_size)
    return 0


def run_check(arguments: argparse.Namespace) -> int:
    """Print the parity table, or that of a runtime; 1 when a limit is exceeded."""
    from tqdm import tqdm

    if arguments.runtime:
        from export.runtimes import compare_runtime, table

        found = list(tqdm(compare_runtime(arguments.graphs, arguments.images), unit="graph"))
        print(table(found))
        return 0 if found and all(row.ok for row in found) else 1

    from export.parity import compare, summary
    from mam.model.runtime import load_graphs

    model, _ = _load_model(arguments)
    rows = list(tqdm(compare(model, load_graphs(arguments.graphs, "cpu"), arguments.images), unit="comparison"))
    print(summary(rows))
    exceeded = [row for row in rows if not row.ok]
    for row in exceeded:
        print(f"EXCEEDED {row.what}: {row.case}: {row.error:.2e} > {row.limit:.2e}", file=sys.stderr)
    return 1 if exceeded or not rows else 0


def run_flavour(arguments: argparse.Namespace) -> int:
    """Convert a set of graphs to another precision; prints each file with its size."""
    from export.precision import convert_graphs

    graphs = find_graphs(arguments.graphs)
    convert_graphs(graphs, arguments.precision, arguments.out, arguments.images, on_file=_print_size)
    return 0


def run_triton(arguments: argparse.Namespace) -> int:
    """Write the repository; prints each graph with its size."""
    from export.triton import write_repository

    write_repository(find_graphs(arguments.graphs), arguments.out, on_file=_print_size)
    return 0


def run_web(arguments: argparse.Namespace) -> int:
    """Write the site; prints the sizes of its files and how to serve it."""
    from export.web.build import build_site
    from export.web.folder import table

    print(table(build_site(find_graphs(arguments.graphs), arguments.out)))
    print(f"serve it: python -m http.server -d {arguments.out} 8000")
    return 0


def run_templates(arguments: argparse.Namespace) -> int:
    """Write templates; prints each file with its size."""
    from export.grounding_template import write_published
    from export.templates import write_semat, write_template

    for name in arguments.variant:
        if name == TEXT_MODEL:
            for path in write_published(name, arguments.out / name):
                _print_size(path)
        elif name == SEMAT.name:
            write_semat(arguments.out / name, on_file=_print_size)
        else:
            write_template(VARIANTS[name], arguments.out / name, on_file=_print_size)
    return 0


def run_grounding(arguments: argparse.Namespace) -> int:
    """Export the text model, downloading it first if needed; prints each file with its size."""
    from export.grounding import Source, write_grounding

    name = f"grounding-dino-{arguments.model}"
    source = Source.in_folder(arguments.source) if arguments.source else Source.download(name)
    for path in write_grounding(source, arguments.out or graphs_folder(name), arguments.side):
        _print_size(path)
    return 0


def run_words(arguments: argparse.Namespace) -> int:
    """Export the embedded text model; prints the file with its size."""
    from export.words import HEAD, export_words

    _print_size(export_words(arguments.head or BUNDLE / HEAD, arguments.out))
    return 0


def _load_model(arguments: argparse.Namespace) -> tuple[MattingAnything, str]:
    """Return the network, and the digest of the checkpoint or the seed."""
    from mam.nets import checkpoint
    from mam.weights import sha256

    variant = VARIANTS[arguments.variant]
    if arguments.seed is not None:
        return checkpoint.build_seeded(variant, arguments.seed), f"seed {arguments.seed}"
    return checkpoint.load(variant, *arguments.checkpoint), sha256(*arguments.checkpoint)


def _print_size(path: Path) -> None:
    print(f"{path}  {graph_bytes(path) / 1e6:.1f} MB")


if __name__ == "__main__":
    sys.exit(main())
