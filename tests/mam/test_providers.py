"""Execution providers: the requested one is used, or the reason is given."""

import os
import subprocess
import sys
from pathlib import Path

import onnxruntime as ort
import pytest

from mam import GraphError, providers
from mam.providers import CPU, CUDA
from mam.runtime import load_graphs
from tests.conftest import EXAMPLES, ROOT


@pytest.fixture
def with_cuda(monkeypatch):
    """A driver and a build for CUDA; every CUDA session fails or falls back to the CPU."""
    steps = []
    real = ort.InferenceSession

    def install(error: str = "") -> list[str]:
        def session(path, options, providers):
            steps.append(providers[0][0])
            if error and providers[0][0] == CUDA:
                raise RuntimeError(error)
            return real(path, options, providers=[(CPU, {})])

        monkeypatch.setattr(providers, "cuda_driver", lambda: "libcuda.so.1")
        monkeypatch.setattr(ort, "get_available_providers", lambda: [CUDA, CPU])
        monkeypatch.setattr(ort, "preload_dlls", lambda: steps.append("libraries"))
        monkeypatch.setattr(ort, "InferenceSession", session)
        return steps

    return install


def test_cuda_without_a_driver_is_an_error_if_requested_and_a_note_otherwise(graphs_folder, monkeypatch) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(providers, "cuda_driver", lambda: None)
    with pytest.raises(GraphError, match="CUDA was requested, but there is no NVIDIA driver"):
        load_graphs(graphs_folder, "cuda")
    assert load_graphs(graphs_folder, "auto").note == ""  # nothing is missing


def test_cuda_without_a_build_for_it(graphs_folder, monkeypatch) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CPU])
    with pytest.raises(GraphError, match="built without CUDA"):
        load_graphs(graphs_folder, "cuda")


def test_a_silent_fallback_to_the_cpu_is_reported(graphs_folder, with_cuda) -> None:
    with_cuda()
    fallen = "image_encoder.onnx, mask_decoder.onnx, matte.onnx on CPUExecutionProvider"
    with pytest.raises(GraphError, match=f"runs {fallen}"):
        load_graphs(graphs_folder, "cuda")
    graphs = load_graphs(graphs_folder, "auto")
    assert graphs.provider == CPU
    assert "CUDA could not be used (" in graphs.note and f"; running {fallen}" in graphs.note


def test_the_reason_of_a_failure_is_passed_on(graphs_folder, with_cuda) -> None:
    with_cuda("CUDA failure 35: driver too old")
    assert "CUDA failure 35: driver too old" in load_graphs(graphs_folder, "auto").note
    with pytest.raises(GraphError, match="CUDA failure 35: driver too old"):
        load_graphs(graphs_folder, "cuda")


def test_cuda_libraries_are_loaded_before_the_first_session(graphs_folder, with_cuda) -> None:
    steps = with_cuda()
    load_graphs(graphs_folder, "auto")
    assert steps == ["libraries", CUDA, CUDA, CUDA]


def test_a_driver_counts_if_the_loader_finds_it(monkeypatch) -> None:
    def load(name: str) -> None:
        if name != "libcuda.so.1":
            raise OSError("no such library")

    monkeypatch.setattr(providers.ctypes, "CDLL", load)
    assert providers.cuda_driver() == "libcuda.so.1"
    monkeypatch.setattr(providers.ctypes, "CDLL", lambda name: load(""))
    assert providers.cuda_driver() is None


def test_onnxruntime_collects_no_usage_data(tmp_path) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")}
    script = "from mam import Matting; Matting.load(device='cpu')"
    subprocess.run([sys.executable, "-c", script], check=True, env={**environment, "HOME": str(tmp_path)})
    assert not list(tmp_path.rglob("*onnxruntime*"))


def test_unknown_device(graphs_folder) -> None:
    with pytest.raises(GraphError, match="expected 'auto', 'cpu' or 'cuda'"):
        load_graphs(graphs_folder, "gpu")


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({"/sys/fs/cgroup/cpu.max": "max 100000"}, None),
        ({"/sys/fs/cgroup/cpu.max": "150000 100000"}, 2),
        ({"/sys/fs/cgroup/cpu.max": "3200000 100000"}, None),  # more than the machine has
        ({"/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, 1),
        ({"/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, None),
        ({"/sys/fs/cgroup/cpu.max": "garbage"}, None),
        ({}, None),
    ],
)
def test_threads_follow_a_containers_quota(files, cpus, monkeypatch) -> None:
    def read(path: Path) -> str:
        if str(path) not in files:
            raise FileNotFoundError(path)
        return files[str(path)]

    monkeypatch.setattr(providers.Path, "read_text", read)
    monkeypatch.setattr(providers.os, "cpu_count", lambda: 8)
    assert providers.cpu_quota() == cpus


@pytest.mark.parametrize("threads", [0, -3, 1.5, "2"])
def test_a_wrong_number_of_threads_is_refused(graphs_folder, threads) -> None:
    with pytest.raises(GraphError, match="expected a number of at least 1"):
        load_graphs(graphs_folder, "cpu", threads)


def test_nothing_is_written_into_a_fresh_home(tmp_path, python) -> None:
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    environment = {k: v for k, v in os.environ.items() if k not in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")}
    environment |= {"HOME": str(home), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [python, "-m", "mam", "matte", str(EXAMPLES / "flower.jpg"), "-o", "flower.png"]
    subprocess.run(command, check=True, env=environment, cwd=work, capture_output=True)
    script = "import demo.app"  # imports onnxruntime too, which must not begin to collect anything
    subprocess.run([python, "-c", script], check=True, env=environment, cwd=work)
    assert not list(home.iterdir()) and [path.name for path in work.iterdir()] == ["flower.png"]
