"""`mam doctor`: report the installed packages, the device that runs the graphs, and its speed."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import time

import numpy as np

import mam
from mam.catalogue import list_models
from mam.cli.model import add_model_options, load_model
from mam.errors import MamError
from mam.matting import Matting
from mam.model.providers import PROVIDERS, count_nodes, cuda_driver, missing_for
from mam.proof import read_proof
from mam.text import NAME as TEXT_MODEL

PACKAGES = (
    *("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-directml"),
    *("numpy", "pillow", "tokenizers", "gradio", "torch", "segment-anything"),
)


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser of `mam`."""
    parser = commands.add_parser("doctor", help="report what is installed, which device runs the graphs, and how fast")
    parser.set_defaults(run=run)
    add_model_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print versions, the requested and the actual device, and the times of two runs on a synthetic image."""
    print(f"mam {mam.__version__}, Python {platform.python_version()}, {platform.platform()}, {os.cpu_count()} CPUs")
    for package in PACKAGES:
        print(f"  {package} {_version(package) or 'is not installed'}")
    conflict = onnxruntime_conflict()
    if conflict:
        print(f"  WARNING: {conflict}")
    for name in PROVIDERS:
        print(f"device {name}: {missing_for(name) or 'available'}")
    print(f"NVIDIA driver: {cuda_driver() or 'none'}")
    start = time.perf_counter()
    matting = load_model(arguments)
    print(f"model {matting.graphs.variant} from {matting.graphs.folder}, loaded in {time.perf_counter() - start:.2f} s")
    print(f"device {arguments.device}, runs on {matting.graphs.provider}")
    for graph, session in getattr(matting.graphs, "sessions", {}).items():
        nodes = count_nodes(session)
        if nodes:
            print(f"  {graph}: " + ", ".join(f"{count} nodes on {provider}" for provider, count in nodes.items()))
    try:
        grounding = matting.grounding()
        print(f"text prompts: {grounding.name} from {grounding.folder}, runs on {grounding.provider}")
        if grounding.known_words:
            print(f"  {len(grounding.known_words)} names and their synonyms: {', '.join(grounding.known_words)}")
            print(f"  for any phrase: mam weights get {TEXT_MODEL}")
    except MamError as error:
        print(f"text prompts: unavailable ({error})")
    proofs = (read_proof(matting.graphs.folder), *(model.proof for model in list_models()))
    for name, summary in {proof.model: proof.summary for proof in proofs if proof}.items():
        print(f"{name} was checked: {summary}")
    for run_name in ("first", "next"):
        encode, matte = measure_scene(matting)
        print(f"{run_name} 1024 x 768 image: encode {encode:.3f} s, prompt to alpha {matte:.3f} s")
    return 0


def onnxruntime_conflict() -> str | None:
    """Return a warning if several builds of onnxruntime are installed, which overwrite each other's files."""
    builds = [package for package in PACKAGES if package.startswith("onnxruntime") and _version(package)]
    if len(builds) < 2:
        return None
    return f"{' and '.join(builds)} share one module and break each other; uninstall all, then install one."


def measure_scene(matting: Matting) -> tuple[float, float]:
    """Return seconds to encode a synthetic image of 1024 x 768 pixels, and from a box on it to the full-size alpha."""
    disc = np.hypot(*np.ogrid[-384:384, -512:512]) < 250
    image = np.where(disc[..., None], [200, 60, 40], [40, 90, 60]).astype(np.uint8)
    start = time.perf_counter()
    scene = matting.open(image)
    encoded = time.perf_counter()
    scene.matte(box=(250, 120, 774, 648))
    return encoded - start, time.perf_counter() - encoded


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
