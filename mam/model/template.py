"""Templates: the graphs of a variant without weights, completed with a checkpoint's tensors when they are loaded.

A template is a folder with the ONNX files and `template.json`, which lists for each graph its checkpoint and the shapes
of the tensors that it needs. onnxruntime maps them out of the checkpoint itself: nothing is converted, and there is no
second copy on disk. `python -m export templates` writes such folders.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mam.errors import GraphError, WeightsError
from mam.model import contract
from mam.model.onnx_bytes import FLOAT_TYPES, append_to_graph, cast_to_float32, external_initializer, inline_initializer
from mam.model.providers import GraphInMemory
from mam.weights import cache_folder, look_up, verified_path
from mam.weights.cache import how_to_get
from mam.weights.checkpoint_reader import read_tensors
from mam.weights.layout import describe, describe_mismatch, split_networks
from mam.weights.tensors import ITEM_SIZES, StoredTensor

MANIFEST = "template.json"
M2M_PREFIX = "m2m."
"""Of the names of Mask-to-Matte's tensors in a template; SAM's have the names of Meta's files."""

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Part:
    """What one graph of a template needs.

    Attributes:
        checkpoint: name of the file, in the registry and in the cache.
        shapes: the shapes of its tensors, by name.
    """

    checkpoint: str
    shapes: Shapes


def is_template(folder: Path) -> bool:
    """Return whether a folder holds graphs without weights."""
    return (folder / MANIFEST).is_file()


def read_manifest(folder: Path) -> dict[str, Part]:
    """Return what the graphs of a template need, by the graphs' names; Mask-to-Matte may be missing.

    Raises:
        GraphError: the manifest is damaged.
    """
    try:
        graphs = json.loads((folder / MANIFEST).read_text("utf-8"))["graphs"]
        return {
            name: Part(part["checkpoint"], {key: tuple(shape) for key, shape in part["tensors"].items()})
            for name, part in graphs.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise GraphError(f"{folder / MANIFEST} is damaged ({error!r}); install the package again.") from error


def complete(folder: Path, embedded_matte: Path) -> tuple[list[Path | GraphInMemory], str]:
    """Complete the graphs of a template with the checkpoints in the cache.

    Args:
        folder: where the template is.
        embedded_matte: `matte.onnx` that does not see the embedding, used where the variant's own Mask-to-Matte is
            not in the cache, or it has none.

    Returns:
        The graphs in the contract's order, and a sentence about the Mask-to-Matte if it is not the variant's own.

    Raises:
        WeightsError: a checkpoint is missing or damaged, or holds another network.
        GraphError: the template is damaged.
    """
    parts, note = read_manifest(folder), ""
    states: dict[str, dict[str, StoredTensor]] = {}
    graphs: list[Path | GraphInMemory] = []
    for graph in contract.GRAPHS:
        part = parts.get(graph.name)
        if graph.name == contract.MATTE.name and (part is None or not (cache_folder() / part.checkpoint).exists()):
            if part is not None:
                note = (
                    f"{part.checkpoint} is not in {cache_folder()}, so Mask-to-Matte is the embedded model's; "
                    f"for the authors', {how_to_get(look_up(part.checkpoint))}."
                )
            graphs.append(embedded_matte)
            continue
        if part is None:
            raise GraphError(f"{folder / MANIFEST} does not describe {graph.name}; install the package again.")
        file = verified_path(part.checkpoint).resolve()  # onnxruntime does not follow links out of the folder
        if part.checkpoint not in states:
            states[part.checkpoint] = _read_state(file)
        graphs.append(complete_graph(folder / graph.file, part.shapes, states[part.checkpoint], file))
    return graphs, note


def _read_state(file: Path) -> dict[str, StoredTensor]:
    sam, m2m = split_networks(read_tensors(file))
    return sam | {M2M_PREFIX + name: tensor for name, tensor in m2m.items()}


def complete_graph(path: Path, shapes: Shapes, state: Mapping[str, StoredTensor], file: Path) -> GraphInMemory:
    """Complete one graph of a template.

    Args:
        path: the graph.
        shapes: the shapes of the tensors that it needs, by name.
        state: a checkpoint's tensors.
        file: the checkpoint, which must not be a link.

    Raises:
        WeightsError: the checkpoint lacks some of them, or has other shapes.
        GraphError: the graph cannot be read.
    """
    if mismatch := describe_mismatch(shapes, state, FLOAT_TYPES):
        raise WeightsError(
            f"{file} does not fit {path.parent.name}/{path.name}: {mismatch}. It seems to hold {describe(state)}."
        )
    additions = []
    for name in shapes:
        tensor = state[name]
        stored = name if tensor.dtype == "float32" else f"{name}_stored"
        if tensor.is_contiguous and tensor.offset % ITEM_SIZES[tensor.dtype] == 0:
            additions.append(
                external_initializer(stored, tensor.dtype, tensor.shape, file.name, tensor.offset, tensor.nbytes)
            )
        else:
            stored = name
            data = tensor.read().astype("<f4").tobytes()
            additions.append(inline_initializer(name, "float32", tensor.shape, data))
        if stored != name:
            additions.append(cast_to_float32(stored, name))
    try:
        model = path.read_bytes()
    except OSError as error:
        raise GraphError(f"{path} cannot be read ({error}); install the package again.") from error
    return GraphInMemory(path, append_to_graph(model, additions), file.parent)
