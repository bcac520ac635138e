"""Addresses of stores, on the one that needs no network: file://."""

import pytest

from mam import InputError
from mam.cluster import storage

pytest.importorskip("pyarrow", reason='needs pyarrow: pip install "ray[data]"')


def test_what_is_an_address_of_a_store() -> None:
    texts = ["s3://b/k", "file:///a", "https://a/b", "data:x", "/a", "C:\\a"]
    assert [text for text in texts if storage.is_stored(text)] == texts[:2]


def test_written_files_are_read_and_leave_nothing_beside_them(tmp_path) -> None:
    address = f"file://{tmp_path}/new folder/a b%20?.png"
    assert not storage.exists(address)
    storage.write(b"content", address)
    assert storage.exists(address) and storage.resolve(address) == b"content"
    assert [file.name for file in (tmp_path / "new folder").iterdir()] == ["a b%20?.png"]
    assert storage.resolve(str(tmp_path)) == str(tmp_path)


def test_missing_and_large_files_are_refused(tmp_path, monkeypatch) -> None:
    with pytest.raises(FileNotFoundError, match="is not a file, or does not exist"):
        storage.resolve(f"file://{tmp_path}/none.jpg")
    (tmp_path / "a.jpg").write_bytes(b"123456")
    monkeypatch.setattr(storage, "MAX_BYTES", 5)
    with pytest.raises(InputError, match="holds more than"):
        storage.resolve(f"file://{tmp_path}/a.jpg")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("", ["a.jpg", "b.PNG"]),
        ("*.jpg", ["a.jpg"]),
        ("?.*", ["a.jpg", "b.PNG"]),
        ("**/*.jpg", ["a.jpg", "deep/er/c.jpg"]),
        ("deep/*/c.jpg", ["deep/er/c.jpg"]),
        ("a.jpg", ["a.jpg"]),
    ],
)
def test_images_are_listed(tmp_path, pattern, expected) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for name in ("a.jpg", "b.PNG", "notes.txt", "deep/er/c.jpg"):
        (tmp_path / name).touch()
    root = f"file://{tmp_path}/"
    assert storage.list_images(root + pattern) == [root + name for name in expected]


def test_no_match_is_an_error(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="matches no image"):
        storage.list_images(f"file://{tmp_path}/*.jpg")
    with pytest.raises(InputError, match="cannot be written to"):
        storage.write(b"", "https://example.org/a.png")
