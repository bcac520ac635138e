"""Choose an execution provider of onnxruntime and open sessions on it; a fallback to the CPU is always reported."""

from __future__ import annotations

import ctypes
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from mam.errors import GraphError

if TYPE_CHECKING:
    import onnxruntime as ort

# By default onnxruntime collects usage data for Microsoft. It reads this variable when it is imported; 0 allows it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

Device = Literal["auto", "cpu", "cuda"]

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
# Mattes differ in size, and the default would search all convolution algorithms again for each size.
_PROVIDER_OPTIONS: dict[str, dict[str, Any]] = {CPU: {}, CUDA: {"cudnn_conv_algo_search": "HEURISTIC"}}


@dataclass(frozen=True)
class GraphInMemory:
    """A graph that is in no ONNX file as it is loaded.

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


def available_providers() -> list[str]:
    """Return the execution providers that the installed onnxruntime was compiled with."""
    providers: list[str] = onnxruntime().get_available_providers()
    return providers


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


def choose_providers(device: Device) -> tuple[list[str], str]:
    """Return the providers to try, in order, and a sentence that explains the choice (empty if it needs none).

    Raises:
        GraphError: CUDA was requested and is not available, or the device is unknown.
    """
    if device == "cpu":
        return [CPU], ""
    if device not in ("auto", "cuda"):
        raise GraphError(f"device is {device!r}; expected 'auto', 'cpu' or 'cuda'.")
    if CUDA not in available_providers():
        why_not = "this onnxruntime is built without CUDA (install onnxruntime-gpu instead of onnxruntime)"
    elif cuda_driver() is None:
        if device == "auto":
            return [CPU], ""
        why_not = "there is no NVIDIA driver on this machine"
    else:
        onnxruntime().preload_dlls()
        return [CUDA, CPU], ""
    if device == "cuda":
        raise GraphError(f"CUDA was requested, but {why_not}. Use device='cpu' or device='auto'.")
    return [CPU], f"Running on the CPU: {why_not}."


def open_sessions(
    graphs: Sequence[Path | GraphInMemory], device: Device, threads: int | None
) -> tuple[list[ort.InferenceSession], str, str]:
    """Load graphs that run on the same device.

    Args:
        graphs: ONNX files, or graphs made of them.
        device: "cpu"; "cuda", an error if it is not available; "auto", CUDA if there is a driver for it, else the CPU.
        threads: CPU threads per graph; None lets onnxruntime choose, within a container's quota.

    Returns:
        The sessions; the provider that runs them, the CPU if any of them runs there; and a sentence that explains
        the choice, empty if it needs none.

    Raises:
        GraphError: a file is broken, or CUDA was requested and is not available.
    """
    if threads is not None and (not isinstance(threads, int) or threads < 1):
        raise GraphError(f"threads is {threads!r}; expected a number of at least 1, or None.")
    providers, note = choose_providers(device)
    opened = [_open_session(graph, providers, threads) for graph in graphs]
    sessions = [session for session, _ in opened]
    on_cpu = [
        path_of(graph).name
        for graph, session in zip(graphs, sessions, strict=True)
        if session.get_providers()[0] != providers[0]
    ]
    if not on_cpu:
        return sessions, providers[0], note
    why = next((error for _, error in opened if error), "its CUDA libraries or memory were missing")
    if device == "cuda":
        raise GraphError(
            f"CUDA was requested, but onnxruntime runs {', '.join(on_cpu)} on {CPU}: {why}. "
            "Install onnxruntime-gpu[cuda,cudnn], or use device='cpu'. `mam doctor` lists the details."
        )
    note = f"There is an NVIDIA driver, but CUDA could not be used ({why}); running {', '.join(on_cpu)} on {CPU}."
    return sessions, CPU, note


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


def run_options() -> ort.RunOptions:
    """Return the options of every run: free memory afterwards, which halves a process's size for 10% of the time."""
    options = onnxruntime().RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def path_of(graph: Path | GraphInMemory) -> Path:
    """Return the ONNX file that a graph is, or was made from."""
    return graph.path if isinstance(graph, GraphInMemory) else graph


def _open_session(
    graph: Path | GraphInMemory, providers: list[str], threads: int | None
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
    try:
        with_options = [(name, _PROVIDER_OPTIONS[name]) for name in providers]
        return ort.InferenceSession(model, options, providers=with_options), ""
    except Exception as error:  # onnxruntime raises a dozen types of its own, and RuntimeError
        if len(providers) > 1:
            session, _ = _open_session(graph, providers[1:], threads)
            return session, str(error).strip()
        raise GraphError(
            f"{path_of(graph)} cannot be loaded ({error}); it may be incomplete: export or download it again."
        ) from error
