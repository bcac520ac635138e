"""The command line of the page, its environment, and where its model comes from; no server."""

import sys
import types
from pathlib import Path

import numpy as np
import pytest

from demo import app, zero_gpu
from mam import GraphError, WeightsError, runtime
from mam.matting import BUNDLE
from tests.conftest import EXAMPLES


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


def test_models_that_are_not_there_are_prepared_or_refused_in_words(graphs_folder, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MAM_HOME", str(tmp_path))
    matting, first_use = app.load(app.parse(["--variant", "vit_b"]))
    assert matting.graphs.variant == "tiny" and first_use.variant == "vit_b"
    with pytest.raises(
        WeightsError, match="mam_vitl.pth is not in .*; open https://drive.google.com.* and put it into"
    ):
        app.load(app.parse(["--variant", "vit_l"]))
    with pytest.raises(GraphError, match="lacks grounding.onnx and tokenizer.json"):
        app.load(app.parse(["--grounding", str(graphs_folder)]))
    with pytest.raises(GraphError, match="holds mini; asked for vit_b"):
        app.load(app.parse(["--variant", "vit_b", "--graphs", str(graphs_folder)]))
    assert app.load(app.parse(["--graphs", str(graphs_folder)]))[0].graphs.variant == "mini"


def test_on_zero_gpu_sessions_are_made_where_the_gpu_is(monkeypatch, flower) -> None:
    inside, made = [], []

    def lend(duration: int):
        def decorate(function):
            def lent(*values):
                inside.append(True)
                try:
                    return function(*values)
                finally:
                    inside.pop()

            return lent

        return decorate

    def load(folder, device):
        made.append((device, bool(inside)))
        return runtime.load_graphs(folder, "cpu")  # no GPU here

    monkeypatch.setitem(sys.modules, "spaces", types.SimpleNamespace(GPU=lend))
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setattr(zero_gpu, "load_graphs", load)
    matting, _ = app.load(app.parse(["--device", "cuda"]))
    assert matting.graphs.provider == "CUDAExecutionProvider" and made == [("cpu", False)]
    matte = matting.open(EXAMPLES / "flower.jpg").matte(box=(178, 82, 450, 360))
    assert made == [("cpu", False), ("cuda", True)] and Path(matting.graphs.folder) == BUNDLE
    assert np.array_equal(matte.alpha, flower.matte(box=(178, 82, 450, 360)).alpha)
    zero_gpu._graphs.cache_clear()


def test_elsewhere_spaces_is_not_needed(monkeypatch) -> None:
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    assert not zero_gpu.is_here() and "spaces" not in sys.modules
