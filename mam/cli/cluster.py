"""`mam matte --engine ray`: many images, also in object stores, on a Ray cluster."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mam.cli.files import STANDARD, Input, choose_names, choose_outputs, find_inputs, require_writable
from mam.cli.prompts import Prompts
from mam.cli.results import read_output_options
from mam.cli.weights import show_progress
from mam.cluster import matte_dataset
from mam.cluster.dataset import require_ray
from mam.cluster.storage import is_stored, list_images, read_sources
from mam.errors import GraphError, MamError, PromptError
from mam.images.fetch import is_address
from mam.model.folders import find_model
from mam.model.load_matte import load_matte
from mam.model.runtime import load_graphs

_ROWS = 8  # images per task: what a lost worker computes again
_BLOCKS = 20_000  # tasks at most, because Ray's own work grows with them


def run_on_ray(arguments: argparse.Namespace) -> int:
    """Cut one object out of each image on the cluster that Ray finds; a failure does not stop the others.

    Returns:
        The exit status: 0, or 1 if an image failed.

    Raises:
        MamError: Ray is not installed, options exclude each other, or the graphs cannot be loaded.
    """
    if arguments.device not in ("auto", "cpu", "cuda"):
        raise GraphError(f"device is {arguments.device!r}; actors run on 'cpu' or 'cuda', and Ray numbers the GPUs.")
    inputs, notes = find_images(arguments.images)
    prompts = Prompts(arguments)
    results = choose_results(inputs, arguments.out, f".{arguments.format}", arguments.force)
    options = read_output_options(arguments, {Path(result).suffix.lower() for result in results})
    graphs = load_graphs(find_model(arguments.graphs, show_progress), "cpu")  # fails now rather than in every actor
    if arguments.matte is not None:
        load_matte(arguments.matte, "cpu", progress=show_progress)
    if graphs.note:
        notes.append(graphs.note)
    for note in [*notes, *prompts.notes(inputs)]:
        print(note, file=sys.stderr)
    pairs = zip(inputs, results, strict=True)
    rows, failed = [], 0
    if arguments.annotations or (prompts.file is not None and prompts.file.is_annotated):
        raise MamError("annotations are for this machine; leave out --engine ray.")
    for image, result in pairs:
        try:
            rows.append(to_row(image, result, prompts.of(image), arguments.mask))
        except PromptError as error:  # the file of prompts lacks it
            failed += 1
            print(error, file=sys.stderr)
    if not rows:
        return 1

    ray = require_ray()
    ray.init(ignore_reinit_error=True)
    has_gpus = ray.cluster_resources().get("GPU", 0) > 0
    dataset = matte_dataset(
        ray.data.from_items(rows, override_num_blocks=min(math.ceil(len(rows) / _ROWS), _BLOCKS)),
        graphs=_absolute(arguments.graphs),
        grounding=_absolute(arguments.grounding),
        matte=_absolute(arguments.matte),
        options=options,
        skip_existing=arguments.skip_existing,
        cpus=arguments.threads or 1,
        gpus=1 if arguments.device == "cuda" or (arguments.device == "auto" and has_gpus) else 0,
        **({} if arguments.max_pixels is None else {"max_pixels": arguments.max_pixels}),
    )
    return report(dataset.iter_rows(), len(inputs), failed)


def find_images(patterns: Sequence[str]) -> tuple[list[Input], list[str]]:
    """List the images as `find_inputs` does, and images in object stores.

    Returns:
        The images, and notes about what was left out.

    Raises:
        FileNotFoundError: a pattern matches nothing.
        MamError: a store cannot be read, or standard input is named.
    """
    if STANDARD in patterns:
        raise MamError("standard input cannot be sent to a cluster; give files, folders, globs or addresses.")
    found: dict[str, Input] = {}
    for pattern in filter(is_stored, patterns):
        for address in list_images(pattern):
            found.setdefault(address, Input(address, Path(address.rpartition("/")[2]).stem))
    others, notes = find_inputs([pattern for pattern in patterns if not is_stored(pattern)])
    return [*others, *found.values()], notes


def choose_results(inputs: Sequence[Input], out: str | None, suffix: str, force: bool) -> list[str]:
    """Choose the path or address of each image's result: in a folder, or the file that is named for a single image.

    Raises:
        MamError: as `choose_outputs`.
    """
    if out is None or not is_stored(out):
        paths = choose_outputs(inputs, out, suffix, force)
        if None in paths:
            raise MamError("a cluster cannot write to standard output; give a folder or an address with -o.")
        for parent in {path.parent for path in paths if path is not None}:
            require_writable(parent)
        return [str(_absolute(path)) for path in paths]
    if Path(out).suffix.lower() == suffix:
        if len(inputs) > 1:
            raise MamError(f"-o {out} is one file, but there are {len(inputs)} images; give a folder.")
        return [out]
    where = out.rstrip("/")
    sources = read_sources(where, suffix)
    return [f"{where}/{name}" for name in choose_names(inputs, suffix, where, (), sources, sources.__getitem__)]


def to_row(image: Input, result: str, prompt: dict[str, Any], mask: str | None) -> dict[str, Any]:
    """Return the row of an image for `matte_dataset`; paths become absolute, as actors have another working folder."""
    row = {name: _to_floats(value) for name, value in prompt.items()}
    if isinstance(row.get("text"), list):
        row["text"] = ". ".join(row["text"])
    # The mask of the command line is opened by the actors: as an array it would be repeated in every row.
    if row.get("mask") is not None:
        row["mask"] = str(_absolute(row["mask"] if isinstance(row["mask"], (str, Path)) else mask))
    return {**row, "image": str(_absolute(image.source)), "result": result}


def report(rows: Iterable[dict[str, Any]], count: int, failed: int = 0) -> int:
    """Print a line per image as its row arrives, then how many of `count` images are done -> the exit status.

    `failed` images were reported before.
    """
    for row in rows:
        if row["status"] == "failed":
            failed += 1
            print(f"{row['image']}: {row['reason']}", file=sys.stderr)
        elif row["status"] == "exists":
            print(f"{row['image']} skipped: {row['result']} exists", file=sys.stderr)
        else:
            print(f"{row['image']} -> {row['result']}")
    print(f"{count - failed} of {count} images done", file=sys.stderr)
    return 1 if failed else 0


def _absolute(path: str | os.PathLike[str] | None) -> str | None:
    """Return an absolute path; addresses, names of models and None stay."""
    text = None if path is None else str(path)
    if text is None or is_address(text) or is_stored(text) or not (os.path.exists(text) or os.sep in text):
        return text
    return os.path.abspath(text)


def _to_floats(value: Any) -> Any:
    """Turn tuples into lists and integers into floats, so that all rows of a table have one type."""
    if isinstance(value, (list, tuple)):
        return [_to_floats(item) for item in value]
    return float(value) if isinstance(value, int) else value
