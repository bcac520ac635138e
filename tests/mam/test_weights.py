"""Downloads from a local server that fails in various ways."""

from __future__ import annotations

import hashlib
import multiprocessing
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mam import WeightsError, weights
from mam.weights import WeightFile, cache, download

DATA = bytes(range(256)) * 12_000  # 3 MB
NAME = "thing.pth"


class Server(ThreadingHTTPServer):
    """Serves DATA under any path; `mode` selects how it fails, `ranges` lists the Range header of every request."""

    mode = "good"

    def __init__(self) -> None:
        self.ranges: list[str | None] = []
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server: Server = self.server
        server.ranges.append(self.headers.get("Range"))
        mode, first = server.mode, len(server.ranges) == 1
        if mode == "missing" or (mode == "busy" and first):
            return self.send_error(404 if mode == "missing" else 503)
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        if mode == "no ranges":  # ignores the Range header
            start = 0
        if start >= len(DATA):
            return self.send_error(416)
        body = DATA[start:] if mode != "other" else b"x" * (len(DATA) - start)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if (mode in ("cut", "no ranges") and first) or mode == "always cut":
            body = body[: 1_000_000 if mode != "always cut" else 10_000]
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture()
def server(monkeypatch, tmp_path):
    running = Server()
    address = f"http://127.0.0.1:{running.server_port}/{NAME}"
    entry = WeightFile(NAME, "a thing", "MIT", address, len(DATA), hashlib.sha256(DATA).hexdigest())
    monkeypatch.setitem(weights.REGISTRY, NAME, entry)
    monkeypatch.setenv("MAM_HOME", str(tmp_path))
    monkeypatch.setattr(download, "RETRY_DELAYS", (0, 0, 0, 0))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "MAM_OFFLINE", "MAM_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    yield running
    running.shutdown()
    running.server_close()


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


def test_a_changed_file_is_refused(server) -> None:
    file = weights.fetch(NAME)
    file.write_bytes(DATA[:-1])
    with pytest.raises(WeightsError, match="delete it and get it again"):
        weights.verified_path(NAME)


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


def test_errors_explain_how_to_get_files_by_hand(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("MAM_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match=r"open https://drive\.google\.com.* download mam_vitl\.pth and put it into"):
        weights.fetch("mam_vitl.pth")
    with pytest.raises(WeightsError, match=r"get it with `mam weights get sam_vit_b_01ec64\.pth`"):
        weights.verified_path("sam_vit_b_01ec64.pth")
    with pytest.raises(WeightsError, match="there is no weight file 'vit'"):
        weights.fetch("vit")


def test_the_registry_is_well_formed() -> None:
    for name, entry in weights.REGISTRY.items():
        assert entry.name == name and entry.description and entry.licence
        assert bool(entry.url) != bool(entry.manual_steps)
        assert len(entry.sha256) in (0, 64) and (entry.manual_steps or entry.url.startswith(("https://", "hf://")))


def test_on_the_command_line(server, tmp_path, capsys) -> None:
    from mam.cli import main

    assert main(["weights", "list"]) == 0
    assert "sam_vit_h_4b8939.pth" in (printed := capsys.readouterr().out) and f"{NAME:32} to get" in printed
    assert main(["weights", "path", NAME]) == 1
    assert "mam weights get" in capsys.readouterr().err
    assert main(["weights", "get", NAME]) == 0 and str(tmp_path / NAME) in capsys.readouterr().out
    assert main(["weights", "verify"]) == 0 and "verified" in capsys.readouterr().out
    (tmp_path / NAME).write_bytes(b"x")
    assert main(["weights", "verify"]) == 1
    assert main(["weights", "get"]) == 1


def test_files_in_a_read_only_folder_can_be_used(server, monkeypatch) -> None:
    file = weights.fetch(NAME)
    cache.verification_record(file).unlink()
    real = type(file).write_text

    def refuse(path, *args, **options):
        if path.name.endswith(".checked"):
            raise OSError(30, "Read-only file system")
        return real(path, *args, **options)

    monkeypatch.setattr(type(file), "write_text", refuse)
    assert weights.verified_path(NAME) == file  # verified, although the check cannot be recorded


def test_a_download_into_a_read_only_folder_is_refused(server, tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("MAM_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(WeightsError, match=r"is not writable .*set MAM_HOME"):
        weights.fetch(NAME)
