"""Downloads from a local server that fails in various ways."""

from __future__ import annotations

import multiprocessing

import pytest

from mam import WeightsError, weights
from mam.weights import WeightFile, download
from tests.mam.file_server import DATA, NAME


def test_a_download_is_verified_and_cached(server, tmp_path) -> None:
    progress = []
    file = weights.fetch(NAME, lambda have, expected: progress.append((have, expected)))
    assert file == tmp_path / NAME == weights.verified_path(NAME) and file.read_bytes() == DATA
    assert progress[-1] == (len(DATA), len(DATA)) and len(progress) >= 3
    assert weights.fetch(NAME) == file and len(server.ranges) == 1
    assert not list(tmp_path.glob("*.partial*"))


@pytest.mark.parametrize("mode", ["cut", "busy"])
def test_an_interrupted_download_resumes(server, mode) -> None:
    server.mode = mode
    assert weights.fetch(NAME).read_bytes() == DATA
    assert len(server.ranges) == 2 and (mode == "busy" or server.ranges[1] == "bytes=1000000-")


def test_a_server_without_ranges_starts_over(server) -> None:
    server.mode = "no ranges"
    assert weights.fetch(NAME).read_bytes() == DATA and len(server.ranges) == 2


def test_a_partial_file_is_kept_after_the_last_attempt(server, tmp_path) -> None:
    server.mode = "always cut"
    with pytest.raises(WeightsError, match=r"could not be downloaded .* run the same command again to resume"):
        weights.fetch(NAME)
    assert (tmp_path / f"{NAME}.partial").stat().st_size == 50_000 and not (tmp_path / NAME).exists()
    server.mode = "good"
    assert weights.fetch(NAME).read_bytes() == DATA and server.ranges[-1] == "bytes=50000-"


def test_a_wrong_file_never_gets_the_final_name(server, tmp_path) -> None:
    server.mode = "other"
    with pytest.raises(WeightsError, match=r"expected .*it is damaged or another file"):
        weights.fetch(NAME)
    assert not list(tmp_path.glob(f"{NAME}*[!k]"))
    server.mode = "good"
    assert weights.fetch(NAME).read_bytes() == DATA


def test_a_complete_partial_file_is_accepted(server, tmp_path) -> None:
    (tmp_path / f"{NAME}.partial").write_bytes(DATA)
    assert weights.fetch(NAME).read_bytes() == DATA


def test_permanent_errors_are_not_retried(server, monkeypatch, tmp_path) -> None:
    server.mode = "missing"
    with pytest.raises(WeightsError, match="404"):
        weights.fetch(NAME)
    assert len(server.ranges) == 1
    server.mode = "good"
    monkeypatch.setattr(download.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 1000})())
    with pytest.raises(WeightsError, match="is full: 3 MB are needed, 0 MB are free"):
        weights.fetch(NAME)
    monkeypatch.setenv("MAM_OFFLINE", "1")
    with pytest.raises(WeightsError, match="MAM_OFFLINE forbids"):
        weights.fetch(NAME)


def test_a_mirror_is_used_by_file_name(server, monkeypatch) -> None:
    monkeypatch.setitem(weights.REGISTRY, NAME, WeightFile(NAME, "", "", "hf://nobody/nothing/x", len(DATA)))
    monkeypatch.setenv("MAM_MIRROR", f"http://127.0.0.1:{server.server_port}/")
    assert weights.fetch(NAME).read_bytes() == DATA


def _fetch(entry: WeightFile, answers) -> None:
    weights.REGISTRY[entry.name] = entry
    answers.put(weights.fetch(entry.name).read_bytes() == DATA)


def test_two_processes_download_once(server) -> None:
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    both = [context.Process(target=_fetch, args=(weights.REGISTRY[NAME], answers)) for _ in range(2)]
    for process in both:
        process.start()
    assert [answers.get(timeout=60) for _ in both] == [True, True]
    for process in both:
        process.join()
    assert len(server.ranges) == 1


def test_a_download_into_a_read_only_folder_is_refused(server, tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("MAM_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(WeightsError, match=r"is not writable .*set MAM_HOME"):
        weights.fetch(NAME)
