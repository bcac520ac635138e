"""Requests that the page refuses before Gradio sees them, and the headers of its answers."""

import asyncio
import http.client
import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from demo.guard import EVENT_BYTES, _Guard

EVIL = "http://evil.example"


@pytest.mark.parametrize(
    "headers, status",
    [
        ({}, 200),
        ({"Origin": "OWN"}, 200),
        ({"Host": "localhost:1"}, 200),
        ({"Host": "[::1]:7860"}, 200),
        ({"Host": "evil.example"}, 421),  # DNS rebinding
        ({"Host": ""}, 421),
        ({"X-Forwarded-Host": "evil.example"}, 421),
        ({"Origin": EVIL}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),  # another program on this machine
    ],
)
def test_host_and_origin(mock_page, headers, status) -> None:
    headers = {name: mock_page.rstrip("/") if value == "OWN" else value for name, value in headers.items()}
    for path in ("", "config"):
        answer = httpx.get(mock_page + path, headers=headers)
        assert answer.status_code == status and "access-control-allow-origin" not in answer.headers
    upload = httpx.post(f"{mock_page}gradio_api/upload", headers=headers, files={"files": ("a.txt", b"a")})
    assert upload.status_code == status


def test_a_preflight_of_another_site_gets_no_permission(mock_page) -> None:
    headers = {"Origin": EVIL, "Access-Control-Request-Method": "POST"}
    answer = httpx.options(f"{mock_page}gradio_api/queue/join", headers=headers)
    assert answer.status_code == 403 and not [name for name in answer.headers if name.startswith("access-control")]


def test_the_protocol_for_language_models_checks_the_host_too(page) -> None:
    for headers in ({"Host": "evil.example"}, {"Origin": EVIL}):
        assert httpx.post(f"{page}gradio_api/mcp/", headers=headers, json={}).status_code in (403, 421)


@pytest.mark.parametrize("host, allowed", [("a.org", True), ("b.c.org:80", True), ("c.org", False), ("aa.org", False)])
def test_names_that_the_owner_allows(host, allowed) -> None:
    async def application(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    guard = _Guard(application, frozenset({"a.org", "*.c.org"}), "")
    transport = httpx.ASGITransport(guard)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get("/", headers={"Host": host, "Origin": f"https://{host}"})

    with ThreadPoolExecutor() as pool:  # playwright's loop may run in this thread
        assert pool.submit(asyncio.run, ask()).result().status_code == (200 if allowed else 421)


@pytest.mark.parametrize(
    "path", ["monitoring", "gradio_api/runs", "gradio_api/deep_link", "gradio_api/proxy=http://a.b/"]
)
def test_parts_of_gradio_without_a_use_are_closed(mock_page, path) -> None:
    assert httpx.get(mock_page + path).status_code == 404


def test_a_long_request_is_refused_before_it_is_read(mock_page) -> None:
    join = f"{mock_page}gradio_api/queue/join"
    connection = http.client.HTTPConnection(httpx.URL(mock_page).netloc.decode())
    connection.putrequest("POST", "/gradio_api/queue/join")
    connection.putheader("Content-Length", str(EVENT_BYTES + 1))
    connection.endheaders()
    assert connection.getresponse().status == 413
    chunks = (b" " * 1_000_000 for _ in range(EVENT_BYTES // 1_000_000 + 2))
    with pytest.raises(httpx.HTTPError):
        httpx.post(join, content=chunks, headers={"Content-Type": "application/json"}, timeout=60).raise_for_status()


def test_answers_have_headers_of_security(mock_page) -> None:
    headers = httpx.get(mock_page).headers
    assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "same-origin"
    assert "frame-ancestors 'self'" in headers["content-security-policy"]
    script = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    (path,) = httpx.post(f"{mock_page}gradio_api/upload", files={"files": ("a.svg", script)}).json()
    assert "sandbox" in httpx.get(f"{mock_page}gradio_api/file={path}").headers["content-security-policy"]


def test_a_page_of_another_site_can_do_nothing(browser, mock_page, tmp_path) -> None:
    tab = browser.new_page()
    tab.route(f"{EVIL}/", lambda route: route.fulfill(body="<p>evil", content_type="text/html"))
    tab.goto(f"{EVIL}/")
    attempt = """async ([page, path]) => { try { return (await fetch(page + path, {credentials: 'include'})).status; }
        catch (error) { return 'refused'; } }"""
    for path in ("config", "gradio_api/info"):
        assert tab.evaluate(attempt, [mock_page, path]) == "refused"
    tab.set_content(f"<iframe src='{mock_page}'></iframe>")
    tab.wait_for_timeout(1000)
    assert "Matting" not in json.dumps([frame.url for frame in tab.frames if frame.url.startswith(mock_page)])
    assert all(frame.name != "x" and not frame.query_selector("#canvas") for frame in tab.frames)
    tab.close()
