"""`python -m training`: train the networks, and evaluate models on benchmarks."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from mam.cli import parse_commands, run_program
from training import command as train
from training.evaluation import command as evaluate


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; see `mam.cli.run_program`."""
    return run_program(parse, "training", sys.argv[1:] if argv is None else argv)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse a command line; `run` in the namespace is the function of the chosen command."""
    return parse_commands("python -m training", "Train and evaluate.", (train, evaluate), argv)


if __name__ == "__main__":
    sys.exit(main())
