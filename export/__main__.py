"""`python -m export graphs | check | flavour | bench | prepare | grounding`. Each command imports only what it needs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mam.errors import MamError
from mam.variants import VARIANTS

ROOT = Path(__file__).parents[1]


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and run; returns the exit status: 0 well, 1 failed or a tolerance broken, 2 the command makes no sense."""
    arguments = parse(argv)
    try:
        return arguments.run(arguments)
    except (MamError, FileNotFoundError) as error:
        print(f"export: {error}", file=sys.stderr)
        return 1


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Command line -> namespace with `run`, the function of the chosen command."""
    parser = argparse.ArgumentParser(prog="python -m export", description="torch checkpoints to ONNX graphs")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    graphs = commands.add_parser("graphs", help="write image_encoder.onnx, mask_decoder.onnx and matte.onnx")
    graphs.set_defaults(run=run_graphs)
    graphs.add_argument("--out", type=Path, required=True, help="folder for the three graphs")
    graphs.add_argument(
        "--plain", action="store_true", help="standard operators only, at several times the memory (SAM's encoders)"
    )
    _model_options(graphs)

    check = commands.add_parser("check", help="compare exported graphs with torch on real pictures")
    check.set_defaults(run=run_check)
    check.add_argument("--graphs", type=Path, required=True, help="folder of graphs made from the same checkpoint")
    _picture_option(check)
    _model_options(check)

    flavour = commands.add_parser(
        "flavour", help="make exported graphs smaller or faster, at a loss that `bench` measures"
    )
    flavour.set_defaults(run=run_flavour)
    flavour.add_argument("graphs", type=Path, help="folder of exported graphs, or the name of a prepared model")
    flavour.add_argument(
        "--precision",
        choices=("fp16", "fp16_weights", "int8"),
        required=True,
        help="fp16: for GPUs and phones; fp16_weights: half the file, same arithmetic; int8: learns from --pictures",
    )
    flavour.add_argument("--out", type=Path, required=True, help="folder for the new set")
    _picture_option(flavour)

    bench = commands.add_parser(
        "bench", help="size, speed, memory and error of sets of graphs, each in a process of its own"
    )
    bench.set_defaults(run=run_bench)
    bench.add_argument(
        "graphs",
        type=Path,
        nargs="+",
        help="folders of graphs, or names of prepared models; the others are compared with the first",
    )
    bench.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    bench.add_argument("--threads", type=int, help="CPU threads per graph")
    _picture_option(bench)

    prepare = commands.add_parser(
        "prepare", help="download a full-size model and export it to where the library looks for it"
    )
    prepare.set_defaults(run=run_prepare)
    prepare.add_argument(
        "--variant", choices=[name for name, variant in VARIANTS.items() if variant.checkpoints], required=True
    )

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
        help="of the square that pictures are laid into; smaller is faster (default: the model's 1333)",
    )
    grounding.add_argument("--out", type=Path, help="default: where the library looks for it")

    arguments = parser.parse_args(argv)
    if hasattr(arguments, "seed") and (arguments.checkpoint is None) == (arguments.seed is None):
        parser.error("give either --checkpoint, or --seed for random weights")
    return arguments


def _picture_option(parser: argparse.ArgumentParser) -> None:
    examples = sorted((ROOT / "demo" / "examples").glob("*.*g"))
    parser.add_argument(
        "--pictures", type=Path, nargs="+", default=examples, help="default: the example photographs of the demo"
    )


def _model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--variant", choices=sorted(VARIANTS), required=True)
    parser.add_argument(
        "--checkpoint",
        type=Path,
        nargs="+",
        help="one or two files that hold SAM and Mask-to-Matte: ours, Meta's sam_vit_*.pth and the authors' M2M, or theirs with both",
    )
    parser.add_argument("--seed", type=int, help="random weights instead, to measure sizes, speed and parity")


def run_graphs(arguments: argparse.Namespace) -> int:
    """Export; prints each file with its size."""
    from export.write import write_graphs

    model, digest = _model(arguments)
    write_graphs(model, digest, arguments.out, plain=arguments.plain, written=_told)
    return 0


def run_check(arguments: argparse.Namespace) -> int:
    """Print the parity table; 1 when a tolerance is broken."""
    from tqdm import tqdm

    from export.parity import compare, summary
    from mam.runtime import load_graphs

    model, _ = _model(arguments)
    rows = list(tqdm(compare(model, load_graphs(arguments.graphs, "cpu"), arguments.pictures), unit="comparison"))
    print(summary(rows))
    broken = [row for row in rows if not row.ok]
    for row in broken:
        print(f"BROKEN {row.what}: {row.case}: {row.error:.2e} > {row.limit:.2e}", file=sys.stderr)
    return 1 if broken or not rows else 0


def run_flavour(arguments: argparse.Namespace) -> int:
    """Write another flavour of a set; prints each file with its size."""
    from export.precision import write_flavour
    from mam.matting import folder_of

    write_flavour(folder_of(arguments.graphs), arguments.precision, arguments.out, arguments.pictures, written=_told)
    return 0


def run_bench(arguments: argparse.Namespace) -> int:
    """Print what each graph of each set costs, and how far it is from the first set's."""
    from tqdm import tqdm

    from export.bench import bench, table
    from mam.matting import folder_of

    total = 3 * len(arguments.graphs)
    folders = [folder_of(graphs) for graphs in arguments.graphs]
    costs = bench(folders, arguments.pictures, arguments.device, arguments.threads)
    print(table(list(tqdm(costs, total=total, unit="graph"))))
    return 0


def run_prepare(arguments: argparse.Namespace) -> int:
    """Make a full-size model ready; prints a line per step."""
    from export.prepare import prepare

    prepare(VARIANTS[arguments.variant], lambda line: print(line, flush=True))
    return 0


def run_grounding(arguments: argparse.Namespace) -> int:
    """Export, downloading first if need be; prints each file with its size."""
    from export.grounding import downloaded, in_folder, write_grounding
    from mam.weights import graphs_folder

    name = f"grounding-dino-{arguments.model}"
    source = in_folder(arguments.source) if arguments.source else downloaded(name)
    for path in write_grounding(source, arguments.out or graphs_folder(name), arguments.side):
        _told(path)
    return 0


def _told(path: Path) -> None:
    from export.precision import graph_bytes

    print(f"{path}  {graph_bytes(path) / 1e6:.1f} MB", flush=True)


def _model(arguments: argparse.Namespace):
    """The network and the digest of what it was made from."""
    from mam import weights
    from mam.nets import checkpoint

    variant = VARIANTS[arguments.variant]
    if arguments.seed is not None:
        return checkpoint.seeded(variant, arguments.seed), f"seed {arguments.seed}"
    return checkpoint.load(variant, *arguments.checkpoint), weights.sha256(*arguments.checkpoint)


if __name__ == "__main__":
    sys.exit(main())
