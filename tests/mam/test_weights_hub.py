"""Downloads from the Hugging Face hub, played by a local server that huggingface_hub itself accepts as the hub.

The hub redirects to another host for large files, gives reasons in X-Error-Message, and returns 401 for repositories
that do not exist.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mam import WeightsError, weights
from mam.weights import WeightFile, download

ROOT = Path(__file__).parents[2]
DATA = bytes(range(256)) * 12_000  # 3 MB
SHA256 = hashlib.sha256(DATA).hexdigest()
TOKEN = "hf_secret"
MODEL = WeightFile("mam.pth", "a cut-out", "MIT", "hf://conrevo/Segment-Anything-A1111/mam.pth", len(DATA), SHA256)
SPACE = WeightFile(
    "both.pth", "both", "MIT", "hf://spaces/shi-labs/Matting-Anything/checkpoints/mam_sam_vitb.pth", 0, SHA256
)
GATED = WeightFile("gated.pth", "gated", "MIT", "hf://owner/gated/model.pth", len(DATA), SHA256)
FILES = (
    "/conrevo/Segment-Anything-A1111/resolve/main/mam.pth",
    "/spaces/shi-labs/Matting-Anything/resolve/main/checkpoints/mam_sam_vitb.pth",
    "/owner/gated/resolve/main/model.pth",
)


class Hub(ThreadingHTTPServer):
    """A local hub.

    Attributes:
        data: the content of every file.
        breaks: number of bytes after which connections close, or None.
        seen: (host, path, Range, Authorization) of every GET request.
    """

    data, breaks = DATA, None

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str | None, str | None]] = []
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        host = self.headers["Host"].partition(":")[0]
        self.server.seen.append((host, self.path, self.headers.get("Range"), self.headers.get("Authorization")))
        self.answer(with_body=True)

    def answer(self, with_body: bool) -> None:
        if self.path.startswith("/cdn/"):
            return self.send_file(with_body)
        token = self.headers.get("Authorization")
        if self.path.startswith("/owner/gated/"):
            if token is None:
                return self.refuse(401, "GatedRepo", "Access to model owner/gated is restricted. Please log in.")
            if token != f"Bearer {TOKEN}":
                return self.refuse(
                    403, "GatedRepo", "Access to model owner/gated is restricted and you are not in the list."
                )
        if self.path not in FILES:
            known = self.path.startswith(tuple(file.partition("resolve")[0] for file in FILES))
            return (
                self.refuse(404, "EntryNotFound", "Entry not found")
                if known
                else self.refuse(401, "RepoNotFound", "Repository not found")
            )
        self.send_response(302)
        self.send_header("Location", f"http://localhost:{self.server.server_port}/cdn/{SHA256}?signature=1")
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("X-Linked-Etag", f'"{SHA256}"')
        self.send_header("X-Linked-Size", str(len(DATA)))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send_file(self, with_body: bool) -> None:
        data = self.server.data
        start = int((self.headers.get("Range") or "bytes=0-")[6:].split("-")[0])
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.send_header("ETag", f'"{SHA256}"')
        self.end_headers()
        if with_body:
            end = None if self.server.breaks is None else start + self.server.breaks
            self.wfile.write(data[start:end])

    def refuse(self, status: int, code: str, message: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", message)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture()
def hub(monkeypatch, tmp_path):
    from huggingface_hub import constants

    running = Hub()
    for entry in (MODEL, SPACE, GATED):
        monkeypatch.setitem(weights.REGISTRY, entry.name, entry)
    # huggingface_hub reads the environment when it is imported; processes that tests start import it anew.
    monkeypatch.setattr(constants, "ENDPOINT", running.endpoint)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", running.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setenv("HF_ENDPOINT", running.endpoint)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    monkeypatch.setenv("MAM_HOME", str(tmp_path / "mam"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setattr(download, "RETRY_DELAYS", (0, 0, 0, 0))
    for name in ("MAM_OFFLINE", "MAM_MIRROR", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    yield running
    running.shutdown()
    running.server_close()


def test_huggingface_hub_accepts_the_local_server(hub, tmp_path) -> None:
    from huggingface_hub import get_hf_file_metadata, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, RepositoryNotFoundError

    downloaded = hf_hub_download("conrevo/Segment-Anything-A1111", "mam.pth", local_dir=tmp_path / "theirs")
    assert Path(downloaded).read_bytes() == DATA
    answers = {
        "/nobody/nothing/resolve/main/x": RepositoryNotFoundError,
        FILES[0] + "x": EntryNotFoundError,
        FILES[2]: GatedRepoError,
    }
    for path, error in answers.items():
        with pytest.raises(error):
            get_hf_file_metadata(hub.endpoint + path)


@pytest.mark.parametrize("entry", [MODEL, SPACE], ids=["of a model", "of a Space"])
def test_a_file_is_downloaded_and_verified_with_progress(hub, tmp_path, entry) -> None:
    progress = []
    file = weights.fetch(entry.name, lambda have, expected: progress.append((have, expected)))
    assert file == tmp_path / "mam" / entry.name == weights.verified_path(entry.name) and file.read_bytes() == DATA
    assert progress[-1] == (len(DATA), len(DATA)) and len(progress) >= 3 and progress == sorted(progress)
    assert [(host, path.split("?")[0]) for host, path, *_ in hub.seen] == [
        ("127.0.0.1", FILES[0] if entry is MODEL else FILES[1]),
        ("localhost", f"/cdn/{SHA256}"),
    ]
    assert {path.name for path in file.parent.iterdir()} == {entry.name, f"{entry.name}.checked", f"{entry.name}.lock"}
    assert weights.fetch(entry.name) == file and len(hub.seen) == 2


def test_an_interrupted_download_resumes_in_a_later_call(hub, tmp_path) -> None:
    hub.breaks = 100_000
    with pytest.raises(
        WeightsError,
        match=r"could not be downloaded .*; the part that arrived is kept, so run the same command again to resume",
    ):
        weights.fetch(SPACE.name)
    assert (tmp_path / "mam" / f"{SPACE.name}.partial").stat().st_size == 500_000  # five attempts
    hub.breaks = None
    assert weights.fetch(SPACE.name).read_bytes() == DATA
    assert hub.seen[-1][2] == "bytes=500000-"


def test_a_wrong_file_is_refused(hub, tmp_path) -> None:
    hub.data = DATA[:-1] + b"x"
    with pytest.raises(WeightsError, match=f"expected {SHA256}: it is damaged or another file"):
        weights.fetch(MODEL.name)
    assert not (tmp_path / "mam" / MODEL.name).exists() and not list((tmp_path / "mam").glob("*.partial"))


def test_the_token_is_sent_to_the_hub_only(hub, monkeypatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert weights.fetch(GATED.name).read_bytes() == DATA
    assert [(host, token) for host, _, _, token in hub.seen] == [("127.0.0.1", f"Bearer {TOKEN}"), ("localhost", None)]


@pytest.mark.parametrize(
    ("address", "token", "message"),
    [
        (
            "hf://owner/gated/model.pth",
            None,
            r"401 Unauthorized: Access to model owner/gated is restricted.*`hf auth login` or HF_TOKEN",
        ),
        ("hf://owner/gated/model.pth", "hf_stranger", r"403 Forbidden: .*not in the list.*accept the conditions"),
        ("hf://nobody/nothing/x.pth", None, r"401 Unauthorized: Repository not found"),
        (
            "hf://conrevo/Segment-Anything-A1111/gone.pth",
            None,
            r"404 Not Found: Entry not found\); get the file elsewhere and put it into",
        ),
    ],
    ids=["gated, no token", "gated, other token", "no repository", "no file"],
)
def test_a_refusal_is_an_error_of_one_line_without_retries(hub, monkeypatch, address, token, message) -> None:
    monkeypatch.setitem(weights.REGISTRY, "x.pth", WeightFile("x.pth", "x", "MIT", address))
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(WeightsError, match=message) as error:
        weights.fetch("x.pth")
    assert "\n" not in str(error.value) and len(hub.seen) == 1


def test_offline_mode_sends_no_request(hub, monkeypatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE forbids downloads"):
        weights.fetch(MODEL.name)
    monkeypatch.setenv("MAM_OFFLINE", "1")
    with pytest.raises(WeightsError, match="MAM_OFFLINE forbids downloads"):
        weights.fetch(MODEL.name)
    assert not hub.seen


def test_an_unreachable_hub_is_an_error(hub, monkeypatch) -> None:
    hub.shutdown()
    hub.server_close()
    with pytest.raises(WeightsError, match=r"could not be downloaded from http://127.0.0.1:\d+/conrevo/.*ConnectError"):
        weights.fetch(MODEL.name)


def _fetch(entry: WeightFile, answers) -> None:
    weights.REGISTRY[entry.name] = entry
    answers.put(weights.fetch(entry.name).read_bytes() == DATA)


def test_two_processes_download_once(hub) -> None:
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    both = [context.Process(target=_fetch, args=(SPACE, answers)) for _ in range(2)]
    for process in both:
        process.start()
    assert [answers.get(timeout=60) for _ in both] == [True, True]
    for process in both:
        process.join()
    assert len(hub.seen) == 2  # the hub and the host that it redirects to


def test_the_command_shows_progress_and_an_error_of_one_line(hub, python, tmp_path) -> None:
    command = [python, "-m", "mam", "weights", "get", "mam_sam_vitb.pth"]  # the real entry, so the SHA-256 differs
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=os.environ)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "mam_sam_vitb.pth: 100%" in done.stderr and "3.07M/3.07M" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("mam: ") and "it is damaged or another file" in done.stderr
    assert hub.seen[0][1] == FILES[1]
