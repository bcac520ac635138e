"""Preparation of the published text model: one download, converted to a third of its size, without torch.

    prepare()   downloads the weights, completes the template of the graph with them, and deletes the download

The weights of the text encoder, two thirds of all, are stored as 8-bit integers with a scale per row, those of the
image encoder and of the other layers in half precision. Computations are in single precision.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from mam.errors import GraphError, WeightsError
from mam.model import contract
from mam.model.folders import TEMPLATES, graphs_folder
from mam.model.onnx_bytes import append_to_graph, cast_to_float32, inline_initializer
from mam.model.template import MANIFEST
from mam.text.model import NAME, TOKENIZER, is_complete
from mam.weights import Progress, cache_folder, exclusive_lock, fetch
from mam.weights.cache import no_link, verification_record
from mam.weights.checkpoint_reader import read_tensors
from mam.weights.layout import describe_mismatch
from mam.weights.tensors import StoredTensor

TEMPLATE = TEMPLATES / NAME
FILE = f"{NAME}.safetensors"
"""The published weights, in `mam.weights`."""
SIDE = 800
"""Longest side of the images that the prepared model searches, in pixels; the paper's 1333 takes 2.8 times as long."""

INT8, SCALE = "_int8", "_scale"
"""Endings of the names of a matrix in 8 bits and of the scales of its rows."""

_SHARED = {"bbox_embed.0.": "model.decoder.bbox_embed.0."}
"""Other names of tensors that the network has twice, of which a file may have either."""


def prepare(progress: Callable[[str], Progress | None] = lambda name: None, template: Path | None = None) -> Path:
    """Return the folder of the text model, for `Grounding.load`; download and convert it first if there is none.

    The downloaded weights are deleted after the conversion, unless they were there before. If several processes
    need the model, one prepares it and the others wait.

    Args:
        progress: called with the name of each file, returns what is called during its download.
        template: folder of the graph without weights; None for the one in this package.

    Raises:
        WeightsError: a file cannot be downloaded, is damaged, or holds another network; or the disk is full.
        GraphError: the template is damaged.
    """
    folder = graphs_folder(NAME)
    if is_complete(folder):
        return folder
    with exclusive_lock(folder):
        if not is_complete(folder):
            was_there = (cache_folder() / FILE).exists()
            tokenizer = fetch(f"{NAME}.{TOKENIZER}", progress(f"{NAME}.{TOKENIZER}"))
            file = fetch(FILE, progress(FILE))
            complete(template or TEMPLATE, file, tokenizer, folder)
            if not was_there:
                file.unlink()
                verification_record(file).unlink(missing_ok=True)
    return folder


def complete(template: Path, checkpoint: Path, tokenizer: Path, folder: Path) -> None:
    """Write `grounding.onnx` and `tokenizer.json`.

    Args:
        template: folder of the graph without weights.
        checkpoint: the published weights.
        tokenizer: the published tokenizer.
        folder: created if missing.

    Raises:
        WeightsError: the checkpoint holds another network, or the disk is full.
        GraphError: the template is damaged.
    """
    shapes, graph = _read_template(template)
    state = read_tensors(checkpoint)
    tensors = {name: state[other] for name in shapes if (other := _other_name(name, state)) in state}
    if mismatch := describe_mismatch(shapes, tensors):
        raise WeightsError(f"{checkpoint} is not {NAME}: {mismatch}.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Both files are moved into place at the end, so that an interrupted conversion is not taken for a complete one.
        # The next conversion overwrites what a killed one left.
        unfinished = folder / f".{contract.GROUNDING.file}.unfinished"
        try:
            with open(unfinished, "wb", opener=no_link) as stream:
                stream.write(graph)
                for name, tensor in tensors.items():
                    for addition in _store(name, tensor):
                        stream.write(append_to_graph(b"", [addition]))
            with open(tokenizer, "rb") as source, open(folder / TOKENIZER, "wb", opener=no_link) as stream:
                shutil.copyfileobj(source, stream)
            os.replace(unfinished, folder / contract.GROUNDING.file)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise WeightsError(f"{folder} cannot be written ({error}); free some space, or set MAM_HOME.") from error


def _read_template(template: Path) -> tuple[dict[str, tuple[int, ...]], bytes]:
    try:
        tensors = json.loads((template / MANIFEST).read_text("utf-8"))["tensors"]
        shapes = {name: tuple(shape) for name, shape in tensors.items()}
        return shapes, (template / contract.GROUNDING.file).read_bytes()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise GraphError(f"{template} is damaged ({error!r}); install the package again.") from error


def _other_name(name: str, state: Mapping[str, StoredTensor]) -> str:
    """Return the name of a template's tensor in a checkpoint."""
    name = name.removesuffix(INT8)
    for first, second in _SHARED.items():
        if name not in state and name.startswith(first):
            return second + name.removeprefix(first)
    return name


def _store(name: str, tensor: StoredTensor) -> Iterator[bytes]:
    """Yield what a tensor adds to the graph: initializers, and the conversion of halves."""
    values = tensor.read().astype(np.float32)
    if name.endswith(INT8):
        scale = np.maximum(np.abs(values).max(1, keepdims=True) / 127, np.finfo(np.float32).tiny)
        rows = np.round(values / scale).astype(np.int8)
        yield inline_initializer(name, "int8", rows.shape, rows.tobytes())
        scales = scale.astype("<f4").tobytes()
        yield inline_initializer(name.removesuffix(INT8) + SCALE, "float32", scale.shape[:1], scales)
    elif values.ndim < 2:
        yield inline_initializer(name, "float32", values.shape, values.astype("<f4").tobytes())
    else:
        yield inline_initializer(f"{name}_half", "float16", values.shape, values.astype("<f2").tobytes())
        yield cast_to_float32(f"{name}_half", name)
