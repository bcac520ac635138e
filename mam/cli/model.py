"""The options that select a model, shared by the commands `matte`, `doctor` and `evaluate`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mam.cli.values import parse_device, parse_positive
from mam.cli.weights import show_progress
from mam.images import MAX_PIXELS
from mam.matting import Matting
from mam.model.providers import PROVIDERS


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add --graphs, --matte, --grounding, --device, --threads and --max-pixels."""
    parser.add_argument(
        "--graphs",
        type=Path,
        help="a folder of exported graphs, or a variant, such as mobile_sam, that is downloaded on first use; "
        "default: the embedded model",
    )
    parser.add_argument(
        "--matte",
        metavar="vitmatte|semat|FILE",
        help="mattes by another network, after any model. vitmatte: the best edges, downloaded on first use (110 MB), "
        "takes seconds per object; its weights are for research only. semat: whole mattes, slower; its checkpoint has "
        "to be downloaded by hand (docs/models.md) and is not for commercial use. Or the path of either's file",
    )
    parser.add_argument(
        "--grounding",
        type=Path,
        help="the folder of a text model for any phrase; default: $MAM_GROUNDING, where `mam weights get` puts it, or "
        "the embedded one, which knows some words",
    )
    parser.add_argument(
        "--device",
        type=parse_device,
        default="auto",
        help=f"auto, {', '.join(PROVIDERS)}, or cuda:1 for the second GPU",
    )
    parser.add_argument("--threads", type=parse_positive, help="CPU threads per graph")
    parser.add_argument("--max-pixels", type=parse_positive, help="larger images are refused; default: 50,000,000")


def load_model(arguments: argparse.Namespace) -> Matting:
    """Load the model that the options select; notes about devices are printed to standard error."""
    matting = Matting.load(
        arguments.graphs,
        device=arguments.device,
        threads=arguments.threads,
        max_pixels=arguments.max_pixels or MAX_PIXELS,
        grounding=arguments.grounding,
        matte=arguments.matte,
        progress=show_progress,
    )
    for note in {loaded.note for loaded in (matting.graphs, matting.matte_network) if loaded and loaded.note}:
        print(note, file=sys.stderr)
    return matting
