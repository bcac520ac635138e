"""rembg's and remove.bg's routes on a mock model, whose main object is a disc: what comes back, and what is refused."""

import asyncio
import base64
import contextlib
import io
import json
import logging
import threading
import zipfile
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.middleware import Middleware

from mam import Matting
from mam.model.contract import InferencePolicy
from mam.serve import routes
from mam.serve.guard import MOST_BYTES, Guard, known_hosts
from mam.serve.limits import MOST_WAITING, SHARE, Busy, RequestQueue
from mam.serve.routes import KEY, Routes
from tests.mock_graphs import MockGraphs
from tests.pictures import encode

REMBG, REMOVEBG = "/api/remove", "/v1.0/removebg"
Send = Callable[..., httpx.Response]


class MainObject(MockGraphs):
    """Its main object is a disc in the middle of an image of 4:3."""

    policy = InferencePolicy(main_object=True)

    def decode(self, features, coords, labels, *mask):
        if (labels < 0).all():
            coords, labels = np.float32([[[512, 384]]]), np.float32([[1]])
        return super().decode(features, coords, labels, *mask)


@pytest.fixture(scope="module")
def served() -> Starlette:
    matting = Matting(MainObject(), max_pixels=500_000)
    return Starlette(routes=Routes(lambda: matting).all(), middleware=[Middleware(Guard, hosts=known_hosts())])


@pytest.fixture()
def send(served) -> Send:
    """Send one request; the method is POST unless the path is all there is."""

    def call(path: str, **options) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(served)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return await client.request("POST" if options else "GET", path, **options)

        return run(ask())

    return call


