"""Where a model's graphs are: a folder, the embedded `tiny`, or a variant that was exported before."""

from __future__ import annotations

import os
from pathlib import Path

from mam.errors import GraphError
from mam.variants import VARIANTS
from mam.weights import graphs_folder

BUNDLE = Path(__file__).parent / "bundle"


def find_graphs(graphs: str | os.PathLike[str] | None) -> Path:
    """Return the folder of the graphs for `Matting.load`; an existing folder comes before a variant of the same name.

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
