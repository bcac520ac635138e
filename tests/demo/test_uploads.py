"""Where uploads are kept, and how much of the disk one client may fill."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest
from gradio import routes
from starlette.requests import ClientDisconnect, Request
from starlette.testclient import TestClient

from demo import uploads

MB = 1_000_000


@pytest.fixture()
def upload(monkeypatch, tmp_path):
    """Upload a file of some MB to a page whose disk has 40 MB left."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(uploads.shutil, "disk_usage", lambda _: SimpleNamespace(free=40 * MB))
    monkeypatch.setattr(routes, "upload_fn", routes.upload_fn)
    uploads.limit_uploads()
    page = gr.Blocks()
    page.max_file_size = None  # as `launch` sets it
    client = TestClient(routes.App.create_app(page), "http://localhost")

    def post(megabytes: int, name: str = "files", address: str = "203.0.113.1"):
        client._transport.client = (address, 1)
        files = {name: ("photo.png", bytes(megabytes * MB))}
        return client.post("/gradio_api/upload", files=files)

    return post


def test_new_uploads_take_the_place_of_old_ones_of_the_same_client(upload) -> None:
    other = Path(upload(5, address="203.0.113.2").json()[0])
    first, *_, last = (Path(upload(5).json()[0]) for _ in range(5))
    assert other.stat().st_size == last.stat().st_size == 5 * MB and not first.exists()
    assert first.name == last.name and uploads.uploaded_file(str(last)) == last


@pytest.mark.parametrize("megabytes, name, status", [(30, "files", 413), (2, "other", 200)])
def test_nothing_stays_of_uploads_that_cannot_be_used(upload, tmp_path, megabytes, name, status) -> None:
    answer = upload(megabytes, name)
    assert answer.status_code == status and ("room for 1" in answer.text) == (status == 413)
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_nothing_stays_of_an_interrupted_upload(upload, tmp_path) -> None:
    begin = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n' + bytes(MB)
    messages = [{"type": "http.request", "body": begin, "more_body": True}, {"type": "http.disconnect"}]

    async def receive():
        return messages.pop(0)

    headers = [(b"content-type", b"multipart/form-data; boundary=x")]
    request = Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)
    arriving = routes.upload_fn(request, str(tmp_path), float("inf"), None)
    with ThreadPoolExecutor() as threads, pytest.raises(ClientDisconnect):
        threads.submit(asyncio.run, arriving).result()  # the browser tests have a running loop in this thread
    assert not messages and not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_a_link_out_of_the_folder_is_no_upload(upload, tmp_path) -> None:
    (tmp_path / "link.png").symlink_to("/etc/passwd")
    assert uploads.uploaded_file(str(tmp_path / "link.png")) is None
