"""Where a model's graphs are: a folder, the embedded `tiny`, an exported variant, or a skeleton and its checkpoints."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from mam.errors import GraphError, WeightsError
from mam.model import contract
from mam.model.skeleton import is_skeleton, read_manifest
from mam.model.variants import VARIANTS
from mam.weights import Progress, cache_folder, fetch

BUNDLE = Path(__file__).parents[1] / "bundle"
SKELETONS = Path(__file__).parents[1] / "skeletons"

_log = logging.getLogger(__name__)


def graphs_folder(name: str) -> Path:
    """Return the folder of a model's exported graphs, which may not exist yet.

    `python -m export prepare` and `python -m export grounding` write to it. Each version of the contract has a folder
    of its own, so that graphs of different versions do not overwrite each other.

    Args:
        name: the model's name.
    """
    return cache_folder() / "graphs" / f"contract-{contract.VERSION}" / name


def find_graphs(graphs: str | os.PathLike[str] | None) -> Path:
    """Return the folder of complete graphs; an existing folder comes before a variant of the same name.

    Args:
        graphs: a folder, a variant's name, or None for the embedded model.

    Raises:
        GraphError: the variant has not been exported yet.
    """
    name = "tiny" if graphs is None else str(graphs)
    if name not in VARIANTS or (graphs is not None and Path(name).is_dir()):
        return Path(name)
    folder = BUNDLE if name == "tiny" else graphs_folder(name)
    if not folder.exists():
        raise GraphError(
            f"{name} is not ready in {folder}; `python -m export prepare --variant {name}` downloads and exports it."
        )
    return folder


def find_model(
    graphs: str | os.PathLike[str] | None, progress: Callable[[str], Progress | None] = lambda name: None
) -> Path:
    """Return the folder of the graphs for `Matting.load`, and download the checkpoints that they need.

    Args:
        graphs: as for `find_graphs`; a variant that was not exported is run from its skeleton.
        progress: called with the name of each file, returns what is called during its download.

    Raises:
        GraphError: there is no skeleton of this variant either.
        WeightsError: a checkpoint cannot be downloaded.
    """
    name = str(graphs)
    if name not in VARIANTS or Path(name).is_dir() or graphs_folder(name).exists():
        return find_graphs(graphs)
    skeleton = SKELETONS / name
    if not is_skeleton(skeleton):
        return find_graphs(graphs)
    for file in required_checkpoints(skeleton):
        fetch(file, progress(file))
    matte = read_manifest(skeleton).get(contract.MATTE.name)
    if matte is not None:
        try:
            fetch(matte.checkpoint, progress(matte.checkpoint))
        except WeightsError as error:  # the embedded Mask-to-Matte takes its place, as `OnnxGraphs.note` states
            _log.info("%s", error)
    return skeleton


def is_ready(variant: str) -> bool:
    """Return whether `find_model` needs no download for a variant."""
    if variant == "tiny" or graphs_folder(variant).exists():
        return True
    skeleton = SKELETONS / variant
    return is_skeleton(skeleton) and all((cache_folder() / file).exists() for file in required_checkpoints(skeleton))


def required_checkpoints(skeleton: Path) -> list[str]:
    """Return the names of the files without which a skeleton cannot be run: all but Mask-to-Matte's."""
    parts = read_manifest(skeleton)
    return list(dict.fromkeys(part.checkpoint for name, part in parts.items() if name != contract.MATTE.name))
