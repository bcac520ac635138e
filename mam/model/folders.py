"""Where a model's graphs are: a folder, the embedded `tiny`, or a template and its checkpoints."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from mam.errors import GraphError, WeightsError
from mam.model import contract
from mam.model.template import is_template, read_manifest
from mam.model.variants import VARIANTS
from mam.weights import Progress, cache_folder, fetch

BUNDLE = Path(__file__).parents[1] / "bundle"
TEMPLATES = Path(__file__).parents[1] / "templates"

_log = logging.getLogger(__name__)


def graphs_folder(name: str) -> Path:
    """Return the folder of a text model's graphs in the cache, which may not exist yet.

    Each version of the contract has a folder of its own, so that graphs of different versions do not overwrite each
    other.

    Args:
        name: the model's name.
    """
    return cache_folder() / "graphs" / f"contract-{contract.VERSION}" / name


def find_graphs(graphs: str | os.PathLike[str] | None) -> Path:
    """Return a folder of complete graphs, which need no checkpoint.

    Args:
        graphs: a folder, or None or "tiny" for the embedded model.

    Raises:
        GraphError: it is the name of a variant that is not embedded.
    """
    name = "tiny" if graphs is None else str(graphs)
    if name not in VARIANTS or (graphs is not None and Path(name).is_dir()):
        return Path(name)
    if name != "tiny":
        raise GraphError(
            f"the graphs of {name} are not complete without its checkpoint; `python -m export graphs --variant {name} "
            "--checkpoint FILES --out FOLDER` writes them, and FOLDER can be given instead."
        )
    return BUNDLE


def find_model(
    graphs: str | os.PathLike[str] | None, progress: Callable[[str], Progress | None] = lambda name: None
) -> Path:
    """Return the folder of the graphs for `Matting.load`, and download the checkpoints that they need.

    Args:
        graphs: as for `find_graphs`, or the name of a variant, whose template is returned; an existing folder of the
            same name comes first.
        progress: called with the name of each file, returns what is called during its download.

    Raises:
        GraphError: there is no template of this variant.
        WeightsError: a checkpoint cannot be downloaded.
    """
    template = TEMPLATES / str(graphs)
    if str(graphs) not in VARIANTS or Path(str(graphs)).is_dir() or not is_template(template):
        return find_graphs(graphs)
    for file in required_checkpoints(template):
        fetch(file, progress(file))
    matte = read_manifest(template).get(contract.MATTE.name)
    if matte is not None:
        try:
            fetch(matte.checkpoint, progress(matte.checkpoint))
        except WeightsError as error:  # the embedded Mask-to-Matte takes its place, as `OnnxGraphs.note` states
            _log.info("%s", error)
    return template


def is_ready(variant: str) -> bool:
    """Return whether `find_model` needs no download for a variant."""
    template = TEMPLATES / variant
    return variant == "tiny" or (
        is_template(template) and all((cache_folder() / file).exists() for file in required_checkpoints(template))
    )


def required_checkpoints(template: Path) -> list[str]:
    """Return the names of the files without which a template cannot be run: all but Mask-to-Matte's."""
    parts = read_manifest(template)
    return list(dict.fromkeys(part.checkpoint for name, part in parts.items() if name != contract.MATTE.name))
