"""Comparison of a folder of graphs in another runtime with onnxruntime, on the inputs of real photographs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort

from export.edge_graphs import is_edge_folder
from export.feeds import Feed, record_edge_feeds, record_feeds
from export.parity import relative_error
from mam.errors import GraphError, MamError

ORT_WEB = "onnxruntime-web@1.30.0"
LIMIT = 1e-3
"""Of the largest difference relative to the largest value, and of the share of alpha pixels beyond 1/255.

Seen: 3.2e-4, MNN's fast convolutions (Winograd), and 2e-5. Half precision, the default of some devices, gives 5e-3.
"""


@dataclass(frozen=True)
class Result:
    """What a runtime did with one graph, on one thread.

    Attributes:
        load: seconds to load it; for MNN without the conversion.
        seconds: the duration of the fastest run.
        outputs: the outputs of each call, in the graph's order.
    """

    load: float
    seconds: float
    outputs: list[list[np.ndarray]]


@dataclass(frozen=True)
class Comparison:
    """One graph in two runtimes.

    Attributes:
        file: the graph.
        error: largest difference of an output, relative to its largest value.
        share: the share of alpha pixels more than 1/255 apart; NaN for graphs without alphas.
        native: onnxruntime's times.
        other: the other runtime's.
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


Measure = Callable[[Path, Sequence[Feed], int], Result]


def compare_runtime(folder: Path, runtime: str, images: Sequence[Path], repeats: int = 3) -> Iterator[Comparison]:
    """Compare every graph of a folder.

    Args:
        folder: written by `export graphs` or `export edge`.
        runtime: a key of `RUNTIMES`.
        images: photographs.
        repeats: how often each call is timed.

    Raises:
        GraphError: the runtime cannot take the files; raised before anything is run.
        MamError: the runtime is not installed.
    """
    paths = [path for ending in ("onnx", "ort") for path in sorted(folder.glob(f"*.{ending}"))]
    if len({path.stem for path in paths}) < len(paths):
        raise GraphError(
            f"{folder} holds the same graph as ONNX and in ORT format; export each format to its own folder."
        )
    for path in paths:
        refuse(path, runtime)
    with RUNTIMES[runtime]() as measure:
        feeds = record_edge_feeds(folder, images) if is_edge_folder(folder) else record_feeds(folder, images)
        for name, calls in feeds.items():
            path = next(path for path in paths if path.stem == name)
            native, other = run_natively(path, calls, repeats), measure(path, calls, repeats)
            pairs = [
                pair for a, b in zip(other.outputs, native.outputs, strict=True) for pair in zip(a, b, strict=True)
            ]
            for a, b in pairs:
                if a.shape != b.shape or not np.isfinite(a).all():
                    raise GraphError(
                        f"{path} in {runtime} returned {a.shape}, or values that are not finite; expected {b.shape}."
                    )
            error = max(relative_error(a, b) for a, b in pairs)
            share = float("nan")
            if native.outputs[0][0].shape[:2] == (1, 1):  # an alpha
                share = float(np.mean([np.mean(np.abs(a - b) > 1 / 255) for a, b in pairs]))
            yield Comparison(path.name, error, share, native, other)


def refuse(path: Path, runtime: str) -> None:
    """Refuse a file that a runtime is known not to take.

    Raises:
        GraphError: with the reason.
    """
    why = ""
    if path.suffix == ".ort" and runtime != "ort-web":
        why = f"{runtime} reads ONNX, not onnxruntime's own format; check a folder of `export edge --for openvino`"
    elif path.suffix == ".onnx":
        proto = onnx.load(path, load_external_data=False)
        if runtime == "mnn" and any(node.domain for node in proto.graph.node):
            why = "MNN has no fused attention of onnxruntime; export with `export graphs --plain` or `--for tensorrt`"
        elif runtime == "ort-web" and path.with_name(f"{path.name}.data").exists():
            why = "its weights are in a second file, more than a browser's WebAssembly can hold beside their copy"
    if why:
        raise GraphError(f"{path} cannot be checked in {runtime}: {why}.")


def table(rows: Sequence[Comparison], runtime: str) -> str:
    """Format the comparisons; speeds are onnxruntime's time by the other's."""
    lines = [
        f"{'graph':<24}{'largest':>10}{'> 1/255':>10}{'load s':>8}{runtime:>10}{'run s':>8}{runtime:>10}{'speed':>8}"
    ]
    for row in rows:
        share = "" if np.isnan(row.share) else f"{row.share:.1e}"
        lines.append(
            f"{row.file:<24}{row.error:10.1e}{share:>10}{row.native.load:8.2f}{row.other.load:10.2f}"
            f"{row.native.seconds:8.3f}{row.other.seconds:10.3f}{row.native.seconds / row.other.seconds:7.2f}x"
            f"{'' if row.ok else '  FAIL'}"
        )
    return "\n".join(lines)


