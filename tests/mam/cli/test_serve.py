"""`mam serve` in a process of its own, asked over HTTP."""

import io

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.conftest import EXAMPLES
from tests.demo.conftest import free_port, serve


@pytest.mark.slow
def test_a_request_over_http(python) -> None:
    port = free_port()
    command = [python, "-m", "mam", "serve", "--port", str(port), "--device", "cpu", "--threads", "1"]
    running = serve(command, port, "health")
    address = next(running)
    content = (EXAMPLES / "flower.jpg").read_bytes()
    for path, field in (("api/remove", "file"), ("v1.0/removebg", "image_file")):
        answer = httpx.post(address + path, files={field: content}, data={"size": "full"}, timeout=60)
        alpha = np.asarray(Image.open(io.BytesIO(answer.content)))[..., 3]
        assert alpha.shape == (427, 640) and alpha[215, 310] > 240 and alpha[5, 5] < 10
    assert httpx.get(f"{address}health").json()["model"] == "tiny"
    assert next(running, None) is None
