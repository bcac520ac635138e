"""Preparation of a full-size model: download its checkpoints, export its graphs to the library's cache."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from export.write import write_graphs
from mam import weights
from mam.model import contract, folders
from mam.model.folders import BUNDLE
from mam.model.variants import Variant
from mam.nets import checkpoint

Log = Callable[[str], None]


def prepare(variant: Variant, log: Log) -> Path:
    """Return the folder of a variant's graphs, exporting them first if needed; of several processes only one exports.

    Args:
        variant: with checkpoints.
        log: called with one line per step.

    Raises:
        WeightsError: a checkpoint cannot be downloaded, or is not the published file.
    """
    folder = folders.graphs_folder(variant.name)
    with weights.exclusive_lock(folder):
        if not folder.exists():
            weights.require_manual_files(variant.checkpoints)  # before hours of download
            files = [weights.fetch(name, weights.log_progress(name, log)) for name in variant.checkpoints]
            if variant.m2m_of:
                files.append(BUNDLE / f"{variant.m2m_of}_m2m.pt")
            log(f"Reading {' and '.join(file.name for file in files)}")
            model = checkpoint.load(variant, *files)
            partial = folder.with_name(f"{folder.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            log(f"Exporting {len(contract.GRAPHS)} graphs, which takes some minutes")
            write_graphs(model, weights.sha256(*files), partial, on_file=lambda path: log(f"Exported {path.name}"))
            os.replace(partial, folder)
    log(f"{variant.name} is ready in {folder}")
    return folder
