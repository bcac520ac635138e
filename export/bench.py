"""Size, speed, memory and error of graphs, each measured in a process of its own: `python -m export bench`."""

from __future__ import annotations

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

from export.precision import graph_bytes, record
from mam.contract import GRAPHS
from mam.errors import GraphError
from mam.runtime import CUDA, Device, load_graphs, open_sessions, run_options

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Cost:
    """What one graph costs.

    Attributes:
        folder: of its set. graph: its name.
        megabytes: of its files.
        provider: the execution provider that ran it.
        load, first, seconds: to load it, to run it once, and to run it again (median).
        peak: gigabytes of main memory of a process that loads and runs it, without those that Python and onnxruntime take.
        error: how far its outputs are from the reference set's on the same inputs: the largest of |a - b| / |b| over the
            calls, |.| the root of the sum of squares of the first output.
        mad: for the matte, the mean of |a - b| in 1/1000, as MAD is shown; NaN for the others.
    """

    folder: Path
    graph: str
    megabytes: float
    provider: str
    load: float
    first: float
    seconds: float
    peak: float
    error: float
    mad: float


def bench(
    folders: Sequence[Path], pictures: Sequence[Path], device: Device, threads: int | None, runs: int = 3
) -> Iterator[Cost]:
    """Measure every graph of every set on what the first set's graphs are fed with for a box and a click on each picture.

    Args:
        folders: sets of graphs; the first is the reference of the others' error.
        runs: how often each call is timed.

    Raises:
        GraphError: a folder is no complete set, or a graph failed.
    """
    if not pictures:
        raise GraphError("there are no pictures to measure with; give some with --pictures.")
    for folder in folders:
        load_graphs(folder, "cpu")  # or an error, before the long work
    feeds = record(folders[0], pictures)
    expected: dict[str, list[np.ndarray]] = {}
    for graph in GRAPHS:
        for folder in folders:
            measured, outputs = _apart(folder / graph.file, feeds[graph.name], device, threads, runs)
            reference = expected.setdefault(graph.name, outputs)
            error = max(float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in zip(outputs, reference))
            mad = 1000 * float(np.mean([np.abs(a - b).mean() for a, b in zip(outputs, reference)]))
            size = graph_bytes(folder / graph.file) / 1e6
            yield Cost(folder, graph.name, size, *measured, error, mad if graph.name == "matte" else float("nan"))


def table(costs: Sequence[Cost]) -> str:
    """The costs as text; speeds relative to the first set's in brackets."""
    lines = [
        f"{'graph':<15}{'set':<28}{'MB':>8}  {'on':<5}{'load s':>8}{'first s':>9}{'run s':>8}{'speed':>8}{'peak GB':>9}{'error':>10}{'MAD':>8}"
    ]
    baseline: dict[str, float] = {}
    for cost in costs:
        speed = baseline.setdefault(cost.graph, cost.seconds) / cost.seconds
        mad = "" if np.isnan(cost.mad) else f"{cost.mad:.3f}"
        lines.append(
            f"{cost.graph:<15}{cost.folder.name[:27]:<28}{cost.megabytes:8.1f}  {cost.provider.removesuffix('ExecutionProvider'):<5}{cost.load:8.2f}{cost.first:9.3f}{cost.seconds:8.3f}"
            f"{speed:7.2f}x{cost.peak:9.2f}{cost.error:10.1e}{mad:>8}"
        )
    return "\n".join(lines)


def _apart(
    path: Path, feeds: list[dict], device: Device, threads: int | None, runs: int
) -> tuple[tuple, list[np.ndarray]]:
    """Run one graph in a fresh process; its times, its memory, and the first output of every call."""
    with tempfile.TemporaryDirectory() as scratch:
        order, answer = Path(scratch) / "order", Path(scratch) / "answer"
        order.write_bytes(pickle.dumps((path.resolve(), feeds, device, threads, runs)))
        ended = subprocess.run([sys.executable, "-m", "export.bench", order, answer], cwd=ROOT).returncode
        if ended:
            raise GraphError(f"measuring {path} ended with status {ended}; what is above tells why.")
        return pickle.loads(answer.read_bytes())


def _measure(
    path: Path, feeds: list[dict], device: Device, threads: int | None, runs: int
) -> tuple[tuple, list[np.ndarray]]:
    before = _peak()
    start = time.perf_counter()
    (session,), provider, _ = open_sessions([path], device, threads)
    load = time.perf_counter() - start
    where = "cuda" if provider == CUDA else "cpu"
    times, outputs = [], []
    for feed in feeds:
        binding = (
            session.io_binding()
        )  # as the library runs them: what goes in and out of a GPU is no part of the graph
        for name, value in feed.items():
            binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(value), where))
        for _ in range(runs + 1):
            for output in session.get_outputs():
                binding.bind_output(output.name, where)
            start = time.perf_counter()
            session.run_with_iobinding(binding, run_options())
            times.append(time.perf_counter() - start)
        outputs.append(binding.get_outputs()[0].numpy())
    again = [seconds for k, seconds in enumerate(times) if k % (runs + 1)]
    return (provider, load, times[0], statistics.median(again), _peak() - before), outputs


def _peak() -> float:
    """Gigabytes that this process has taken at most; NaN where the system does not tell."""
    status = Path("/proc/self/status")
    if status.exists():  # `getrusage` would count what its parent had taken too
        return int(re.search(r"VmHWM:\s*(\d+) kB", status.read_text()).group(1)) / 1e6
    if sys.platform == "win32":
        return float("nan")
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e9


if __name__ == "__main__":
    given, wanted = map(Path, sys.argv[1:])
    wanted.write_bytes(pickle.dumps(_measure(*pickle.loads(given.read_bytes()))))
