"""`mam doctor`: versions, both builds of onnxruntime, times, and the report on this machine."""

import importlib.metadata

import pytest

from mam import Matting
from mam.cli import doctor, main
from tests.mock_graphs import MockGraphs


@pytest.fixture
def installed(monkeypatch) -> dict[str, str]:
    """Versions by package, in place of those of this machine."""
    versions: dict[str, str] = {}

    def version(package: str) -> str:
        if package not in versions:
            raise importlib.metadata.PackageNotFoundError(package)
        return versions[package]

    monkeypatch.setattr(importlib.metadata, "version", version)
    return versions


def test_two_builds_of_onnxruntime_are_a_conflict(installed) -> None:
    installed["onnxruntime"] = "1.21"
    assert doctor.onnxruntime_conflict() is None
    installed["onnxruntime-gpu"] = "1.21"
    assert "onnxruntime and onnxruntime-gpu share one module" in doctor.onnxruntime_conflict()


def test_the_times_of_both_steps_are_measured() -> None:
    encode, matte = doctor.measure_scene(Matting(MockGraphs(0.05)))
    assert encode >= 0.05 and matte >= 0.05


@pytest.mark.slow
def test_doctor_reports_model_and_device(capsys) -> None:
    assert main(["doctor", "--device", "cpu"]) == 0
    printed = capsys.readouterr().out
    assert "model tiny" in printed and "device cpu, runs on CPUExecutionProvider" in printed
    assert "NVIDIA driver" in printed and "prompt to alpha" in printed
