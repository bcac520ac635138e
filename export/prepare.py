"""First use of a full-size model: download its checkpoints, export its graphs, keep them where the library looks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from export.write import write_graphs
from mam import contract, weights
from mam.nets import checkpoint
from mam.variants import Variant

Say = Callable[[str], None]
_STEP = 5  # percent of a download between two lines


def prepare(variant: Variant, say: Say) -> Path:
    """The folder of a variant's graphs, made first if it is not there; of several processes one works, the others wait.

    Args:
        variant: with checkpoints.
        say: called with one line about each step.

    Raises:
        WeightsError: a checkpoint cannot be had, or is not what it should be.
    """
    folder = weights.graphs_folder(variant.name)
    with weights.exclusive_lock(folder):
        if not folder.exists():
            weights.require_manual_files(variant.checkpoints)  # before hours of download
            files = [weights.fetch(name, _told(name, say)) for name in variant.checkpoints]
            say(f"Reading {' and '.join(variant.checkpoints)}")
            model = checkpoint.load(variant, *files)
            partial = folder.with_name(f"{folder.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            say(f"Exporting {len(contract.GRAPHS)} graphs, which takes some minutes")
            write_graphs(model, weights.sha256(*files), partial, written=lambda path: say(f"Exported {path.name}"))
            os.replace(partial, folder)
    say(f"{variant.name} is ready in {folder}")
    return folder


def _told(name: str, say: Say) -> weights.Progress:
    """A download's progress as a line now and then."""
    last = -_STEP

    def progress(have: int, expected: int) -> None:
        nonlocal last
        percent = 100 * have // expected if expected else 0
        if percent >= last + _STEP:
            last = percent - percent % _STEP
            say(f"Downloading {name}: {percent}% of {expected / 1e6:.0f} MB")

    return progress
