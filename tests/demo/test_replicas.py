"""Two replicas of the page behind a real nginx with the configuration of docs/deploy: every visitor stays on one."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image

from tests.conftest import EXAMPLES, FLOWER_BOX
from tests.demo.conftest import free_port, serve
from tests.demo.test_deployment import NGINX, run_nginx
from tests.demo.visitor import Visitor, is_on

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NGINX is None, reason="no nginx on this machine: apt-get install nginx"),
]


@pytest.fixture(scope="module")
def replicas(python) -> Iterator[list[int]]:
    """Ports of two running pages, which find no home folder to write to, as in the container."""
    ports = [free_port(), free_port()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", "/nonexistent")
        servers = [serve([python, "demo/app.py", "--variant", "tiny", "--port", str(port)], port) for port in ports]
        for server in servers:
            next(server)
    yield ports
    for server in servers:
        next(server, None)


@pytest.fixture(scope="module")
def proxy(replicas, tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """Address of nginx in front of them, and its log: cookie and replica of each request."""
    folder = tmp_path_factory.mktemp("nginx")
    with run_nginx(folder, replicas) as address:
        yield address, folder / "log"


def replicas_by_cookie(log: Path) -> dict[str, set[str]]:
    found = defaultdict(set)
    for line in log.read_text().splitlines():
        cookie, replica = line.split()
        found[cookie].add(replica)
    return {cookie: used for cookie, used in found.items() if cookie != "-"}


def test_visitors_of_both_replicas_cut_out_their_photos(browser, proxy) -> None:
    address, log = proxy
    visitors: dict[str, Visitor] = {}
    for _ in range(20):  # until both replicas have one; a cookie's value is random
        visitor = Visitor(browser.new_page(viewport={"width": 1280, "height": 1300}), address)
        (cookie,) = [c["value"] for c in visitor.tab.context.cookies() if c["name"] == "mam_replica"]
        visitor.wait_until(lambda cookie=cookie: cookie in replicas_by_cookie(log))
        (replica,) = replicas_by_cookie(log)[cookie]
        visitors.setdefault(replica, visitor)
        if len(visitors) == 2:
            break
    assert len(visitors) == 2, "all visitors came to one replica"
    for visitor in visitors.values():
        visitor.open_and_wait()
        visitor.drag((178, 82), (450, 360))
        visitor.wait_for_answer()
    for visitor in visitors.values():
        alpha = visitor.alpha()
        assert alpha.shape == (427, 640) and is_on(alpha, 310, 215) and not is_on(alpha, 5, 5)
        assert visitor.problems == [] and visitor.outside == []
        visitor.tab.close()
    assert all(len(used) == 1 for used in replicas_by_cookie(log).values())


def test_programs_without_cookies_stay_on_one_replica(proxy) -> None:
    client = Client(proxy[0], verbose=False, analytics_enabled=False)
    for _ in range(3):
        alpha, *_ = client.predict(handle_file(EXAMPLES / "flower.jpg"), list(FLOWER_BOX), api_name="/matte")
        assert np.asarray(Image.open(alpha)).shape[:2] == (427, 640)