def run(coroutine: Coroutine) -> Any:
    """Run a coroutine in a thread of its own, because Playwright's loop runs in this one after tests of the page."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def photo_content(size=(160, 120), **options) -> bytes:
    return encode(Image.new("RGB", size, (200, 40, 40)), **options)


PHOTO = photo_content()
FILE, IMAGE = {"file": ("a.png", PHOTO)}, {"image_file": ("a.png", PHOTO)}


def opened(answer: httpx.Response) -> Image.Image:
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(answer.content))


def errors(answer: httpx.Response) -> tuple[int, str, str]:
    (error,) = answer.json()["errors"]
    return answer.status_code, error["code"], error["title"]


def test_rembgs_route(send) -> None:
    cutout = opened(send(REMBG, files=FILE))
    assert cutout.mode == "RGBA" and cutout.size == (160, 120)
    box = [{"type": "rectangle", "data": [20, 20, 80, 80]}]
    fields = {"model": "u2net", "om": "true", "extras": json.dumps({"sam_prompt": box}), "a": "true", "af": "240"}
    mask = opened(send(REMBG, files=FILE, data=fields))
    assert mask.mode == "L" and mask.getpixel((50, 50)) == 255 and mask.getpixel((120, 100)) == 0
    over = opened(send(f"{REMBG}?bgc=0,0,255,255", files=FILE, data=fields | {"om": "0", "ppm": "on"}))
    assert over.getpixel((120, 100)) == (0, 0, 255, 255) and over.getpixel((50, 50)) == (200, 40, 40, 255)


@pytest.mark.parametrize(
    "fields, reason",
    [
        ({"model": "u2net_cloth_seg"}, "is not available"),
        ({"model": "../graphs"}, "is not available"),
        ({"om": "perhaps"}, "om is 'perhaps'"),
        ({"bgc": "1,2"}, "bgc"),
        ({"bgc": "1,2,300"}, "bgc"),
        ({"extras": "[]"}, "extras"),
        ({"extras": "[" * 100_000}, "extras"),
        ({"extras": '{"sam_prompt": 5}'}, "sam_prompt is 5"),
        ({"extras": '{"sam_prompt": ["point"]}'}, "sam_prompt is ['point']"),
        ({"extras": '{"sam_prompt": [{"type": "point", "data": [1, 2]}]}'}, "sam_prompt is [{"),
        ({"extras": f'{{"sam_prompt": [{{"type": "rectangle", "data": [1, 2, 3, 1{"0" * 400}]}}]}}'}, "the box is"),
        ({"extras": '{"sam_prompt": [{"type": "point", "label": 1, "data": [NaN, 1]}]}'}, "NaN"),
        ({"extras": '{"sam_prompt": [{"type": "point", "label": 1, "data": [900, 1]}]}'}, "outside the image"),
        ({"vm": "true"}, "without ViTMatte"),
        ({"url": "http://127.0.0.1/"}, "opens no addresses"),
    ],
)
def test_what_rembgs_route_refuses(send, fields, reason) -> None:
    answer = send(REMBG, files=FILE, data=fields)
    assert answer.status_code == 400 and reason in answer.json()["detail"]


def test_addresses_and_missing_files_are_refused(send) -> None:
    assert send(f"{REMBG}?url=http://127.0.0.1/").json() == {
        "detail": "url: this server opens no addresses; send the image itself."
    }
    assert "file is missing" in send(REMBG, data={"om": "1"}).json()["detail"]
    assert "is not an image" in send(REMBG, files={"file": b"text"}).json()["detail"]
    for path, field in ((REMBG, "file"), (REMOVEBG, "image_file")):
        assert "has no content" in send(path, files={field: b""}).text
    assert "megapixels" in send(REMBG, files={"file": photo_content((1000, 600))}).json()["detail"]
    for field in ("image_url", "bg_image_url"):
        answer = send(REMOVEBG, files=IMAGE, data={field: "http://127.0.0.1/"})
        assert errors(answer)[:2] == (400, "invalid_image_url")


def test_removebgs_route(send) -> None:
    answer = send(REMOVEBG, files=IMAGE, data={"size": "full"})
    alpha = np.asarray(opened(answer))[..., 3] > 0
    x, y = (np.flatnonzero(alpha.any(axis)) for axis in (0, 1))
    place = {"Top": y[0], "Left": x[0], "Width": x[-1] - x[0] + 1, "Height": y[-1] - y[0] + 1}
    assert {name: int(answer.headers[f"X-Foreground-{name}"]) for name in place} == place
    assert (answer.headers["X-Width"], answer.headers["X-Height"]) == ("160", "120")
    as_json = send(REMOVEBG, json={"image_file_b64": base64.b64encode(PHOTO).decode(), "size": "auto", "crop": None},
                   headers={"Accept": "application/json"}).json()["data"]  # fmt: skip
    assert as_json["foreground_top"] == place["Top"] and as_json["foreground_width"] == place["Width"]
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(as_json["result_b64"])))), opened(answer))


def test_sizes_and_formats(send) -> None:
    def result(content: bytes = PHOTO, **fields: str) -> Image.Image:
        return opened(send(REMOVEBG, files={"image_file": content}, data=fields))

    large = photo_content((800, 500))
    assert [result(large, size=size).size for size in ("preview", "hd")] == [(632, 395), (800, 500)]
    assert result(format="webp").format == "WEBP" and result(format="jpg").getpixel((1, 1)) == (255, 255, 255)
    navy = result(bg_color="000080")
    assert navy.format == "JPEG" and navy.getpixel((1, 1))[2] > 100
    assert result(bg_color="00000000").mode == "RGBA"
    assert result(channels="alpha").mode == "L"
    archive = zipfile.ZipFile(io.BytesIO(send(REMOVEBG, files=IMAGE, data={"format": "zip"}).content))
    assert archive.namelist() == ["color.jpg", "alpha.png"]
    assert Image.open(archive.open("color.jpg")).size == Image.open(archive.open("alpha.png")).size == (160, 120)


def test_region_crop_scale_and_position(send) -> None:
    def alpha(**fields: str) -> np.ndarray:
        answer = send(REMOVEBG, files=IMAGE, data={"size": "auto", "channels": "alpha", "format": "png"} | fields)
        return np.asarray(opened(answer)) > 0

    def box(mask: np.ndarray) -> tuple[int, ...]:
        x, y = (np.flatnonzero(mask.any(axis)) for axis in (0, 1))
        return x[0], y[0], x[-1] + 1, y[-1] + 1

    x0, y0, x1, y1 = box(alpha(roi="80px 0px 160px 50%"))
    w, h = x1 - x0, y1 - y0
    assert (x0 + x1) / 2 == pytest.approx(120, abs=1) and (y0 + y1) / 2 == pytest.approx(30, abs=1) and 5 < w < 40
    crop = alpha(roi="80 0 160 60", crop="true", crop_margin="2px 3px 50% 1")
    assert crop.shape == (2 + h + round(h / 2), 1 + w + 3) and box(crop) == (1, 2, 1 + w, 2 + h)
    x0, y0, x1, y1 = box(alpha(scale="50%"))  # its edge, enlarged, is a soft one of up to a pixel on each side
    assert abs((y1 - y0) - 60) <= 2 and abs((x0 + x1) / 2 - 80) <= 1 and abs((y0 + y1) / 2 - 60) <= 1
    x0, y0, x1, y1 = box(alpha(scale="50%", position="0% 100%"))
    assert x0 == 0 and y1 == 120


def test_background_and_shadow(send) -> None:
    files = IMAGE | {"bg_image_file": ("b.png", encode(Image.new("RGB", (50, 50), "blue")))}
    assert opened(send(REMOVEBG, files=files, data={"format": "png"})).getpixel((1, 1)) == (0, 0, 255)
    plain, shadow = (
        np.asarray(opened(send(REMOVEBG, files=IMAGE, data={"bg_color": "fff", "format": "png", "shadow_type": kind})))
        for kind in ("none", "drop")
    )
    assert (shadow <= plain).all() and (shadow < plain).any()


@pytest.mark.parametrize(
    "fields",
    [
        {"size": "huge"},
        {"format": "gif"},
        {"crop": "perhaps"},
        {"crop": "true", "crop_margin": "1 2 3"},
        {"roi": "0 0 1"},
        {"roi": "900 0 950 50"},
        {"roi": "50 50 20 20"},
        {"scale": "5%"},
        {"scale": "30px"},
        {"position": "left"},
        {"position": "120%"},
        {"bg_color": "no colour"},
        {"bg_color": "#zzz0"},
        {"channels": "rgb"},
        {"shadow_type": "long"},
        {"shadow_type": "drop", "shadow_opacity": "101"},
    ],
)
def test_wrong_fields_are_named(send, fields) -> None:
    status, code, title = errors(send(REMOVEBG, files=IMAGE, data=fields))
    assert (status, code) == (400, "invalid_request") and title.startswith(list(fields)[-1])


def test_sources(send) -> None:
    assert errors(send(REMOVEBG, data={"size": "auto"}))[1] == "missing_source"
    assert errors(send(REMOVEBG, files=IMAGE, data={"image_file_b64": "aaaa"}))[1] == "multiple_sources"
    for text in ("a", "!!!!", "\u00e4"):
        assert errors(send(REMOVEBG, data={"image_file_b64": text}))[2] == "image_file_b64 is no base64."
    wrapped = base64.encodebytes(PHOTO).decode()
    assert opened(send(REMOVEBG, data={"image_file_b64": f"data:image/png;base64,{wrapped}"}))
    assert errors(send(REMOVEBG, content=b"[]", headers={"Content-Type": "application/json"}))[0] == 400
    assert errors(send(REMOVEBG, content=b"--x", headers={"Content-Type": "multipart/form-data"}))[0] == 400


def test_nothing_found(send) -> None:
    transparent = encode(Image.new("RGBA", (160, 120)))
    assert errors(send(REMOVEBG, files={"image_file": transparent}))[1] == "unknown_foreground"
    assert not np.asarray(opened(send(REMBG, files={"file": transparent})))[..., 3].any()


def test_the_key(send, monkeypatch) -> None:
    monkeypatch.setenv(KEY, "secret")
    assert errors(send(REMOVEBG, files=IMAGE))[:2] == (403, "auth_failed")
    assert send(REMBG, files=FILE, headers={"X-Api-Key": "wrong"}).status_code == 403
    for path, files in ((REMOVEBG, IMAGE), (REMBG, FILE)):
        assert send(path, files=files, headers={"X-Api-Key": "secret"}).status_code == 200
    monkeypatch.setenv(KEY, "schl\u00fcssel\n")
    assert send(REMBG, files=FILE, headers={"X-Api-Key": "schl\u00fcssel".encode()}).status_code == 200


def test_other_sites_names_and_long_bodies_are_refused(send) -> None:
    for origin in ("http://evil.example", "http://[", "null", "://", "\u00e4".encode()):
        assert send(REMBG, files=FILE, headers={"Origin": origin}).status_code == 403
    assert send(REMBG, files=FILE, headers={"Host": "evil.example"}).status_code == 421
    for length in (str(MOST_BYTES + 1), "9" * 5000, "-1", "\u00b2".encode()):
        assert send(REMBG, content=b"", headers={"Content-Length": length}).status_code == 413


def test_a_file_over_the_limit(send, monkeypatch) -> None:
    monkeypatch.setattr(routes, "MEGABYTES", 0)
    assert errors(send(REMOVEBG, files=IMAGE))[:2] == (413, "file_too_large")


def test_a_request_that_does_not_arrive(send, monkeypatch) -> None:
    monkeypatch.setattr(routes, "_ARRIVAL", 0.05)

    async def content() -> AsyncIterator[bytes]:
        yield b"--x"
        await asyncio.sleep(5)

    answer = send(REMOVEBG, content=content(), headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert errors(answer)[0] == 408


def test_a_full_disk_is_one_line_in_the_log(send, monkeypatch, caplog) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(routes, "read_image", fail)
    assert send(REMBG, files=FILE).status_code == 500
    assert "No space left" in caplog.text and "Traceback" not in caplog.text


def test_defects_are_logged_and_not_shown(send, monkeypatch, caplog) -> None:
    def fail(*_: object) -> None:
        raise KeyError("/secret/path")

    monkeypatch.setattr(routes, "read_image", fail)
    with caplog.at_level(logging.ERROR):
        answer = send(REMOVEBG, files=IMAGE)
    assert answer.status_code == 500 and "secret" not in answer.text and "secret" in caplog.text


def test_the_queue_has_an_end() -> None:
    queue, running = RequestQueue(1), threading.Event()

    async def fill() -> list[int]:
        async def wait(client: str) -> int:
            try:
                with queue.place(client):
                    async with queue.running:
                        await asyncio.to_thread(running.wait)
            except Busy as busy:
                return busy.status
            return 200

        tasks = [asyncio.create_task(wait(f"client {i % 4}")) for i in range(MOST_WAITING + 5)]
        tasks += [asyncio.create_task(wait("a")) for _ in range(3)]
        await asyncio.sleep(0.05)
        running.set()
        return await asyncio.gather(*tasks)

    assert run(fill()) == [200] * MOST_WAITING + [503] * 8
    assert len(queue) == 0
    with contextlib.ExitStack() as places:
        for _ in range(SHARE):
            places.enter_context(queue.place("one"))
        with pytest.raises(Busy, match=str(SHARE)) as busy:
            places.enter_context(queue.place("one"))
        places.enter_context(queue.place("another"))
    assert busy.value.status == 429


def test_nothing_is_cut_out_for_a_client_that_is_gone(send, served, monkeypatch) -> None:
    monkeypatch.setattr(routes, "read_image", None)
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": REMBG, "query_string": b"", "headers": headers}
    messages, sent = [{"type": "http.request", "body": b"{}"}, {"type": "http.disconnect"}], []

    async def receive() -> dict:
        return messages.pop(0)

    async def keep(message: dict) -> None:
        sent.append(message)

    run(served(scope, receive, keep))
    assert sent[0]["status"] == 499 and 'status="499"} 1' in send("/metrics").text


def test_a_request_that_waits_when_the_server_stops(send, monkeypatch) -> None:
    async def wait(request: object) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(routes, "_read_fields", wait)
    assert errors(send(REMOVEBG, files=IMAGE))[::2] == (503, "the server is being stopped.")


def test_health_and_metrics(send) -> None:
    assert send("/health").json() == {"status": "ok", "model": "mock", "provider": "CPUExecutionProvider"}
    send(REMBG, files=FILE)
    metrics = send("/metrics").text
    assert 'mam_requests_total{path="/api/remove",status="200"}' in metrics and "mam_waiting 0" in metrics
