"""The command line of the page, its environment, and the choice of its model; no server."""

import socket

import pytest

from demo import app
from mam import GraphError


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


@pytest.mark.parametrize("name, value", [("PORT", "many"), ("DEVICE", "abacus"), ("VARIANT", "huge")])
def test_a_wrong_environment_is_refused(monkeypatch, capsys, name, value) -> None:
    monkeypatch.setenv(f"MAM_{name}", value)
    with pytest.raises(SystemExit):
        app.parse([])
    assert value in capsys.readouterr().err


def test_missing_models_are_downloaded_or_refused(graphs_folder, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MAM_HOME", str(tmp_path))
    matting, first_use = app.load(app.parse(["--variant", "vit_b"]))
    assert matting.graphs.variant == "tiny" and first_use.variant == "vit_b"
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
