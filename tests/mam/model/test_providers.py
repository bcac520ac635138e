"""Execution providers: the requested one is used, or the reason is given."""

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime as ort
import pytest

from mam import GraphError, Matting
from mam.model import providers
from mam.model.providers import CPU, CUDA, PROVIDERS
from mam.model.runtime import load_graphs
from tests.conftest import EXAMPLES, FLOWER_BOX, ROOT


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
    with pytest.raises(GraphError, match="device 'cuda' was requested, but there is no NVIDIA driver"):
        load_graphs(graphs_folder, "cuda")
    assert load_graphs(graphs_folder, "auto").note == ""  # nothing is missing


def test_a_silent_fallback_to_the_cpu_is_reported(graphs_folder, with_cuda) -> None:
    with_cuda()
    fallen = "image_encoder.onnx, mask_decoder.onnx, matte.onnx on CPUExecutionProvider"
    with pytest.raises(GraphError, match=f"is running {fallen}"):
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


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "cpu:1", "openvino:0", "", "CUDA"])
def test_unknown_device(graphs_folder, device) -> None:
    with pytest.raises(GraphError, match="expected 'auto', 'cpu', 'cuda'"):
        load_graphs(graphs_folder, device)


@pytest.fixture
def every_build(monkeypatch):
    """All providers and a driver; sessions record the providers that were asked for, and run on the CPU."""
    asked: list[list[tuple[str, dict[str, str]]]] = []
    real = ort.InferenceSession

    class Session:
        def __init__(self, path, options, providers) -> None:
            asked.append(providers)
            self.session = real(path, options, providers=[CPU])

        def get_providers(self) -> list[str]:
            return [name for name, _ in asked[-1]]

        def __getattr__(self, name):
            return getattr(self.session, name)

    monkeypatch.setattr(providers, "cuda_driver", lambda: "libcuda.so.1")
    monkeypatch.setattr(ort, "get_available_providers", lambda: [entry.name for entry in PROVIDERS.values()])
    monkeypatch.setattr(ort, "preload_dlls", lambda: None)
    monkeypatch.setattr(ort, "InferenceSession", Session)
    return asked


@pytest.mark.parametrize("name", PROVIDERS)
def test_each_device_asks_for_its_own_provider_and_says_so(name, graphs_folder, every_build) -> None:
    graphs = load_graphs(graphs_folder, name)
    assert graphs.provider == PROVIDERS[name].name and graphs.note == ""
    for asked in every_build:
        assert asked[0][0] == PROVIDERS[name].name and asked[-1][0] == CPU
        assert asked[0][1].items() >= PROVIDERS[name].options.items()


def test_the_second_gpu_computes_without_tf32(graphs_folder, every_build) -> None:
    load_graphs(graphs_folder, "cuda:1")
    for (name, options), _ in every_build:
        assert name == CUDA and options["device_id"] == "1" and options["use_tf32"] == "0"


def test_openvino_computes_in_float32_with_the_requested_threads(graphs_folder, every_build) -> None:
    load_graphs(graphs_folder, "openvino", 3)
    assert every_build[0][0][1] == {"device_type": "CPU", "precision": "ACCURACY", "num_of_threads": "3"}


@pytest.mark.parametrize("name", [name for name in PROVIDERS if name != "cpu"])
def test_a_device_that_is_missing_is_an_error_with_what_to_install(name, graphs_folder, monkeypatch) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CPU])
    with pytest.raises(GraphError, match=f"device {name!r} was requested") as error:
        load_graphs(graphs_folder, name)
    assert PROVIDERS[name].install in str(error.value)


@pytest.mark.skipif(
    PROVIDERS["openvino"].name not in ort.get_available_providers(), reason="needs pip install onnxruntime-openvino"
)
def test_openvino_gives_the_same_mattes() -> None:
    alphas = {}
    for device in ("cpu", "openvino"):
        matting = Matting.load(device=device)
        assert matting.graphs.provider == PROVIDERS[device].name
        alphas[device] = matting.open(EXAMPLES / "flower.jpg").matte(box=FLOWER_BOX).alpha
    differs = np.abs(alphas["openvino"] - alphas["cpu"])
    # Sums are in another order; where that flips a threshold of refinement, a single pixel may differ more.
    assert (differs > 1 / 255).mean() < 1e-4 and differs.mean() < 1e-5
    assert PROVIDERS["openvino"].name in providers.count_nodes(matting.graphs.sessions["matte"])


def test_nodes_are_counted_by_provider(graphs_folder) -> None:
    def part(provider: str, nodes: int) -> SimpleNamespace:
        return SimpleNamespace(ep_name=provider, get_nodes=lambda: [None] * nodes)

    parts = [part(CUDA, 5), part(CPU, 1), part(CUDA, 7)]
    session = SimpleNamespace(get_provider_graph_assignment_info=lambda: parts)
    assert providers.count_nodes(session) == {CUDA: 12, CPU: 1}
    assert providers.count_nodes(load_graphs(graphs_folder, "cpu").sessions["matte"]) == {}
    assert providers.count_nodes(SimpleNamespace()) == {}  # onnxruntime before 1.24


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


@pytest.mark.slow
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
