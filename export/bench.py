"""Size, speed, memory and error of sets of graphs, each graph measured in a process of its own."""

from __future__ import annotations

import os
import pickle
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort

from export.feeds import Feed, record_feeds
from export.limits import graph_bytes
from mam.errors import GraphError
from mam.model.contract import GRAPHS
from mam.model.providers import CUDA, Device, open_sessions, run_options
from mam.model.runtime import load_graphs


@dataclass(frozen=True)
class Run:
    """What a process measured of one graph.

    Attributes:
        provider: the execution provider that ran it.
        load: seconds to load it.
        first: seconds of the first run.
        seconds: seconds of a later run, median.
        peak: gigabytes of main memory of a process that loads and runs it, without what Python and onnxruntime take.
    """

    provider: str
    load: float
    first: float
    seconds: float
    peak: float


@dataclass(frozen=True)
class Cost:
    """What one graph of one set costs.

    Attributes:
        folder: the folder that holds its set.
        graph: its name.
        megabytes: the size of its files.
        run: times and memory.
        error: distance of its outputs from the reference set's on the same inputs: the largest of |a - b| / |b| over
            the calls, where |.| is the Euclidean norm of the first output.
        mad: for the matte, the mean of |a - b| in 1/1000, as MAD is reported; NaN for the others.
    """

    folder: Path
    graph: str
    megabytes: float
    run: Run
    error: float
    mad: float


def bench(
    folders: Sequence[Path], images: Sequence[Path], device: Device, threads: int | None, repeats: int = 3
) -> Iterator[Cost]:
    """Measure every graph of every set on the first set's inputs for a box and a click on each image.

    Args:
        folders: sets of graphs; the first is the reference of the others' error.
        images: photographs.
        device: as for `mam.Matting.load`.
        threads: CPU threads per graph; None lets onnxruntime choose.
        repeats: how often each call is timed.

    Raises:
        GraphError: a folder is no complete set, or a graph failed.
    """
    if not images:
        raise GraphError("there are no images to measure with; give some with --images.")
    for folder in folders:
        load_graphs(folder, "cpu")  # an error here comes before the long work
    feeds = record_feeds(folders[0], images)
    reference: dict[str, list[np.ndarray]] = {}
    for graph in GRAPHS:
        for folder in folders:
            run, outputs = run_apart(folder / graph.file, feeds[graph.name], device, threads, repeats)
            pairs = list(zip(outputs, reference.setdefault(graph.name, outputs), strict=True))
            error = max(float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in pairs)
            mad = 1000 * float(np.mean([np.abs(a - b).mean() for a, b in pairs]))
            size = graph_bytes(folder / graph.file) / 1e6
            yield Cost(folder, graph.name, size, run, error, mad if graph.name == "matte" else float("nan"))


def table(costs: Sequence[Cost]) -> str:
    """Format the costs as text; speeds are relative to the first set's."""
    lines = [
        f"{'graph':<15}{'set':<28}{'MB':>8}  {'on':<5}{'load s':>8}{'first s':>9}{'run s':>8}{'speed':>8}{'peak GB':>9}"
        f"{'error':>10}{'MAD':>8}"
    ]
    baseline: dict[str, float] = {}
    for cost in costs:
        run = cost.run
        provider = run.provider.removesuffix("ExecutionProvider")
        speed = baseline.setdefault(cost.graph, run.seconds) / run.seconds
        mad = "" if np.isnan(cost.mad) else f"{cost.mad:.3f}"
        lines.append(
            f"{cost.graph:<15}{cost.folder.name[:27]:<28}{cost.megabytes:8.1f}  {provider:<5}{run.load:8.2f}"
            f"{run.first:9.3f}{run.seconds:8.3f}{speed:7.2f}x{run.peak:9.2f}{cost.error:10.1e}{mad:>8}"
        )
    return "\n".join(lines)


def run_apart(
    path: Path, feeds: Sequence[Feed], device: Device, threads: int | None, repeats: int
) -> tuple[Run, list[np.ndarray]]:
    """Run one graph in a fresh Python process, which has none of this one's memory in its peak.

    Args:
        path: the graph.
        feeds: inputs of each call.
        device: as for `bench`.
        threads: as for `bench`.
        repeats: as for `bench`.

    Returns:
        Its times and memory, and the first output of every call.

    Raises:
        GraphError: the process failed; its own message is on stderr.
    """
    with tempfile.TemporaryDirectory() as scratch:
        request, answer = Path(scratch) / "request", Path(scratch) / "answer"
        request.write_bytes(pickle.dumps((path.resolve(), feeds, device, threads, repeats)))
        # The process finds `export` and `mam` where this one found them, from any folder.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(os.path.abspath(entry) for entry in sys.path)}
        command = [sys.executable, "-m", "export.bench", str(request), str(answer)]
        status = subprocess.run(command, env=environment).returncode
        if status:
            raise GraphError(f"measuring {path} ended with status {status}; the reason is printed above.")
        return pickle.loads(answer.read_bytes())


def measure(
    path: Path, feeds: Sequence[Feed], device: Device, threads: int | None, repeats: int
) -> tuple[Run, list[np.ndarray]]:
    """Load and run one graph in this process; arguments and result as for `run_apart`."""
    before = _peak()
    start = time.perf_counter()
    (session,), provider, _ = open_sessions([path], device, threads)
    load = time.perf_counter() - start
    where = "cuda" if provider == CUDA else "cpu"
    times, outputs = [], []
    for feed in feeds:
        # Bound as in the library: copies to and from a GPU do not count as the graph's time.
        binding = session.io_binding()
        for name, value in feed.items():
            binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(np.asarray(value, order="C"), where))
        for _ in range(repeats + 1):
            for output in session.get_outputs():
                binding.bind_output(output.name, where)
            start = time.perf_counter()
            session.run_with_iobinding(binding, run_options())
            times.append(time.perf_counter() - start)
        outputs.append(binding.get_outputs()[0].numpy())
    again = [seconds for k, seconds in enumerate(times) if k % (repeats + 1)]
    return Run(provider, load, times[0], statistics.median(again), _peak() - before), outputs


def _peak() -> float:
    """Return the largest main memory of this process so far, in gigabytes; NaN where the system does not report it."""
    status = Path("/proc/self/status")
    # `getrusage` would count what the parent process had taken too.
    if status.exists() and (found := re.search(r"VmHWM:\s*(\d+) kB", status.read_text())):
        return int(found.group(1)) / 1e6
    if sys.platform == "win32":
        return float("nan")
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e9


if __name__ == "__main__":
    # Under this name the classes could not be unpickled by the parent process, so the imported module does the work.
    from export import bench as module

    given, wanted = map(Path, sys.argv[1:])
    wanted.write_bytes(pickle.dumps(module.measure(*pickle.loads(given.read_bytes()))))
