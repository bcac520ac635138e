"""A local server of one file that fails in various ways."""

from __future__ import annotations

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DATA = b"PK\x03\x04" + bytes(range(256)) * 12_000  # 3 MB that begin as a checkpoint does
SHA256 = hashlib.sha256(DATA).hexdigest()
NAME = "thing.pth"


class FileServer(ThreadingHTTPServer):
    """Serves DATA under any path; `mode` selects how it fails, `ranges` lists the Range header of every request.

    `etag` is that of the file; `page` is what a network's login page answers in its place, in mode "login".
    """

    mode, etag, content_type, page = "good", '"1"', "text/html", b"\n<!DOCTYPE html><p>Log in</p>"

    def __init__(self) -> None:
        self.ranges: list[str | None] = []
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server: FileServer = self.server
        server.ranges.append(self.headers.get("Range"))
        mode, first = server.mode, len(server.ranges) == 1
        if mode == "missing" or (mode == "busy" and first):
            return self.send_error(404 if mode == "missing" else 503)
        if mode == "login":
            self.send_response(200)
            self.send_header("Content-Type", server.content_type)
            self.send_header("Content-Length", str(len(server.page)))
            self.end_headers()
            self.wfile.write(server.page)
            return None
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        if mode == "no ranges":  # ignores the Range header
            start = 0
        if start >= len(DATA):
            return self.send_error(416)
        body = (
            DATA[start:]
            if mode not in ("other", "words")
            else (b"" if mode == "words" else DATA[:4]).ljust(len(DATA) - start, b"x")
        )
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", server.etag)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(DATA) - 1}/{len(DATA)}")
        self.end_headers()
        if (mode in ("cut", "no ranges") and first) or mode == "always cut":
            body = body[: 1_000_000 if mode != "always cut" else 10_000]
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass
