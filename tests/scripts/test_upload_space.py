"""The files that are sent to a Space are complete and no more than the page needs."""

import os
import shutil
import subprocess
from types import SimpleNamespace

import pytest
from huggingface_hub import HfApi
from huggingface_hub.utils import filter_repo_objects

from scripts import upload_space
from tests.conftest import ROOT

PAGE = """
from pathlib import Path
import mam
from demo import app
assert Path(mam.__file__).is_relative_to(Path.cwd()), mam.__file__
matting, _ = app.load(app.parse(["--variant", "tiny", "--device", "cpu"]))
app.build_demo(matting)
assert matting.open("demo/examples/flower.jpg").matte(box=(178, 82, 450, 360))
"""


@pytest.mark.slow
def test_the_page_runs_from_what_is_uploaded(tmp_path, monkeypatch, python) -> None:
    calls = []
    monkeypatch.setattr(HfApi, "create_repo", lambda self, space, **options: calls.append((space, options)))

    def upload_folder(self, **options):
        everything = [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if path.is_file()]
        for name in filter_repo_objects(everything, allow_patterns=options["allow_patterns"]):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
        calls.append((options["repo_id"], options))
        return SimpleNamespace(commit_url="https://hub/commit")

    monkeypatch.setattr(HfApi, "upload_folder", upload_folder)
    assert upload_space.upload("owner/name") == "https://hub/commit"
    assert [space for space, _ in calls] == ["owner/name"] * 2
    assert calls[0][1]["space_sdk"] == "gradio" and calls[1][1]["repo_type"] == "space"

    sent = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert {"README.md", "requirements.txt", "demo/app.py", "mam/bundle/matte.onnx"} <= sent
    assert not [name for name in sent if name.startswith(("tests/", "export/", "mam/nets/")) or name.endswith(".pt")]
    outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([python, "-c", PAGE], check=True, cwd=tmp_path, env=outside)
