"""Preparation of a full-size model, with a small SAM instead of Meta's and a folder instead of download servers."""

import pytest

from export import prepare
from mam import GraphError, Matting, weights
from mam.errors import WeightsError
from mam.model import variants
from mam.model.folders import find_graphs, graphs_folder
from mam.model.variants import VARIANTS
from tests import small_vit


@pytest.fixture()
def without_graphs(tmp_path, monkeypatch):
    """A machine without graphs, but with the checkpoints of a small `vit_b`."""
    monkeypatch.setenv("MAM_HOME", str(tmp_path))
    monkeypatch.setenv("MAM_OFFLINE", "1")
    monkeypatch.setitem(variants.VARIANTS, "vit_b", small_vit.SMALL)
    small_vit.write_mirror(tmp_path)
    for name in small_vit.SMALL.checkpoints:
        monkeypatch.setitem(weights.REGISTRY, name, weights.WeightFile(name, "a test", "none", "http://nowhere"))
    return tmp_path


def test_prepared_models_are_found_by_name_and_exported_once(without_graphs) -> None:
    with pytest.raises(GraphError, match=r"vit_b is not ready in .*; `python -m export prepare --variant vit_b`"):
        find_graphs("vit_b")
    lines = []
    folder = prepare.prepare(VARIANTS["vit_b"], lines.append)
    assert without_graphs in folder.parents and sum("Exported" in line and ".onnx" in line for line in lines) == 3
    assert lines[-1] == f"vit_b is ready in {folder}"
    assert Matting.load("vit_b").graphs.variant == "vit_b"
    before = (folder / "matte.onnx").stat().st_mtime_ns
    prepare.prepare(VARIANTS["vit_b"], lines.append)
    assert (folder / "matte.onnx").stat().st_mtime_ns == before


def test_an_interrupted_export_leaves_no_folder_that_is_taken_for_complete(without_graphs, monkeypatch) -> None:
    def fail(*args, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(prepare, "write_graphs", fail)
        prepare.prepare(VARIANTS["vit_b"], print)
    assert not graphs_folder("vit_b").exists()
    prepare.prepare(VARIANTS["vit_b"], print)
    assert Matting.load("vit_b")


def test_files_that_a_person_must_download_are_asked_for_first(without_graphs, monkeypatch) -> None:
    monkeypatch.delenv("MAM_OFFLINE")
    monkeypatch.setattr(weights, "fetch", lambda *args: pytest.fail("a download began"))
    with pytest.raises(WeightsError, match=r"mam_vith.pth is not in .*drive.google.com.* and put it into"):
        prepare.prepare(VARIANTS["vit_h"], print)