def run_natively(path: Path, feeds: Sequence[Feed], repeats: int) -> Result:
    """Run a graph in onnxruntime on the CPU."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1

    def load() -> Callable[[Feed], list[np.ndarray]]:
        session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return lambda feed: session.run(None, feed)

    return _time(load, feeds, repeats)


def _time(load: Callable[[], Callable[[Feed], list[np.ndarray]]], feeds: Sequence[Feed], repeats: int) -> Result:
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


@contextmanager
def _openvino() -> Iterator[Measure]:
    """OpenVINO on the CPU, in single precision."""
    try:
        import openvino
    except ImportError as error:
        raise MamError(f"OpenVINO cannot be imported ({error}); run: pip install 'openvino>=2025,<2027'") from error
    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}

    def measure(path: Path, feeds: Sequence[Feed], repeats: int) -> Result:
        def load() -> Callable[[Feed], list[np.ndarray]]:
            compiled = core.compile_model(path, "CPU", settings)
            return lambda feed: [np.array(values) for values in compiled(feed).values()]

        return _time(load, feeds, repeats)

    yield measure


@contextmanager
def _mnn() -> Iterator[Measure]:
    """MNN on the CPU, in single precision."""
    try:
        import MNN
    except ImportError as error:
        raise MamError(f"MNN cannot be imported ({error}); run: pip install 'MNN>=3.6,<4'") from error
    # `MNN.tools` and the command `mnnconvert` install a package with pip and report their use to Alibaba; the compiled
    # module below them does neither.
    convert = "import sys, _tools; _tools.mnnconvert(sys.argv)"

    with tempfile.TemporaryDirectory() as scratch:

        def measure(path: Path, feeds: Sequence[Feed], repeats: int) -> Result:
            target = Path(scratch) / f"{path.stem}.mnn"
            options = ["-f", "ONNX", "--modelFile", path, "--MNNModel", target, "--bizCode", "mam"]
            done = subprocess.run(
                [sys.executable, "-c", convert, *map(str, options), "--keepInputFormat=1"],
                capture_output=True,
                text=True,
            )
            if not target.exists():
                raise GraphError(f"MNN cannot convert {path}: {(done.stdout + done.stderr).strip()[-500:]}")
            session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
            names = [[value.name for value in values] for values in (session.get_inputs(), session.get_outputs())]

            def load() -> Callable[[Feed], list[np.ndarray]]:
                settings = ({"backend": "CPU", "numThread": 1, "precision": "high"},)
                manager = MNN.nn.create_runtime_manager(settings)
                net = MNN.nn.load_module_from_file(str(target), *names, runtime_manager=manager)

                def run(feed: Feed) -> list[np.ndarray]:
                    outputs = net.forward([_mnn_value(MNN, feed[name]) for name in names[0]])
                    return [np.array(output.read()) for output in outputs]

                return run

            return _time(load, feeds, repeats)

        yield measure


def _mnn_value(mnn: Any, values: np.ndarray) -> Any:
    """Return an input of MNN, which has int32 only in place of int64 and bool."""
    floating = values.dtype == np.float32
    placed = mnn.expr.placeholder(list(values.shape), mnn.expr.NCHW, mnn.expr.float if floating else mnn.expr.int)
    placed.write(np.ascontiguousarray(values if floating else values.astype(np.int32)))
    return placed


@contextmanager
def _ort_web() -> Iterator[Measure]:
    """onnxruntime-web in node, WebAssembly on one thread, as a page without special headers runs it."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise MamError(f"node and npm are needed to run {ORT_WEB}; install Node.js 20 or later from nodejs.org.")
    with tempfile.TemporaryDirectory() as scratch:
        script = Path(scratch) / "ort_web.mjs"
        shutil.copy(Path(__file__).with_name(script.name), script)
        (Path(scratch) / "package.json").write_text('{"private": true}')
        install = ["npm", "install", "--silent", "--no-fund", "--no-audit", "--ignore-scripts", ORT_WEB]
        done = subprocess.run(install, cwd=scratch, capture_output=True, text=True)
        if done.returncode:
            raise MamError(f"npm could not install {ORT_WEB}: {(done.stdout + done.stderr).strip()[-500:]}")

        def measure(path: Path, feeds: Sequence[Feed], repeats: int) -> Result:
            with tempfile.TemporaryDirectory(dir=scratch) as job:
                return _run_in_node(script, Path(job), path, feeds, repeats)

        yield measure


def _run_in_node(script: Path, job: Path, path: Path, feeds: Sequence[Feed], repeats: int) -> Result:
    described: list[dict[str, Any]] = []
    for i, feed in enumerate(feeds):
        described.append({})
        for name, values in feed.items():
            file = f"input_{i}_{name}"
            (job / file).write_bytes(np.ascontiguousarray(values).tobytes())
            described[-1][name] = {"dtype": values.dtype.name, "shape": values.shape, "file": file}
    request = {"graph": str(path.resolve()), "feeds": described, "repeats": repeats}
    (job / "job.json").write_text(json.dumps(request))
    done = subprocess.run(["node", str(script), str(job)], capture_output=True, text=True)
    if done.returncode:
        raise GraphError(f"onnxruntime-web cannot run {path}: {done.stderr.strip()[-500:]}")
    report = json.loads((job / "report.json").read_text())
    outputs = [
        [np.fromfile(job / output["file"], np.float32).reshape(output["shape"]) for output in call]
        for call in report["outputs"]
    ]
    return Result(report["load"] / 1000, min(report["times"]) / 1000, outputs)


RUNTIMES: dict[str, Callable[[], Any]] = {"openvino": _openvino, "mnn": _mnn, "ort-web": _ort_web}
"""By name, a context manager that gives the function which runs a graph."""
