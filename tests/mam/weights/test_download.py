"""Downloads from a local server that fails in various ways."""

from __future__ import annotations

import multiprocessing
import sys
import threading
import time

import pytest
from filelock import FileLock

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


def test_a_file_that_is_no_checkpoint_is_refused_by_its_first_bytes(server) -> None:
    server.mode = "words"
    with pytest.raises(WeightsError, match=r"is another file than thing.pth: it begins with b'xxxxxxxx'"):
        weights.fetch(NAME)


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


@pytest.mark.parametrize(
    ("content_type", "page"),
    [
        ("text/html; charset=utf-8", b"Log in"),
        ("application/octet-stream", b"\xef\xbb\xbf\n<!DOCTYPE html><p>Log in</p>"),
        ("application/json", b'{"error": "payment required"}'),
        ("text/plain", b"<html>"),
        ("application/octet-stream", b"another file"),
    ],
)
def test_a_login_page_is_no_part_of_a_file(server, tmp_path, content_type, page) -> None:
    server.mode = "always cut"
    with pytest.raises(WeightsError):
        weights.fetch(NAME)
    server.mode, server.content_type, server.page = "login", content_type, page
    with pytest.raises(
        WeightsError, match=r"in place of thing.pth: perhaps this network|is another file than thing.pth"
    ):
        weights.fetch(NAME)
    assert (tmp_path / f"{NAME}.partial").read_bytes() == DATA[:50_000]
    server.mode = "good"
    assert weights.fetch(NAME).read_bytes() == DATA and server.ranges[-1] == "bytes=50000-"


def test_a_page_that_was_kept_as_the_beginning_of_a_file_is_dropped(server, tmp_path) -> None:
    (tmp_path / f"{NAME}.partial").write_bytes(b"<!doctype html><p>Log in</p>")
    assert weights.fetch(NAME).read_bytes() == DATA and server.ranges == [None]


def test_parts_of_two_versions_of_a_file_are_not_joined(server) -> None:
    server.mode = "always cut"
    with pytest.raises(WeightsError):
        weights.fetch(NAME)
    server.mode, server.etag = "good", '"2"'
    assert weights.fetch(NAME).read_bytes() == DATA and server.ranges[-2:] == ["bytes=50000-", None]


@pytest.mark.parametrize("name", ["ALL_PROXY", "http_proxy"])
@pytest.mark.parametrize("proxy", ["socks://127.0.0.1:9", "socks4://127.0.0.1:9", "ftp://127.0.0.1:9", "http://a:b:c"])
def test_a_proxy_that_cannot_be_used_is_named(server, monkeypatch, name, proxy) -> None:
    for other in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, proxy)
    with pytest.raises(WeightsError, match=rf'a proxy in {name} cannot be used .*pip install "httpx\[socks\]"'):
        weights.fetch(NAME)


def test_a_socks_proxy_without_its_package_names_it(server, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    with pytest.raises(WeightsError, match=r'pip install "httpx\[socks\]"'):
        weights.fetch(NAME)


def test_waiting_for_another_process_is_reported_once(server, tmp_path, caplog) -> None:
    locked = threading.Event()

    def hold() -> None:
        with FileLock(tmp_path / f"{NAME}.lock"):
            locked.set()
            time.sleep(1)

    threading.Thread(target=hold).start()
    locked.wait()
    assert weights.fetch(NAME).read_bytes() == DATA
    assert [record.getMessage().partition(" (")[0] for record in caplog.records if "mam" in record.name] == [
        f"Waiting for another process that downloads or prepares {NAME}"
    ]


def _fetch(entry: WeightFile, answers) -> None:
    weights.REGISTRY[entry.name] = entry
    answers.put(weights.fetch(entry.name).read_bytes() == DATA)


@pytest.mark.slow
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
