"""Facts about the installation: versions, both builds of onnxruntime, and times."""

import importlib.metadata

import pytest

from mam import Matting, diagnostics
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


def test_a_package_that_is_not_installed_has_no_version(installed) -> None:
    installed["numpy"] = "2.1"
    versions = diagnostics.package_versions()
    assert versions["numpy"] == "2.1" and versions["torch"] is None
    assert tuple(versions) == diagnostics.PACKAGES


def test_two_builds_of_onnxruntime_are_a_conflict(installed) -> None:
    installed["onnxruntime"] = "1.21"
    assert diagnostics.onnxruntime_conflict() is None
    installed["onnxruntime-gpu"] = "1.21"
    assert "onnxruntime and onnxruntime-gpu share one module" in diagnostics.onnxruntime_conflict()


def test_the_times_of_both_steps_are_measured() -> None:
    timing = diagnostics.measure_scene(Matting(MockGraphs(0.05)))
    assert timing.encode >= 0.05 and timing.matte >= 0.05
