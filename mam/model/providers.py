"""Choose an execution provider of onnxruntime and open sessions on it; a fallback to the CPU is always reported."""

from __future__ import annotations

import collections
import ctypes
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from mam.errors import GraphError

if TYPE_CHECKING:
    import onnxruntime as ort

# By default onnxruntime collects usage data for Microsoft. It reads this variable when it is imported; 0 allows it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

Device = str
"""Where graphs run: "auto", a name in `PROVIDERS`, or "cuda:1" for the second GPU."""

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


@dataclass(frozen=True)
class Provider:
    """An execution provider of onnxruntime.

    Attributes:
        name: onnxruntime's.
        install: how to get an onnxruntime that has it.
        options: for each session.
        needs_nvidia: it works only with an NVIDIA driver.
    """

    name: str
    install: str
    options: Mapping[str, str] = field(default_factory=dict)
    needs_nvidia: bool = False


# Mattes differ in size: by default CUDA would search all convolution algorithms again for each, and keep twice the
# memory of the largest. TF32 has too few digits for the limits of `export check`.
_CUDA_OPTIONS = {
    "cudnn_conv_algo_search": "HEURISTIC",
    "use_tf32": "0",
    "arena_extend_strategy": "kSameAsRequested",
}
PROVIDERS = {
    "cpu": Provider(CPU, "pip install onnxruntime"),
    "cuda": Provider(CUDA, 'pip install "onnxruntime-gpu[cuda,cudnn]"', _CUDA_OPTIONS, needs_nvidia=True),
    "tensorrt": Provider(
        "TensorrtExecutionProvider", 'pip install "onnxruntime-gpu[cuda,cudnn]" tensorrt', needs_nvidia=True
    ),
    # Without "ACCURACY", processors with AMX compute in bfloat16.
    "openvino": Provider(
        "OpenVINOExecutionProvider",
        "pip install onnxruntime-openvino",
        {"device_type": "CPU", "precision": "ACCURACY"},
    ),
    "coreml": Provider("CoreMLExecutionProvider", "pip install onnxruntime on macOS", {"ModelFormat": "MLProgram"}),
    "directml": Provider("DmlExecutionProvider", "pip install onnxruntime-directml on Windows"),
}
"""By the names that `device` may have."""


@dataclass(frozen=True)
class GraphInMemory:
    """A graph that was assembled in memory.

    Attributes:
        path: the file that it was made from.
        model: as bytes of an ONNX file.
        data_folder: holds the files that the graph's external tensors are in.
    """

    path: Path
    model: bytes
    data_folder: Path


def onnxruntime() -> ModuleType:
    """Import onnxruntime when it is first needed.

    Raises:
        GraphError: it is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise GraphError(
            f"onnxruntime cannot be imported ({error}), and nothing else runs the graphs; install it with "
            '`pip install onnxruntime`, or with `pip install "onnxruntime-gpu[cuda,cudnn]"` for an NVIDIA GPU.'
        ) from error
    return onnxruntime


def cuda_driver() -> str | None:
    """Return the name of the NVIDIA driver's library, or None: without a driver, CUDA only prints errors."""
    # Loaded rather than searched for, because in containers only the loader knows where it is.
    for name in ("libcuda.so.1", "nvcuda.dll"):
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return name
    return None


def check_device(device: Device) -> tuple[str, int]:
    """Split the name of a device -> its name without a number, and the number, 0 if it has none.

    Raises:
        GraphError: there is no such device.
    """
    match = re.fullmatch(r"([a-z]+)(?::(\d{1,3}))?", str(device))
    name, number = match.groups() if match else ("", None)
    if name not in ("auto", *PROVIDERS) or (number is not None and name != "cuda"):
        raise GraphError(
            f"device is {str(device)[:100]!r}; expected 'auto', {', '.join(map(repr, PROVIDERS))}, or 'cuda:1' for the "
            "second GPU."
        )
    return name, int(number or 0)


def missing_for(name: str) -> str:
    """Return why a device of `PROVIDERS` cannot be used here and what to install, or an empty string if it can."""
    provider = PROVIDERS[name]
    if provider.name not in onnxruntime().get_available_providers():
        return (
            f"this onnxruntime is built without {provider.name}; uninstall it, as all builds share one module, and "
            f"install the right one: {provider.install}"
        )
    if provider.needs_nvidia and cuda_driver() is None:
        return "there is no NVIDIA driver on this machine"
    return ""


def choose_providers(device: Device) -> tuple[list[str], str]:
    """Return the names in `PROVIDERS` to try, in order, and a sentence that explains the choice, often empty.

    Raises:
        GraphError: the requested provider is not available, or the device is unknown.
    """
    requested, _ = check_device(device)
    name = "cuda" if requested == "auto" else requested
    missing = missing_for(name)
    if missing and requested != "auto":
        raise GraphError(f"device {device!r} was requested, but {missing}. device='cpu' and 'auto' work without it.")
    if missing:
        # Without a GPU there is nothing to explain.
        return ["cpu"], f"Running on the CPU: {missing}." if cuda_driver() else ""
    if PROVIDERS[name].needs_nvidia:
        onnxruntime().preload_dlls()
    return list(dict.fromkeys((name, *(["cuda"] if name == "tensorrt" else []), "cpu"))), ""


