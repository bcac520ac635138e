"""The server opens no address for a visitor, unless its owner allows it."""

import http.server
from collections.abc import Iterator

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from demo import addresses
from mam.errors import InputError
from tests.serving import serving


@pytest.fixture
def asked() -> Iterator[list[str]]:
    """Paths that a server on this machine was asked for; the first entry is its address."""
    found: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<script>alert(1)</script>")

    with serving(Handler) as port:
        found.append(f"http://localhost:{port}/photo.png")
        yield found


def test_the_route_of_files_opens_no_address(mock_page, asked) -> None:
    for address in (asked[0], "https://example.org/photo.png"):
        assert httpx.get(f"{mock_page}gradio_api/file={address}", follow_redirects=True).status_code == 403
    assert len(asked) == 1


@pytest.mark.parametrize("marked", [{"meta": {"_type": "gradio.FileData"}}, {}])
@pytest.mark.parametrize("key", ["path", "url"])
def test_the_api_opens_no_address(mock_page, asked, key, marked) -> None:
    image = {"path": asked[0], key: asked[0]} | marked
    client = Client(mock_page, verbose=False)
    with pytest.raises(AppError, match=r"opens no addresses|not an uploaded file"):
        client.predict(image, [10, 10, 90, 90], api_name="/matte")
    assert len(asked) == 1


def test_the_owner_can_allow_public_addresses(monkeypatch) -> None:
    monkeypatch.setenv("MAM_FETCH_ADDRESSES", "1")
    monkeypatch.setattr(addresses, "fetch", lambda address, size, public_only: (address, public_only))
    assert addresses.fetch_for_visitor("https://example.org/a.png") == ("https://example.org/a.png", True)
    monkeypatch.delenv("MAM_FETCH_ADDRESSES")
    with pytest.raises(InputError, match="opens no addresses"):
        addresses.fetch_for_visitor("https://example.org/a.png")
    assert addresses.fetch_for_visitor("data:;base64,QUJD")[0].startswith("data:")
