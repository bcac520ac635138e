"""Downloads from a local server that misbehaves in every way that was met or feared."""

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
    """Serves DATA as any path; `mood` selects how, `asked` is the Range of every request."""

    mood = "good"

    def __init__(self) -> None:
        self.asked: list[str | None] = []
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server: Server = self.server
        server.asked.append(self.headers.get("Range"))
        mood, first = server.mood, len(server.asked) == 1
        if mood == "missing" or (mood == "busy" and first):
            return self.send_error(404 if mood == "missing" else 503)
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        if mood == "forgetful":  # knows no ranges
            start = 0
        if start >= len(DATA):
            return self.send_error(416)
        body = DATA[start:] if mood != "other" else b"x" * (len(DATA) - start)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if (mood in ("cut", "forgetful") and first) or mood == "always cut":
            body = body[: 1_000_000 if mood != "always cut" else 10_000]
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture()
def server(monkeypatch, tmp_path):
    made = Server()
    address = f"http://127.0.0.1:{made.server_port}/{NAME}"
    entry = WeightFile(NAME, "a thing", "MIT", address, len(DATA), hashlib.sha256(DATA).hexdigest())
    monkeypatch.setitem(weights.REGISTRY, NAME, entry)
    monkeypatch.setenv("MAM_HOME", str(tmp_path))
    monkeypatch.setattr(download, "RETRY_DELAYS", (0, 0, 0, 0))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "MAM_OFFLINE", "MAM_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    yield made
    made.shutdown()
    made.server_close()


def test_a_download_is_checked_and_kept(server, tmp_path) -> None:
    seen = []
    file = weights.fetch(NAME, lambda have, expected: seen.append((have, expected)))
    assert file == tmp_path / NAME == weights.verified_path(NAME) and file.read_bytes() == DATA
    assert seen[-1] == (len(DATA), len(DATA)) and len(seen) >= 3
    assert weights.fetch(NAME) == file and len(server.asked) == 1
    assert not list(tmp_path.glob("*.partial*"))


@pytest.mark.parametrize("mood", ["cut", "busy"])
def test_a_broken_connection_is_taken_up_again(server, mood) -> None:
    server.mood = mood
    assert weights.fetch(NAME).read_bytes() == DATA
    assert len(server.asked) == 2 and (mood == "busy" or server.asked[1] == "bytes=1000000-")


def test_a_server_that_knows_no_ranges_starts_over(server) -> None:
    server.mood = "forgetful"
    assert weights.fetch(NAME).read_bytes() == DATA and len(server.asked) == 2


def test_what_came_is_kept_when_the_tries_are_used_up(server, tmp_path) -> None:
    server.mood = "always cut"
    with pytest.raises(WeightsError, match="could not be downloaded .* run the same command again to resume"):
        weights.fetch(NAME)
    assert (tmp_path / f"{NAME}.partial").stat().st_size == 50_000 and not (tmp_path / NAME).exists()
    server.mood = "good"
    assert weights.fetch(NAME).read_bytes() == DATA and server.asked[-1] == "bytes=50000-"


def test_another_file_than_published_never_gets_the_name(server, tmp_path) -> None:
    server.mood = "other"
    with pytest.raises(WeightsError, match="expected .*it is damaged or another file"):
        weights.fetch(NAME)
    assert not list(tmp_path.glob(f"{NAME}*[!k]"))
    server.mood = "good"
    assert weights.fetch(NAME).read_bytes() == DATA


def test_a_whole_partial_file_needs_nothing_more(server, tmp_path) -> None:
    (tmp_path / f"{NAME}.partial").write_bytes(DATA)
    assert weights.fetch(NAME).read_bytes() == DATA


def test_errors_that_no_try_can_mend(server, monkeypatch, tmp_path) -> None:
    server.mood = "missing"
    with pytest.raises(WeightsError, match="404"):
        weights.fetch(NAME)
    assert len(server.asked) == 1
    server.mood = "good"
    monkeypatch.setattr(download.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 1000})())
    with pytest.raises(WeightsError, match="is full: 3 MB are needed, 0 MB are free"):
        weights.fetch(NAME)
    monkeypatch.setenv("MAM_OFFLINE", "1")
    with pytest.raises(WeightsError, match="MAM_OFFLINE forbids"):
        weights.fetch(NAME)


def test_a_file_that_was_changed_is_noticed(server) -> None:
    file = weights.fetch(NAME)
    file.write_bytes(DATA[:-1])
    with pytest.raises(WeightsError, match="delete it and get it again"):
        weights.verified_path(NAME)


def test_a_mirror_is_asked_by_name(server, monkeypatch) -> None:
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
    assert len(server.asked) == 1


def test_what_only_a_person_can_fetch_says_what_to_do(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("MAM_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match="open https://drive.google.com.* download mam_vitl.pth and put it into"):
        weights.fetch("mam_vitl.pth")
    with pytest.raises(WeightsError, match="get it with `mam weights get sam_vit_b_01ec64.pth`"):
        weights.verified_path("sam_vit_b_01ec64.pth")
    with pytest.raises(WeightsError, match="there is no weight file 'vit'"):
        weights.fetch("vit")


def test_the_table_is_well_formed() -> None:
    for name, entry in weights.REGISTRY.items():
        assert (
            entry.name == name and entry.description and entry.licence and bool(entry.url) != bool(entry.manual_steps)
        )
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


def test_a_folder_that_cannot_be_written_to_can_still_be_read(server, monkeypatch) -> None:
    file = weights.fetch(NAME)
    cache.verification_record(file).unlink()
    real = type(file).write_text

    def refuse(path, *args, **options):
        if path.name.endswith(".checked"):
            raise OSError(30, "Read-only file system")
        return real(path, *args, **options)

    monkeypatch.setattr(type(file), "write_text", refuse)
    assert weights.verified_path(NAME) == file  # checked, though that cannot be remembered


def test_a_download_into_such_a_folder_says_what_to_do(server, tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("MAM_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(WeightsError, match="is not writable .*set MAM_HOME"):
        weights.fetch(NAME)
