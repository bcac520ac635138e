"""Size, speed, memory and error of graphs, each measured in a process of its own: `python -m export bench`."""

from __future__ import annotations

import pickle
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.flavours import Feeds, graph_bytes, record
from mam.contract import GRAPHS
from mam.runtime import Device, _choose_providers, _session, tidy


@dataclass(frozen=True)
class Cost:
    """What one graph costs.

    Attributes:
        folder: of its set. graph: its name.
        megabytes: of its files.
        load, first, seconds: to load it, to run it once, and to run it again (median).
        peak: gigabytes of main memory of a process that loads and runs it, without those that Python and onnxruntime take.
        error: how far its outputs are from the reference set's on the same inputs: the largest of |a - b| / |b| over the
            calls, |.| the root of the sum of squares of the first output.
        mad: for the matte, the mean of |a - b| in 1/1000, as MAD is shown; NaN for the others.
    """

    folder: Path
    graph: str
    megabytes: float
    load: float
    first: float
    seconds: float
    peak: float
    error: float
    mad: float


def bench(folders: Sequence[Path], pictures: Sequence[Path], device: Device, threads: int | None, runs: int = 3) -> Iterator[Cost]:
    """Measure every graph of every set on what the first set's graphs are fed with for a box and a click on each picture.

    Args:
        folders: sets of graphs; the first is the reference of the others' error.
        runs: how often each call is timed.
    """
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
    lines = [f"{'graph':<15}{'set':<28}{'MB':>8}{'load s':>9}{'first s':>9}{'run s':>8}{'speed':>8}{'peak GB':>9}{'error':>10}{'MAD':>8}"]
    baseline: dict[str, float] = {}
    for cost in costs:
        speed = baseline.setdefault(cost.graph, cost.seconds) / cost.seconds
        mad = "" if np.isnan(cost.mad) else f"{cost.mad:.3f}"
        lines.append(
            f"{cost.graph:<15}{cost.folder.name[:27]:<28}{cost.megabytes:8.1f}{cost.load:9.2f}{cost.first:9.3f}{cost.seconds:8.3f}"
            f"{speed:7.2f}x{cost.peak:9.2f}{cost.error:10.1e}{mad:>8}"
        )
    return "\n".join(lines)


def _apart(path: Path, feeds: list[dict], device: Device, threads: int | None, runs: int) -> tuple[tuple, list[np.ndarray]]:
    """Run one graph in a fresh process; its times, its memory, and the first output of every call."""
    with tempfile.TemporaryDirectory() as scratch:
        order, answer = Path(scratch) / "order", Path(scratch) / "answer"
        order.write_bytes(pickle.dumps((path, feeds, device, threads, runs)))
        subprocess.run([sys.executable, "-m", "export.bench", order, answer], check=True)
        return pickle.loads(answer.read_bytes())


def _measure(path: Path, feeds: list[dict], device: Device, threads: int | None, runs: int) -> tuple[tuple, list[np.ndarray]]:
    before = _peak()
    start = time.perf_counter()
    session = _session(path, _choose_providers(device)[0], threads)
    load = time.perf_counter() - start
    times, outputs = [], []
    for feed in feeds:
        for _ in range(runs + 1):
            start = time.perf_counter()
            output = session.run(None, feed, tidy())[0]
            times.append(time.perf_counter() - start)
        outputs.append(output)
    again = [seconds for k, seconds in enumerate(times) if k % (runs + 1)]
    return (load, times[0], statistics.median(again), _peak() - before), outputs


def _peak() -> float:
    """Gigabytes that this process has taken at most."""
    status = Path("/proc/self/status")
    if status.exists():  # `getrusage` would count what its parent had taken too
        return int(re.search(r"VmHWM:\s*(\d+) kB", status.read_text()).group(1)) / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e9


if __name__ == "__main__":
    given, wanted = map(Path, sys.argv[1:])
    wanted.write_bytes(pickle.dumps(_measure(*pickle.loads(given.read_bytes()))))
