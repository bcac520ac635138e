"""The queue has an end, a client has a share of it, and clients take turns."""

import json
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import httpx
import pytest

from mam.serve.limits import MOST_WAITING, SHARE, client_of


@pytest.mark.parametrize(
    "host, client",
    [("10.1.2.3", "10.1.2.3"), ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"), ("fe80::1%eth0", "fe80::/64"), (None, "")],
)
def test_clients(host, client) -> None:
    assert client_of(SimpleNamespace(client=SimpleNamespace(host=host))) == client


class Client:
    """A program that opens an example, which takes a second or more on the slow page.

    uvicorn takes the address from X-Forwarded-For, as this machine is a trusted proxy.
    """

    def __init__(self, address: str, ip: str) -> None:
        self.address, self.headers = address, {"X-Forwarded-For": ip, "Accept-Language": "de"}
        config = httpx.get(f"{address}config").json()
        self.canvas = next(one["id"] for one in config["components"] if one["props"].get("elem_id") == "canvas")
        self.event = next(one for one in config["dependencies"] if [self.canvas, "example"] in one["targets"])

    def join(self) -> tuple[httpx.Response, str]:
        session = secrets.token_hex(6)
        body = {"data": [False], "fn_index": self.event["id"], "session_hash": session, "trigger_id": self.canvas}
        data = {"event_data": {"name": "redpanda", "opening": 1}}
        answer = httpx.post(f"{self.address}gradio_api/queue/join", json=body | data, headers=self.headers, timeout=60)
        return answer, session

    def place(self) -> int:
        body = {"data": None, "component_id": self.canvas, "fn_name": "place", "session_hash": secrets.token_hex(6)}
        return httpx.post(f"{self.address}gradio_api/component_server/", json=body, headers=self.headers).json()

    def wait(self, session: str) -> float:
        start = time.monotonic()
        with httpx.stream(
            "GET", f"{self.address}gradio_api/queue/data", params={"session_hash": session}, timeout=120
        ) as events:
            for line in events.iter_lines():
                if line.startswith("data:") and json.loads(line[5:])["msg"] == "process_completed":
                    return time.monotonic() - start
        raise AssertionError("no answer")


def test_a_client_that_asks_too_much_delays_itself(slow_page) -> None:
    greedy, honest = Client(slow_page, "203.0.113.1"), Client(slow_page, "203.0.113.2")
    with ThreadPoolExecutor(20) as pool:  # faster than they are answered
        answers = list(pool.map(lambda _: greedy.join(), range(SHARE + 8)))
    refused = [answer for answer, _ in answers if answer.status_code != 200]
    assert len(refused) >= 2 and "Ihrer Anfragen" in refused[0].json()["detail"]
    begun = [session for answer, session in answers if answer.status_code == 200]
    answer, session = honest.join()
    assert answer.status_code == 200 and honest.place() <= 2 < greedy.place() + len(begun)
    with ThreadPoolExecutor(SHARE) as pool:
        others = pool.map(greedy.wait, begun)
        waited = honest.wait(session)
        longest = max(others)
    assert waited < longest / 2, (waited, longest)


def test_a_full_queue_says_so(slow_page) -> None:
    clients = [Client(slow_page, f"203.0.113.{number}") for number in range(10, 16)]
    with ThreadPoolExecutor(60) as pool:
        answers = list(pool.map(Client.join, clients * (SHARE - 1)))
    details = [answer.json()["detail"] for answer, _ in answers if answer.status_code != 200]
    assert details and f"Nummer {MOST_WAITING + 1} in der Warteschlange" in details[0]
    for client, (answer, session) in zip(clients * (SHARE - 1), answers, strict=True):
        if answer.status_code == 200:
            client.wait(session)
