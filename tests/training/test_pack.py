"""`python -m training pack`: a folder becomes archives; nothing to pack and archives in the way are errors."""

import zipfile

from PIL import Image

from training.__main__ import main


def test_a_folder_is_packed(tmp_path, capsys) -> None:
    folder = tmp_path / "data" / "photos" / "coco"
    folder.mkdir(parents=True)
    for name, mode in (("1.jpg", "RGB"), ("1.png", "L")):
        Image.new(mode, (80, 40)).save(folder / name)
    assert main(["pack", str(tmp_path / "data"), str(tmp_path / "out"), "--longest", "20"]) == 0
    assert capsys.readouterr().out.startswith("data-000.zip")
    with zipfile.ZipFile(tmp_path / "out" / "data-000.zip") as archive:
        assert sorted(archive.namelist()) == ["photos/coco/1.jpg", "photos/coco/1.png"]
        with archive.open("photos/coco/1.jpg") as file:
            assert Image.open(file).size == (20, 10)
    assert main(["pack", str(tmp_path / "data"), str(tmp_path / "out")]) == 1
    assert "holds archives already; give another folder" in capsys.readouterr().err


def test_an_empty_folder_is_refused(tmp_path, capsys) -> None:
    assert main(["pack", str(tmp_path), str(tmp_path / "out")]) == 1
    assert "holds no files to pack" in capsys.readouterr().err
