"""What `mam matte --engine ray` sends to the cluster and prints of its answers; no cluster."""

from pathlib import Path

import numpy as np
import pytest

from mam import MamError
from mam.cli import main
from mam.cli.cluster import choose_results, find_images, report, to_row
from mam.cli.files import Input
from mam.cluster import storage
from mam.images.encode import describe_source, encode_image
from tests.conftest import EXAMPLES

REMOTE = [Input("s3://b/one/a.jpg", "a"), Input("s3://b/two/a.jpg", "a")]


def test_results_in_a_store_have_names_of_their_own(tmp_path) -> None:
    pytest.importorskip("pyarrow", reason='needs pyarrow: pip install "ray[data]"')
    out = f"file://{tmp_path}/x"
    names = [f"{out}/a_matte.png", f"{out}/a_jpg_matte.png"]
    assert choose_results(REMOTE, f"{out}/", ".png", False) == names
    source = describe_source(REMOTE[1].source, names[0])
    storage.write(encode_image(np.zeros((2, 2), np.uint8), "PNG", source=source), names[0])
    assert choose_results(REMOTE, f"{out}/", ".png", False) == names[::-1]  # the earlier result is the second one's
    assert choose_results(REMOTE[:1], "s3://out/x.png", ".png", False) == ["s3://out/x.png"]
    with pytest.raises(MamError, match="is one file, but there are 2 images"):
        choose_results(REMOTE, "s3://out/x.png", ".png", False)


def test_local_results_are_absolute(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert choose_results(REMOTE[:1], "out", ".png", False) == [str(tmp_path / "out" / "a_matte.png")]
    with pytest.raises(MamError, match="standard output"):
        choose_results(REMOTE[:1], "-", ".png", False)


def test_local_images_and_those_of_stores(tmp_path) -> None:
    pytest.importorskip("pyarrow", reason='needs pyarrow: pip install "ray[data]"')
    (tmp_path / "a.jpg").touch()
    inputs, notes = find_images([str(EXAMPLES / "flow*.jpg"), f"file://{tmp_path}/*.jpg", f"file://{tmp_path}"])
    assert [image.name for image in inputs] == ["flower", "a"] and notes == []
    with pytest.raises(MamError, match="standard input cannot be sent"):
        find_images(["-"])


@pytest.mark.parametrize("key", ["frame#001.png", "g%20h.png", "q?1.png", "a*b.png", "a[1].png"])
def test_keys_are_not_read_as_addresses_or_globs(key, tmp_path) -> None:
    pytest.importorskip("pyarrow", reason='needs pyarrow: pip install "ray[data]"')
    for name in (key, "q11.png", "axb.png", "a1.png"):
        (tmp_path / name).touch()
    (image,), _ = find_images([f"file://{tmp_path}/{key}"])
    assert image.source == f"file://{tmp_path}/{key}" and image.name == key[:-4]


def test_rows_are_plain(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m.png").touch()
    prompt = {"box": (1, 2, 3, 4.5), "points": [(1, 2)], "labels": [1], "mask": object(), "text": ["a", "b"]}
    row = to_row(Input(Path("a.jpg"), "a"), "/out/a.png", prompt, "m.png")
    assert row == {
        "box": [1.0, 2.0, 3.0, 4.5],
        "points": [[1.0, 2.0]],
        "labels": [1.0],
        "mask": str(tmp_path / "m.png"),
        "text": "a. b",
        "image": "a.jpg",
        "result": "/out/a.png",
    }


def test_answers_are_printed(capsys) -> None:
    statuses = [("a", "done", ""), ("b", "failed", "why"), ("c", "exists", "")]
    rows = ({"image": i, "status": s, "reason": r, "result": f"{i}.png"} for i, s, r in statuses)
    assert report(rows, 3) == 1
    printed = capsys.readouterr()
    assert printed.out == "a -> a.png\n"
    assert printed.err == "b: why\nc skipped: c.png exists\n2 of 3 images done\n"


def test_mistakes_are_found_before_the_cluster_starts(capsys, tmp_path) -> None:
    command = ["matte", str(EXAMPLES / "flower.jpg"), "--engine", "ray", "-o", str(tmp_path)]
    assert main([*command, "--background", "whiite"]) == 1
    assert "--background whiite is neither an image file" in capsys.readouterr().err
    assert main([*command, "--graphs", str(tmp_path)]) == 1
    assert "lacks image_encoder.onnx" in capsys.readouterr().err


def test_models_are_found_as_by_the_local_engine(capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MAM_HOME", str(tmp_path))
    monkeypatch.setenv("MAM_OFFLINE", "1")
    printed = []
    for engine in ("local", "ray"):
        command = ["matte", str(EXAMPLES / "flower.jpg"), "--engine", engine, "--graphs", "mobile_sam"]
        assert main([*command, "-o", str(tmp_path)]) == 1
        printed.append(capsys.readouterr().err)
    assert printed[0] == printed[1] and "mobile_sam.pt" in printed[0]
