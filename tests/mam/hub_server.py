"""A local server that huggingface_hub itself accepts as the Hugging Face hub.

The hub redirects to another host for large files, gives reasons in X-Error-Message, and returns 401 for repositories
that do not exist.
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from mam.weights import WeightFile
from tests.mam.file_server import DATA, SHA256

TOKEN = "hf_secret"
COMMIT = "12bdfa3120f3e7ec7b434d90674b3396eccf88eb"
MODEL = WeightFile(
    "mam.pth", "a cut-out", "MIT", f"hf://conrevo/Segment-Anything-A1111@{COMMIT}/mam.pth", len(DATA), SHA256
)
SPACE = WeightFile(
    "both.pth", "both", "MIT", "hf://spaces/shi-labs/Matting-Anything/checkpoints/mam_sam_vitb.pth", 0, SHA256
)
GATED = WeightFile("gated.pth", "gated", "MIT", "hf://owner/gated/model.pth", len(DATA), SHA256)
FILES = (
    f"/conrevo/Segment-Anything-A1111/resolve/{COMMIT}/mam.pth",
    "/spaces/shi-labs/Matting-Anything/resolve/main/checkpoints/mam_sam_vitb.pth",
    "/owner/gated/resolve/main/model.pth",
    "/dhkim2810/MobileSAM/resolve/main/mobile_sam.pt",
)


class Hub(ThreadingHTTPServer):
    """A local hub.

    Attributes:
        data: the content of every file.
        breaks: number of bytes after which connections close, or None.
        expired: a token that is refused, also for public files; or None.
        seen: (host, path, Range, Authorization) of every GET request.
    """

    data, breaks, expired = DATA, None, None

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str | None, str | None]] = []
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
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
        if self.server.expired and token == f"Bearer {self.server.expired}":
            return self.refuse(401, "", "Invalid credentials in Authorization header")
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
