"""The command line of the page, its environment, and the choice of its model; no server."""

import socket

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from demo import app
from demo.canvas.protocol import LIMITS
from mam import GraphError, Matting
from tests.demo.conftest import free_port, serve


def test_options_come_from_the_environment_too(monkeypatch) -> None:
    for name, value in {"HOST": "0.0.0.0", "PORT": "7999", "MAX_PIXELS": "1000", "SHARE": "1", "DEVICE": "cpu"}.items():
        monkeypatch.setenv(f"MAM_{name}", value)
    got = app.parse([])
    assert (got.host, got.port, got.max_pixels, got.share, got.mcp, got.device) == (
        "0.0.0.0",
        7999,
        1000,
        True,
        False,
        "cpu",
    )
    assert app.parse(["--port", "7000"]).port == 7000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("PORT", value) for value in ("many", "0", "70000", "-1", "78.5")],
        *[("DEVICE", "abacus"), ("VARIANT", "huge"), ("TEXT_MODEL", "all"), ("THREADS", "0"), ("MAX_PIXELS", "24M")],
        *[("SHARE", "maybe"), ("MCP", "2"), ("GRAPHS", "nowhere"), ("GROUNDING", "nowhere"), ("ROOT_PATH", "matting")],
    ],
)
def test_a_wrong_environment_is_refused(monkeypatch, capsys, name, value) -> None:
    monkeypatch.setenv(f"MAM_{name}", value)
    with pytest.raises(SystemExit):
        app.parse([])
    assert f"error: MAM_{name}={value}: " in capsys.readouterr().err


def test_the_port_of_a_service_of_kubernetes_is_ignored(monkeypatch, capsys) -> None:
    monkeypatch.setenv("MAM_PORT", "tcp://10.96.0.12:7860")
    monkeypatch.setenv("MAM_SHARE", "off")
    assert app.parse([]).port is None and not app.parse([]).share
    assert "MAM_PORT=tcp://10.96.0.12:7860 is Kubernetes' address of a service" in capsys.readouterr().err


def test_a_mounted_page_has_its_style_its_texts_and_its_limits(graphs_folder) -> None:
    outer = FastAPI()
    with pytest.raises(ValueError, match="expected one such as '/tool'"):
        app.mount(outer, Matting.load(graphs_folder, device="cpu"), "tool")
    with TestClient(app.mount(outer, Matting.load(graphs_folder, device="cpu"), "/tool/")) as client:
        page = client.get("/tool/")
        assert page.status_code == 200 and "text/html" in page.headers["content-type"]
        config = client.get("/tool/config").json()
        assert app.LAUNCH["css"] in config["css"] and config["max_file_size"] == LIMITS.upload_megabytes * 1024**2
        assert config["i18n_translations"]["de"]["text_tab_batch"]
        assert client.get("/").status_code == 404


def test_missing_models_are_downloaded_or_refused(graphs_folder, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MAM_HOME", str(tmp_path))
    matting, models = app.load(app.parse(["--variant", "vit_b"]))
    assert matting.graphs.variant == "tiny" and models.following == "vit_b"
    with pytest.raises(GraphError, match="there is no text model in"):
        app.load(app.parse(["--grounding", str(graphs_folder)]))
    with pytest.raises(GraphError, match="holds mini; vit_b was requested"):
        app.load(app.parse(["--variant", "vit_b", "--graphs", str(graphs_folder)]))
    assert app.load(app.parse(["--graphs", str(graphs_folder)]))[0].graphs.variant == "mini"


def test_a_port_in_use_is_one_sentence(capsys) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert app.main(["--port", str(port), "--device", "cpu"]) == 1
    assert f"port {port} is in use; choose another with --port or MAM_PORT" in capsys.readouterr().err


@pytest.mark.slow
def test_nothing_is_kept_in_the_folder_of_all_users(python, tmp_path, monkeypatch) -> None:
    port = free_port()
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv("GRADIO_TEMP_DIR", raising=False)
    running = serve([python, "demo/app.py", "--variant", "tiny", "--port", str(port), "--mcp"], port)
    next(running)
    (folder,) = tmp_path.glob("mam_uploads_*")
    assert folder.stat().st_mode & 0o077 == 0 and not (tmp_path / "gradio").exists()
    next(running, None)
    assert not folder.exists()
