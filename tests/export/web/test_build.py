"""The command `python -m export web`: what it writes, and how it fails."""

import gzip
import json
import re

import numpy as np

from export.__main__ import main
from export.web import npm
from export.web.folder import BUDGET, _write_list, copy_site, list_files, table
from export.web.pack import half_ranges, pack
from mam.model.folders import BUNDLE
from tests.conftest import ROOT


def test_a_first_visit_takes_less_than_the_budget(site) -> None:
    files = list_files(site)
    assert 10_000_000 < sum(file.compressed for file in files if not file.optional) < BUDGET
    assert re.search(r"first visit +[\d,]+ +[\d,]+ +of 15,000,000", table(files))


def test_the_front_matter_is_that_of_a_static_space(site) -> None:
    head = (site / "README.md").read_text("utf-8").split("---\n")[1]
    assert "\nsdk: static\n" in head and "\napp_file: index.html\n" in head
    assert "\n  cross-origin-embedder-policy: require-corp\n" in head
    assert "\n  cross-origin-opener-policy: same-origin\n" in head


def test_every_file_of_the_list_is_there(site) -> None:
    files = json.loads(re.search(r"^const FILES = (.*);$", (site / "service_worker.js").read_text("utf-8"), re.M)[1])
    assert "index.html" in files["page"] and len(files["model"]) == 6
    for name in (*files["page"], *files["model"], *files["examples"]):
        assert (site / name).is_file(), name
    scripts = [file.read_text("utf-8") for file in site.glob("*.js")]
    imports = {name for script in scripts for name in re.findall(r"^import .* from '\./(.*?)';$", script, re.M)}
    assert {"scene.js", "runtime/ort.wasm.min.js"} <= imports <= {*files["page"], *files["examples"]}


def test_texts_are_there_in_all_languages(site) -> None:
    tables = json.loads(re.search(r"^export const TEXTS = (.*);$", (site / "texts.js").read_text("utf-8"), re.M)[1])
    scripts = "".join(
        file.read_text("utf-8") for file in site.glob("*.js") if file.name not in ("texts.js", "canvas.js")
    )
    used = {
        *re.findall(r"\btext\('(\w+)'", scripts),
        *re.findall(r'data-page(?:-name)?="(\w+)"', (site / "index.html").read_text()),
    }
    assert {"private", "loading", "no_memory"} <= used
    for language, texts in tables.items():
        assert list(texts) == list(tables["en"]), language
        assert used <= set(texts), language


def test_half_precision_weights_stay_half() -> None:
    path = BUNDLE / "matte.onnx"
    halves = half_ranges(path)
    assert sum(length for _, length in halves) > 0.8 * path.stat().st_size
    parts = np.frombuffer(gzip.decompress(pack(path.read_bytes(), halves)), np.uint8)
    assert len(parts) == path.stat().st_size
    start, length = halves[0]
    numbers = np.frombuffer(path.read_bytes(), "<u2", length // 2, start)
    total = sum(each for _, each in halves) // 2
    high, low = parts[-2 * total :], parts[-total:]
    assert np.array_equal(high[: length // 2].astype("<u2") << 8 | low[: length // 2], numbers)


def test_other_files_of_the_folder_stay_and_stale_ones_go(site, tmp_path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "out")
    out, kept = tmp_path / "link", [".git/HEAD", ".gitattributes", ".nojekyll", "CNAME", "README.md", "model/notes.txt"]
    for name in kept:
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text("the owner's")
    inode = (tmp_path / "out").stat().st_ino
    copy_site(site, out)
    for name in ("model/old-0123456789ab.bin", "runtime/old.js"):
        (out / name).write_text("stale")
    _write_list(
        out, {*json.loads((out / "site-files.json").read_text()), "model/old-0123456789ab.bin", "runtime/old.js"}
    )
    _write_list(out, {*json.loads((out / "site-files.json").read_text()), "../../outside", "/etc/passwd"})
    copy_site(site, out)
    found = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert found == {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()} | set(kept)
    assert all((out / name).read_text() == "the owner's" for name in kept)
    assert out.is_symlink() and (tmp_path / "out").stat().st_ino == inode


def test_folders_that_are_none_or_hold_the_sources_are_refused(tmp_path, capsys) -> None:
    (tmp_path / "thesis.txt").write_text("ten years")
    assert main(["web", "--out", str(tmp_path / "thesis.txt")]) == 1
    assert "is a file; expected a folder" in capsys.readouterr().err
    for folder in (ROOT, ROOT / "web" / "src", ROOT / "demo"):
        assert main(["web", "--out", str(folder)]) == 1
        assert "holds the sources of this project" in capsys.readouterr().err


def test_an_incomplete_set_of_graphs_is_refused(tmp_path, capsys) -> None:
    (tmp_path / "graphs").mkdir()
    assert main(["web", "--graphs", str(tmp_path / "graphs"), "--out", str(tmp_path / "site")]) == 1
    assert "lacks image_encoder.onnx" in capsys.readouterr().err
    assert not (tmp_path / "site").exists()


def test_without_a_network_the_message_helps(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("MAM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    assert main(["web", "--out", str(tmp_path / "site")]) == 1
    message = capsys.readouterr().err
    assert "onnxruntime-web" in message and "npm pack" in message and "npm_config_registry" in message
    assert not (tmp_path / "site").exists()


def test_another_package_is_refused(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("MAM_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(npm, "fetch", lambda address, limit: b"something else")
    assert main(["web", "--out", str(tmp_path / "site")]) == 1
    assert "is not the pinned package" in capsys.readouterr().err
    assert not list((tmp_path / "home").rglob("*.tgz"))


def test_a_damaged_package_in_the_cache_is_refused(tmp_path, monkeypatch, capsys) -> None:
    archive = tmp_path / "npm" / f"onnxruntime-web-{npm.pinned_version(npm.RUNTIME)}.tgz"
    archive.parent.mkdir()
    archive.write_bytes(b"damaged")
    monkeypatch.setenv("MAM_HOME", str(tmp_path))
    assert main(["web", "--out", str(tmp_path / "site")]) == 1
    assert f"{archive} is not the pinned package; delete it" in capsys.readouterr().err
