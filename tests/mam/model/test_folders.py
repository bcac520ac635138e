"""Where `Matting.load` finds graphs."""

import pytest

from mam import GraphError
from mam.model.contract import GRAPHS
from mam.model.folders import BUNDLE, find_graphs
from tests.conftest import TINY_CHECKPOINTS


def test_the_default_is_the_bundle() -> None:
    assert find_graphs(None) == find_graphs("tiny") == BUNDLE


def test_an_existing_folder_comes_before_a_variant_of_the_same_name(tmp_path, monkeypatch) -> None:
    (tmp_path / "tiny").mkdir()
    monkeypatch.chdir(tmp_path)
    assert find_graphs("tiny").resolve() == tmp_path / "tiny"
    assert find_graphs(None) == BUNDLE


def test_a_variant_that_is_not_exported_yet() -> None:
    with pytest.raises(GraphError, match=r"vit_b is not ready in .*; `python -m export prepare --variant vit_b`"):
        find_graphs("vit_b")


def test_bundle_is_small_and_complete() -> None:
    files = [p for p in BUNDLE.iterdir() if p.is_file()]
    words = {"words.onnx", "words.json", "tiny_words.pt"}
    names = {f"{graph.name}.onnx" for graph in GRAPHS} | {path.name for path in TINY_CHECKPOINTS} | {"README.md"}
    assert names | words == {p.name for p in files}
    assert max(p.stat().st_size for p in files) < 10_000_000
    assert sum(p.stat().st_size for p in files if p.suffix == ".onnx") < 24_000_000  # what the package holds
