"""The text model's first use: its weights are downloaded, converted without torch, and deleted."""

import json

import numpy as np
import pytest

from mam import Grounding, WeightsError, weights
from mam.model.folders import graphs_folder
from mam.text import preparation
from mam.text.model import NAME
from mam.weights import cache_folder
from tests.grounding import publish
from tests.serving import serving_folder

RED = "the girl in the red sweater"


@pytest.fixture()
def mirror(grounding_mirror, tmp_path, monkeypatch):
    """A machine without models, and a server with a small text model; yields the folder that it serves."""
    publish(monkeypatch, grounding_mirror)
    monkeypatch.setenv("MAM_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MAM_GROUNDING", raising=False)
    with serving_folder(grounding_mirror, pause=0.01) as address:
        monkeypatch.setenv("MAM_MIRROR", address)
        yield grounding_mirror


def test_a_download_becomes_a_smaller_model(mirror, grounding_template, grounding) -> None:
    seen = []
    folder = preparation.prepare(lambda name: lambda have, expected: seen.append(name), grounding_template)
    assert folder == graphs_folder(NAME) and set(seen) == {f"{NAME}.tokenizer.json", f"{NAME}.safetensors"}
    assert {file.name for file in folder.iterdir()} == {"grounding.onnx", "tokenizer.json"}
    assert not list(cache_folder().glob("*.safetensors*[!k]"))  # the lock stays
    downloaded = (mirror / f"{NAME}.safetensors").stat().st_size
    graph = (folder / "grounding.onnx").stat().st_size
    template = (grounding_template / "grounding.onnx").stat().st_size
    assert graph - template < 0.7 * downloaded  # this small model has many vectors, which stay as they are
    small = Grounding.load(device="cpu", threads=1)
    assert small.folder == folder and small.preprocessor == grounding.preprocessor
    pixels = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    options = {"box_threshold": 0.0, "text_threshold": 0.0, "nms": 1.0}
    got, expected = small.find(pixels, RED, **options), grounding.find(pixels, RED, **options)
    # Rounded weights, so only near: tests/export/test_grounding_template.py has the exact comparison.
    assert abs(got.best_score - expected.best_score) < 0.05 and got.boxes != expected.boxes
    assert preparation.prepare(template=grounding_template) == folder  # nothing is downloaded again


def test_weights_that_were_there_stay(mirror, grounding_template) -> None:
    file = weights.fetch(f"{NAME}.safetensors")
    preparation.prepare(template=grounding_template)
    assert file.exists()


def test_another_network_is_refused(mirror, grounding_template, grounding_source, tmp_path) -> None:
    manifest = json.loads((grounding_template / "template.json").read_text())
    manifest["tensors"]["model.level_embed"] = [4, 33]
    manifest["tensors"]["unknown"] = [1]
    broken = tmp_path / "template"
    broken.mkdir()
    (broken / "template.json").write_text(json.dumps(manifest))
    (broken / "grounding.onnx").write_bytes((grounding_template / "grounding.onnx").read_bytes())
    with pytest.raises(WeightsError, match=r"1 tensors missing \(unknown\), 1 of another shape .*model.level_embed is"):
        preparation.prepare(template=broken)
    assert not graphs_folder(NAME).exists()


def test_offline_it_is_refused(mirror, grounding_template, monkeypatch) -> None:
    monkeypatch.setenv("MAM_OFFLINE", "1")
    with pytest.raises(WeightsError, match="MAM_OFFLINE forbids downloads"):
        preparation.prepare(template=grounding_template)
