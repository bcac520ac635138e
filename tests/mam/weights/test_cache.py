"""Files that are downloaded already: verification, changed files, folders that cannot be written."""

import pytest

from mam import WeightsError, weights
from mam.model.folders import graphs_folder
from mam.weights import cache
from tests.mam.file_server import DATA, NAME


def test_a_changed_file_is_refused(server) -> None:
    file = weights.fetch(NAME)
    file.write_bytes(DATA[:-1])
    with pytest.raises(WeightsError, match="delete it and get it again"):
        weights.verified_path(NAME)


def test_files_in_a_read_only_folder_can_be_used(server, monkeypatch) -> None:
    file = weights.fetch(NAME)
    cache.verification_record(file).unlink()
    real = type(file).write_text

    def refuse(path, *args, **options):
        if path.name.endswith(".checked"):
            raise OSError(30, "Read-only file system")
        return real(path, *args, **options)

    monkeypatch.setattr(type(file), "write_text", refuse)
    assert weights.verified_path(NAME) == file  # verified, although the check cannot be recorded


def test_errors_explain_how_to_get_files_by_hand(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("MAM_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match=r"open https://drive\.google\.com.* download mam_vitl\.pth and put it into"):
        weights.fetch("mam_vitl.pth")
    with pytest.raises(WeightsError, match=r"get it with `mam weights get sam_vit_b_01ec64\.pth`"):
        weights.verified_path("sam_vit_b_01ec64.pth")
    with pytest.raises(WeightsError, match="there is no weight file 'vit'"):
        weights.fetch("vit")


def test_a_user_without_a_home_has_a_folder_among_the_temporary_files(monkeypatch, tmp_path) -> None:
    def no_home() -> None:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(cache.Path, "home", no_home)
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path))
    for name in ("MAM_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert cache.cache_folder().parent == tmp_path
    assert not graphs_folder("grounding-dino-tiny").exists()
    planted = cache.cache_folder()  # by another user, who knows its name
    planted.rmdir()
    (tmp_path / "elsewhere").mkdir()
    planted.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(WeightsError, match="may be another user's"):
        cache.cache_folder()
    planted.unlink()
    planted.mkdir(mode=0o700)
    planted.chmod(0o777)
    with pytest.raises(WeightsError, match="may be another user's"):
        cache.cache_folder()


@pytest.mark.parametrize("ending", [".partial", ".partial.etag", ".partial.checked"])
def test_nothing_is_written_through_a_link_that_another_user_has_made(server, tmp_path, ending) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / f"{NAME}{ending}").symlink_to(victim)
    if ending == ".partial.checked":
        weights.fetch(NAME)  # is verified each time
    else:
        with pytest.raises(WeightsError, match="cannot be written"):
            weights.fetch(NAME)
    assert victim.read_text() == "mine"
