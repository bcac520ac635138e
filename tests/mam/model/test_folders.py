"""Where `Matting.load` finds graphs."""

import pytest

from mam import GraphError
from mam.model.folders import BUNDLE, find_graphs


def test_the_default_is_the_bundle() -> None:
    assert find_graphs(None) == find_graphs("tiny") == BUNDLE


def test_an_existing_folder_comes_before_a_variant_of_the_same_name(tmp_path, monkeypatch) -> None:
    (tmp_path / "tiny").mkdir()
    monkeypatch.chdir(tmp_path)
    assert find_graphs("tiny").resolve() == tmp_path / "tiny"
    assert find_graphs(None) == BUNDLE


def test_a_variant_has_no_complete_graphs() -> None:
    with pytest.raises(GraphError, match=r"vit_b are not complete .*`python -m export graphs --variant vit_b"):
        find_graphs("vit_b")
