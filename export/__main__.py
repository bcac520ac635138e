"""`python -m export graphs | check | grounding`. Needs torch, onnx and segment-anything; grounding needs transformers instead."""

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
    _model_options(graphs)

    check = commands.add_parser("check", help="compare exported graphs with torch on real pictures")
    check.set_defaults(run=run_check)
    check.add_argument("--graphs", type=Path, required=True, help="folder of graphs made from the same checkpoint")
    check.add_argument("--pictures", type=Path, nargs="+", help="default: the example photographs of the demo")
    _model_options(check)

    grounding = commands.add_parser("grounding", help="write the text model: grounding.onnx and tokenizer.json")
    grounding.set_defaults(run=run_grounding)
    grounding.add_argument("--model", choices=("tiny", "base"), default="tiny", help="which Grounding DINO (default: tiny)")
    grounding.add_argument("--source", type=Path, help="a folder in Hugging Face's layout; default: what IDEA-Research published")
    grounding.add_argument("--side", type=int, help="of the square that pictures are laid into; smaller is faster (default: the model's 1333)")
    grounding.add_argument("--out", type=Path, help="default: where the library looks for it")

    arguments = parser.parse_args(argv)
    if hasattr(arguments, "seed") and (arguments.checkpoint is None) == (arguments.seed is None):
        parser.error("give either --checkpoint, or --seed for random weights")
    return arguments


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
    for path in write_graphs(model, digest, arguments.out):
        print(f"{path}  {path.stat().st_size / 1e6:.1f} MB")
    return 0


def run_check(arguments: argparse.Namespace) -> int:
    """Print the parity table; 1 when a tolerance is broken."""
    from tqdm import tqdm

    from export.parity import compare, summary
    from mam.runtime import load_graphs

    pictures = arguments.pictures or sorted((ROOT / "demo" / "examples").glob("*.*g"))
    model, _ = _model(arguments)
    rows = list(tqdm(compare(model, load_graphs(arguments.graphs, "cpu"), pictures), unit="comparison"))
    print(summary(rows))
    broken = [row for row in rows if not row.ok]
    for row in broken:
        print(f"BROKEN {row.what}: {row.case}: {row.error:.2e} > {row.limit:.2e}", file=sys.stderr)
    return 1 if broken or not rows else 0


def run_grounding(arguments: argparse.Namespace) -> int:
    """Export, downloading first if need be; prints each file with its size."""
    from export.grounding import downloaded, in_folder, write_grounding
    from mam.text import exported_to

    name = f"grounding-dino-{arguments.model}"
    source = in_folder(arguments.source) if arguments.source else downloaded(name)
    for path in write_grounding(source, arguments.out or exported_to(name), arguments.side):
        print(f"{path}  {path.stat().st_size / 1e6:.1f} MB")
    return 0


def _model(arguments: argparse.Namespace):
    """The network and the digest of what it was made from."""
    from mam.nets import checkpoint

    variant = VARIANTS[arguments.variant]
    if arguments.seed is not None:
        return checkpoint.seeded(variant, arguments.seed), f"seed {arguments.seed}"
    return checkpoint.load(variant, *arguments.checkpoint), checkpoint.sha256(*arguments.checkpoint)


if __name__ == "__main__":
    sys.exit(main())
