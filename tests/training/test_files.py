"""Packed training images give exactly the examples that the folder gives."""

import numpy as np
import pytest
from PIL import Image

from mam.errors import MamError
from training import files
from training.examples import Examples
from training.files import Files
from training.library import Library


def test_packed_images_train_like_the_folder(data, tmp_path) -> None:
    lines: list[str] = []
    archives = files.pack(data, tmp_path / "packed", log=lines.append, shard=files.LARGEST + 20_000)
    assert len(lines) == len(archives) > 1 and archives == sorted((tmp_path / "packed").iterdir())
    assert Files(tmp_path / "packed").names == Files(data).names
    loose, packed = (Examples(Library(root), 64, 1) for root in (data, tmp_path / "packed"))
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


def test_an_incomplete_archive_is_refused(tmp_path) -> None:
    (tmp_path / "data-000.zip").write_bytes(b"PK and no end")
    with pytest.raises(MamError, match="is not a complete archive"):
        Files(tmp_path)


def test_an_interrupted_pack_leaves_nothing_to_train_on(data, tmp_path) -> None:
    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.pack(data, tmp_path, log=interrupt, shard=files.LARGEST + 20_000)
    assert not list(tmp_path.glob("*.zip"))
