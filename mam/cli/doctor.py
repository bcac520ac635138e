"""`mam doctor`: report the installed packages, the device that runs the graphs, and its speed."""

from __future__ import annotations

import argparse
import os
import platform
import time

from mam.cli.model import add_model_options, load_model
from mam.errors import MamError


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser of `mam`."""
    parser = commands.add_parser("doctor", help="report what is installed, which device runs the graphs, and how fast")
    parser.set_defaults(run=run)
    add_model_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print versions, the requested and the actual device, and the times of two runs on a synthetic image."""
    import mam
    from mam.diagnostics import measure_scene, onnxruntime_conflict, package_versions
    from mam.grounding import NAME as TEXT_MODEL
    from mam.providers import PROVIDERS, count_nodes, cuda_driver, missing_for

    print(f"mam {mam.__version__}, Python {platform.python_version()}, {platform.platform()}, {os.cpu_count()} CPUs")
    for package, version in package_versions().items():
        print(f"  {package} {version or 'is not installed'}")
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
    for run_name in ("first", "next"):
        timing = measure_scene(matting)
        print(f"{run_name} 1024 x 768 image: encode {timing.encode:.3f} s, prompt to alpha {timing.matte:.3f} s")
    return 0
