"""The client of a Triton server against a small server of the same protocol; Triton itself is not run."""

import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mam import GraphError, Matting, Prompt
from mam.model.steps import encode
from mam.model.triton import TritonGraphs
from tests.conftest import EXAMPLES, FLOWER_BOX, ROOT

pytest.importorskip("tritonclient.grpc", reason='needs pip install "tritonclient[grpc,http]"')


@pytest.fixture(scope="module")
def url(tmp_path_factory) -> Iterator[str]:
    """Address of a server with the embedded model."""
    from export.triton import write_repository
    from mam.model.folders import BUNDLE
    from tests.triton_server import TritonServer

    repository = tmp_path_factory.mktemp("repository")
    write_repository(BUNDLE, repository)
    server = TritonServer(repository)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_the_matte_is_the_same(url, flower) -> None:
    scene = Matting(TritonGraphs(url)).open(EXAMPLES / "flower.jpg")
    assert (scene.graphs.variant, scene.graphs.policy) == (flower.graphs.variant, flower.graphs.policy)
    prompts = [Prompt(box=FLOWER_BOX), Prompt(points=[(310, 215)]), Prompt(points=[(320, 220)])]
    for here, there in zip(flower.mattes(prompts), scene.mattes(prompts), strict=True):
        # Rounding only: the same graphs on the same runtime, but the encoder's with a dynamic batch.
        assert np.abs(here.alpha - there.alpha).mean() < 1e-4
        assert abs(here.score - there.score) < 1e-4
        assert np.abs(here.cutout().astype(int) - there.cutout()).mean() < 0.05
    corrected = scene.matte(box=FLOWER_BOX, points=[(60, 60)], labels=[0], previous=there, guidance="mask")
    assert corrected.alpha[60, 60] < 0.1


@pytest.mark.slow
def test_threads_share_it_and_a_pickle_reconnects(url) -> None:
    matting = pickle.loads(pickle.dumps(Matting(TritonGraphs(url))))
    with ThreadPoolExecutor(3) as pool:
        scenes = list(pool.map(matting.open, [EXAMPLES / "cat.png"] * 3))
    assert len({scene.find_main_object().score for scene in scenes}) == 1
    assert scenes[0].graphs.provider == f"Triton at {url}"


def test_errors_name_the_server_and_the_model(url) -> None:
    with pytest.raises(GraphError, match=r"mam_image_encoder at 127\.0\.0\.1:9 failed: .*refused"):
        TritonGraphs("127.0.0.1:9")
    with pytest.raises(GraphError, match=r"mam_image_encoder at .* failed: .*image is FP32"):
        encode(TritonGraphs(url), np.zeros((1, 3, 8, 8), np.float32))


@pytest.mark.parametrize("wrong", ["grpc://localhost:8001", "http://", "s3://bucket", "localhost:port", "no such host"])
def test_other_addresses_are_refused(wrong) -> None:
    with pytest.raises(GraphError, match="is no HTTP address"):
        TritonGraphs(wrong)


def test_schemes_and_headers(url) -> None:
    assert TritonGraphs(f"http://{url}", {"Authorization": "Bearer x"}).variant == "tiny"
    for unreachable in (f"https://{url}", "http://no-such-host.invalid"):
        with pytest.raises(GraphError, match=r"mam_image_encoder at .* failed: "):
            TritonGraphs(unreachable)


def test_another_version_of_the_contract_is_refused(url, monkeypatch) -> None:
    monkeypatch.setattr("mam.model.contract.VERSION", "99")
    with pytest.raises(GraphError, match=r"follow version 3 of the contract; this library expects version 99"):
        TritonGraphs(url)


def test_a_missing_client_names_what_installs_it() -> None:
    code = """
import sys
sys.modules["tritonclient"] = None
from mam.model.steps import encode
from mam.model.triton import TritonGraphs
TritonGraphs("localhost:8000")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and 'pip install "tritonclient[http]"' in done.stderr.splitlines()[-1]