def open_sessions(
    graphs: Sequence[Path | GraphInMemory], device: Device, threads: int | None
) -> tuple[list[ort.InferenceSession], str, str]:
    """Load graphs that run on the same device.

    Args:
        graphs: ONNX files, or graphs made of them.
        device: a name in `PROVIDERS`, an error if it is not available; "auto", CUDA if there is a driver for it, else
            the CPU.
        threads: CPU threads per graph; None lets onnxruntime choose, within a container's quota.

    Returns:
        The sessions; the provider that runs them, the CPU if any of them runs there; and a sentence that explains
        the choice, empty if it needs none.

    Raises:
        GraphError: a file is broken, or the requested provider is not available.
    """
    if threads is not None and (not isinstance(threads, int) or threads < 1):
        raise GraphError(f"threads is {threads!r}; expected a number of at least 1, or None.")
    names, note = choose_providers(device)
    number = check_device(device)[1]
    wanted = PROVIDERS[names[0]].name
    opened = [_open_session(graph, names, number, threads) for graph in graphs]
    sessions = [session for session, _ in opened]
    found = {
        path_of(graph).name: session.get_providers()[0]
        for graph, session in zip(graphs, sessions, strict=True)
        if session.get_providers()[0] != wanted
    }
    if not found:
        return sessions, wanted, note
    runs = f"running {', '.join(found)} on {', '.join(dict.fromkeys(found.values()))}"
    why = next((error for _, error in opened if error), "its libraries or memory were missing")
    if device != "auto":
        raise GraphError(
            f"device {device!r} was requested, but onnxruntime is {runs}: {why}. It needs: "
            f"{PROVIDERS[names[0]].install}. device='cpu' works without it. `mam doctor` lists the details."
        )
    return sessions, CPU, f"There is an NVIDIA driver, but CUDA could not be used ({why}); {runs}."


def count_nodes(session: ort.InferenceSession) -> dict[str, int]:
    """Return how many nodes of a graph each provider runs; empty on the CPU, and if onnxruntime is older than 1.24.

    A provider leaves the nodes that it cannot run to the CPU.
    """
    try:
        parts = session.get_provider_graph_assignment_info()
    except Exception:  # an older onnxruntime, or a session on the CPU, which records nothing
        return {}
    counts: collections.Counter[str] = collections.Counter()
    for part in parts:
        counts[part.ep_name] += len(part.get_nodes())
    return dict(counts)


def cpu_quota() -> int | None:
    """Return how many CPUs the container's quota allows, rounded up; None without a quota below the machine's CPUs."""
    for file, period_file in (
        ("/sys/fs/cgroup/cpu.max", None),
        ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us"),
    ):
        try:
            values = Path(file).read_text().split()
            quota, period = values[0], values[1] if period_file is None else Path(period_file).read_text()
            allowed = math.ceil(int(quota) / int(period))
        except (OSError, ValueError, IndexError, ZeroDivisionError):  # no such file, or "max"
            continue
        return allowed if 0 < allowed < (os.cpu_count() or 1) else None
    return None


def run_options(gpu: int | None = None) -> ort.RunOptions:
    """Return the options of every run: free memory afterwards, which halves a process's size for 10% of the time.

    Args:
        gpu: number of the CUDA device, to free its memory too; None if there is none.
    """
    options = onnxruntime().RunOptions()
    arenas = "cpu:0" if gpu is None else f"cpu:0;gpu:{gpu}"
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", arenas)
    return options


def run_session(session: ort.InferenceSession, values: Mapping[str, np.ndarray], file: Path) -> list[np.ndarray]:
    """Run a graph on arrays in main memory -> its outputs in the file's order; `file` names it in errors.

    Raises:
        GraphError: it failed.
    """
    try:
        return session.run(None, values, run_options())
    except Exception as error:  # onnxruntime raises a dozen types of its own, and RuntimeError
        raise GraphError(f"{file} failed on {session.get_providers()[0]}: {error}") from error


def path_of(graph: Path | GraphInMemory) -> Path:
    """Return the ONNX file that a graph is, or was made from."""
    return graph.path if isinstance(graph, GraphInMemory) else graph


def _open_session(
    graph: Path | GraphInMemory, names: list[str], number: int, threads: int | None
) -> tuple[ort.InferenceSession, str]:
    """Open a session on the first provider that accepts the graph; also return the error of an earlier provider."""
    ort = onnxruntime()
    options = ort.SessionOptions()
    # Idle threads that spin would slow down the other two sessions and other processes.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Mattes differ in size, so memory patterns, made for one size, cost a fifth more memory and save no time.
    options.enable_mem_pattern = False
    if threads is None:
        threads = cpu_quota()
    if threads is not None:
        options.intra_op_num_threads = threads
    model: str | bytes = str(graph)
    if isinstance(graph, GraphInMemory):
        model = graph.model
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(graph.data_folder))
        # The mapped weights are used in place; packed copies would take half as much again and save 2% of the time.
        options.add_session_config_entry("session.disable_prepacking", "1")
    if names[0] != "cpu":
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")  # for `count_nodes`
    with_options = [(PROVIDERS[name].name, _options(name, number, threads)) for name in names]
    try:
        return ort.InferenceSession(model, options, providers=with_options), ""
    except Exception as error:  # onnxruntime raises a dozen types of its own, and RuntimeError
        if len(names) > 1:
            session, _ = _open_session(graph, names[1:], number, threads)
            return session, str(error).strip()
        raise GraphError(
            f"{path_of(graph)} cannot be loaded ({error}); it may be incomplete: export or download it again."
        ) from error


def _options(name: str, number: int, threads: int | None) -> dict[str, str]:
    """Return the options of a provider for the device with this number."""
    options = dict(PROVIDERS[name].options)
    if PROVIDERS[name].needs_nvidia:
        options["device_id"] = str(number)
    if name == "openvino" and threads is not None:
        options["num_of_threads"] = str(threads)  # it has threads of its own
    return options
