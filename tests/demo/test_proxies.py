"""The page starts and serves itself whatever proxies the environment names."""

import os

import pytest

from demo.proxies import exclude_own_address
from tests.demo.conftest import free_port, serve

NOWHERE = "http://127.0.0.1:9"


@pytest.mark.slow
@pytest.mark.parametrize(
    "variables",
    [
        {"HTTP_PROXY": NOWHERE, "HTTPS_PROXY": NOWHERE},
        {"all_proxy": "socks://127.0.0.1:9/", "no_proxy": "[::1, ::1/128, 10.0.0.0/8, http://[x"},
        {"ALL_PROXY": "socks5://127.0.0.1:9", "http_proxy": "not a proxy"},
    ],
    ids=["http", "socks", "mixed"],
)
def test_the_page_starts(python, variables) -> None:
    port = free_port()
    assignments = [f"{name}={value}" for name, value in {"NO_PROXY": "", "no_proxy": "", **variables}.items()]
    page = serve(["env", *assignments, python, "demo/app.py", "--port", str(port), "--variant", "tiny"], port)
    assert next(page) == f"http://127.0.0.1:{port}/"
    with pytest.raises(StopIteration):
        next(page)


def test_the_own_address_is_excluded_and_malformed_entries_are_left_out(monkeypatch) -> None:
    monkeypatch.setenv("no_proxy", "example.org, [::1, ::1, .corp:8080, 10.0.0.0/8, a b")
    monkeypatch.setenv("NO_PROXY", "")
    exclude_own_address("0.0.0.0")
    expected = "example.org,::1,.corp:8080,10.0.0.0/8,127.0.0.1,localhost,0.0.0.0"
    assert os.environ["no_proxy"] == os.environ["NO_PROXY"] == expected
