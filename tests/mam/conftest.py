"""Servers on this machine that weights are downloaded from."""

from collections.abc import Iterator

import pytest

from mam import weights
from mam.weights import WeightFile, download
from tests.mam.file_server import DATA, NAME, SHA256, FileServer
from tests.mam.hub_server import GATED, MODEL, SPACE, Hub


@pytest.fixture()
def server(monkeypatch, tmp_path) -> Iterator[FileServer]:
    """A server of the file NAME, which the registry lists."""
    pytest.importorskip("httpx")
    pytest.importorskip("filelock")
    running = FileServer()
    address = f"http://127.0.0.1:{running.server_port}/{NAME}"
    entry = WeightFile(NAME, "a thing", "MIT", address, len(DATA), SHA256)
    monkeypatch.setitem(weights.REGISTRY, NAME, entry)
    monkeypatch.setenv("MAM_HOME", str(tmp_path))
    monkeypatch.setattr(download, "RETRY_DELAYS", (0, 0, 0, 0))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "MAM_OFFLINE", "MAM_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture()
def hub(monkeypatch, tmp_path) -> Iterator[Hub]:
    """A server in the hub's place, with the files MODEL, SPACE and GATED of the registry."""
    constants = pytest.importorskip("huggingface_hub.constants")

    running = Hub()
    for entry in (MODEL, SPACE, GATED):
        monkeypatch.setitem(weights.REGISTRY, entry.name, entry)
    # huggingface_hub reads the environment when it is imported; processes that tests start import it anew.
    monkeypatch.setattr(constants, "ENDPOINT", running.endpoint)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", running.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setenv("HF_ENDPOINT", running.endpoint)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    monkeypatch.setenv("MAM_HOME", str(tmp_path / "mam"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setattr(download, "RETRY_DELAYS", (0, 0, 0, 0))
    for name in ("MAM_OFFLINE", "MAM_MIRROR", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    yield running
    running.shutdown()
    running.server_close()
