"""Packed training images give exactly the examples that the folder gives."""

import zipfile

import numpy as np
import pytest
from PIL import Image

from mam.cli import main
from mam.training import files
from mam.training.data import Segments
from mam.training.files import Files
from mam.training.library import SEGMENTS_MIX, Library


def test_packed_images_train_like_the_folder(data, tmp_path) -> None:
    lines: list[str] = []
    archives = files.pack(data, tmp_path / "packed", log=lines.append, shard=files.LARGEST + 20_000)
    assert len(lines) == len(archives) > 1 and archives == sorted((tmp_path / "packed").iterdir())
    assert Files(tmp_path / "packed").names == Files(data).names
    loose, packed = (Segments(Library(root, SEGMENTS_MIX), 64, 1) for root in (data, tmp_path / "packed"))
    for i in range(8):
        a, b = loose[i], packed[i]
        assert all(np.array_equal(a[k], b[k]) for k in a)


def test_large_photographs_are_shrunk_with_their_labels(data, tmp_path) -> None:
    files.pack(data, tmp_path, longest=40, log=lambda line: None)
    packed = Files(tmp_path)
    photo = next(name for name in packed.names if name.startswith("photos/") and name.endswith(".jpg"))
    labels = photo.replace(".jpg", ".png")
    image, small = Image.open(packed.open(photo)), Image.open(packed.open(labels))
    assert max(image.size) == 40 and image.size == small.size
    before = np.unique(np.asarray(Image.open(data / labels)))
    assert set(np.unique(np.asarray(small))) <= set(before)


def test_webp_photographs_are_shrunk_and_cutouts_are_not(data, main_objects, tmp_path) -> None:
    files.pack(main_objects, tmp_path / "photos", longest=40, log=lambda line: None)
    packed = Files(tmp_path / "photos")
    sizes = {name: Image.open(packed.open(name)).size for name in packed.names}
    assert set(sizes.values()) == {(40, 30)} and any(name.endswith(".webp") for name in sizes)
    files.pack(data, tmp_path / "all", longest=40, log=lambda line: None)
    cutout = "cutouts/emoji/1f600.webp"
    assert Files(tmp_path / "all").open(cutout).read() == (data / cutout).read_bytes()


def test_nothing_to_pack_and_archives_in_the_way_are_errors(data, tmp_path, capsys) -> None:
    assert main(["pack", str(tmp_path), str(tmp_path / "out")]) == 1
    with zipfile.ZipFile(tmp_path / "data-000.zip", "w"):
        pass
    assert main(["pack", str(data), str(tmp_path)]) == 1
    (tmp_path / "data-000.zip").write_bytes(b"PK and no end")
    assert main(["train", "tiny-segment", "--data", str(tmp_path), "--out", str(tmp_path / "run")]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert (
        "holds no files to pack" in errors[0]
        and "holds archives already" in errors[1]
        and "is not a complete archive" in errors[2]
    )


def test_an_interrupted_pack_leaves_nothing_to_train_on(data, tmp_path) -> None:
    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.pack(data, tmp_path, log=interrupt, shard=files.LARGEST + 20_000)
    assert not list(tmp_path.glob("*.zip"))
