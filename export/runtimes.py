"""Comparison of a folder of graphs in OpenVINO with onnxruntime, on the inputs of real photographs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort

from export.feeds import is_edge_folder, record_edge_feeds, record_feeds
from export.parity import relative_error
from mam.errors import GraphError, MamError

LIMIT = 1e-3
"""Of the largest difference relative to the largest value, and of the share of alpha pixels beyond 1/255.

Seen: 2e-5. Half precision, the default of some devices, gives 5e-3.
"""


@dataclass(frozen=True)
class Result:
    """What a runtime did with one graph, on one thread.

    Attributes:
        load: seconds to load it.
        seconds: the duration of the fastest run.
        outputs: the outputs of each call, in the graph's order.
    """

    load: float
    seconds: float
    outputs: list[list[np.ndarray]]


@dataclass(frozen=True)
class Comparison:
    """One graph in OpenVINO and in onnxruntime.

    Attributes:
        file: the graph.
        error: largest difference of an output, relative to its largest value.
        share: the share of alpha pixels more than 1/255 apart; NaN for graphs without alphas.
        native: onnxruntime's times.
        other: OpenVINO's.
    """

    file: str
    error: float
    share: float
    native: Result
    other: Result

    @property
    def ok(self) -> bool:
        """Whether the differences are within `LIMIT`; of alphas the share counts, as a single pixel may flip."""
        return self.error <= LIMIT if np.isnan(self.share) else self.share <= LIMIT


Run = Callable[[dict[str, np.ndarray]], list[np.ndarray]]
Measure = Callable[[Path, Sequence[dict[str, np.ndarray]], int], Result]


def compare_runtime(folder: Path, images: Sequence[Path], repeats: int = 3) -> Iterator[Comparison]:
    """Compare every graph of a folder.

    Args:
        folder: written by `export graphs` or `export edge`.
        images: photographs.
        repeats: how often each call is timed.

    Raises:
        GraphError: OpenVINO cannot take the files; raised before anything is run.
        MamError: OpenVINO is not installed.
    """
    paths = [path for ending in ("onnx", "ort") for path in sorted(folder.glob(f"*.{ending}"))]
    if len({path.stem for path in paths}) < len(paths):
        raise GraphError(
            f"{folder} holds the same graph as ONNX and in ORT format; export each format to its own folder."
        )
    if any(path.suffix == ".ort" for path in paths):
        raise GraphError(
            f"{folder} holds onnxruntime's own format, which OpenVINO does not read; check a folder of `export edge "
            "--for openvino`."
        )
    measure = _openvino()
    feeds = record_edge_feeds(folder, images) if is_edge_folder(folder) else record_feeds(folder, images)
    for name, calls in feeds.items():
        path = next(path for path in paths if path.stem == name)
        native, other = run_natively(path, calls, repeats), measure(path, calls, repeats)
        pairs = [pair for a, b in zip(other.outputs, native.outputs, strict=True) for pair in zip(a, b, strict=True)]
        for a, b in pairs:
            if a.shape != b.shape or not np.isfinite(a).all():
                raise GraphError(
                    f"{path} in OpenVINO returned {a.shape}, or values that are not finite; expected {b.shape}."
                )
        error = max(relative_error(a, b) for a, b in pairs)
        share = float("nan")
        if native.outputs[0][0].shape[:2] == (1, 1):  # an alpha
            share = float(np.mean([np.mean(np.abs(a - b) > 1 / 255) for a, b in pairs]))
        yield Comparison(path.name, error, share, native, other)


def table(rows: Sequence[Comparison]) -> str:
    """Format the comparisons; speeds are onnxruntime's time by OpenVINO's."""
    lines = [
        f"{'graph':<24}{'largest':>10}{'> 1/255':>10}{'load s':>8}{'openvino':>10}{'run s':>8}"
        f"{'openvino':>10}{'speed':>8}"
    ]
    for row in rows:
        share = "" if np.isnan(row.share) else f"{row.share:.1e}"
        lines.append(
            f"{row.file:<24}{row.error:10.1e}{share:>10}{row.native.load:8.2f}{row.other.load:10.2f}"
            f"{row.native.seconds:8.3f}{row.other.seconds:10.3f}{row.native.seconds / row.other.seconds:7.2f}x"
            f"{'' if row.ok else '  FAIL'}"
        )
    return "\n".join(lines)


def run_natively(path: Path, feeds: Sequence[dict[str, np.ndarray]], repeats: int) -> Result:
    """Run a graph in onnxruntime on the CPU."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1

    def load() -> Run:
        session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return lambda feed: session.run(None, feed)

    return _time(load, feeds, repeats)


def _time(
    load: Callable[[], Run],
    feeds: Sequence[dict[str, np.ndarray]],
    repeats: int,
) -> Result:
    start = time.perf_counter()
    run = load()
    loaded = time.perf_counter() - start
    times, outputs = [], []
    for feed in feeds:
        for _ in range(repeats):
            start = time.perf_counter()
            found = run(feed)
            times.append(time.perf_counter() - start)
        outputs.append(found)
    return Result(loaded, min(times), outputs)


def _openvino() -> Measure:
    """Return the function that runs a graph in OpenVINO on the CPU, in single precision."""
    try:
        import openvino
    except ImportError as error:
        raise MamError(f"OpenVINO cannot be imported ({error}); run: pip install 'openvino>=2025,<2027'") from error
    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}

    def measure(path: Path, feeds: Sequence[dict[str, np.ndarray]], repeats: int) -> Result:
        def load() -> Run:
            compiled = core.compile_model(path, "CPU", settings)
            return lambda feed: [np.array(values) for values in compiled(feed).values()]

        return _time(load, feeds, repeats)

    return measure
