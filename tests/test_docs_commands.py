"""Every command and every Python example of the documents, executed as it is written, in a folder like a clone."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT

DOCUMENTS = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]

# The beginnings of commands that are not executed here, and why.
NOT_RUN = {
    "pip install": "installs packages from the network; tests/test_packaging.py installs what is built here",
    "git clone": "needs the network",
    "docker compose": "needs Docker; tests/demo/test_deployment.py runs the files' parts",
    "tritonserver": "needs a Triton server",
    "torchrun": "trains on data sets that are not here; tests/training runs the recipes",
    "python -m training": "needs data sets that are not here; tests/training runs the recipes and the benchmarks",
    "mam matte --watch": "runs until Ctrl-C; tests/mam/cli/test_watch.py ends it",
    "mam matte --engine ray": "needs a cluster and a store; tests/mam/cluster runs one on this machine",
    "mam matte demo/examples/flower.jpg --graphs mobile_sam": "downloads 41 MB",
    "mam matte demo/examples/kitten.jpg --matte vitmatte": "downloads 110 MB",
    "mam matte demo/examples/kitten.jpg --matte SEMat_SAM.pth": "needs a file that a person has to get",
    "mam matte demo/examples/kitten.jpg --matte semat": "the same; tests/export/test_semat_template.py has a small one",
    "mam models check mobile_sam": "downloads 41 MB; tests/mam/test_proof.py checks models",
    "mam weights get": "downloads; tests/mam/weights has a server in the network's place",
    "mam weights verify": "needs downloaded files",
    "python -m mam weights": "downloads",
    "python -m scripts.parity": "needs downloaded weights and benchmarks",
    "python -m scripts.upload_space": "needs the hub; tests/scripts/test_upload_space.py has one in its place",
    "python -m export grounding": "downloads 700 MB",
    "python -m export check  --variant tiny": "takes minutes; tests/export/test_parity.py makes the same comparison",
    "python -m export check --runtime openvino": "the same in tests/export/test_runtimes.py",
    "python -m export flavour": "the same in tests/export/test_precision.py",
    "mam doctor --graphs graphs/tiny_int8": "needs what the command before it writes",
    "python demo/app.py --variant vit_b": "downloads 386 MB",
    "python demo/app.py": "downloads 41 MB; tests/demo/conftest.py starts the page",
}
SERVERS = {
    "mam serve": "http://127.0.0.1:7000/health",
    "python -m http.server -d site 8000": "http://127.0.0.1:8000/index.html",
}
PAGE = "http://127.0.0.1:7860/"
NOT_RUN_PYTHON = {
    "# needs ViTMatte": "downloads 110 MB",
    "# needs Ray": "its example reads from a store; tests/mam/cluster/test_cluster.py runs one on this machine",
    "# needs a Triton server": "tests/mam/model/test_triton.py has a server of the same protocol",
    "# needs the larger model": "downloads 690 MB; tests/mam/text/test_model.py runs a small one",
}


def read_blocks(document: str, language: str) -> list[str]:
    """The fenced code of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / document).read_text("utf-8"), re.MULTILINE | re.DOTALL)


def read_commands(document: str) -> list[str]:
    """The commands of a document; one may have several lines, through backslashes or quotes."""
    commands = []
    for block in read_blocks(document, "bash"):
        command = ""
        for line in block.splitlines():
            command += line
            if line.endswith("\\"):
                command += "\n"
                continue
            try:
                parts = shlex.split(command, comments=True)
            except ValueError:  # an open quote
                command += "\n"
                continue
            commands += [command.strip()] if parts else []
            command = ""
    return commands


def is_run(command: str) -> bool:
    return not command.startswith(tuple(NOT_RUN)) and "7860" not in command


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the repository's files, where commands may write, and the programs `mam` and `python`."""
    folders = ("demo", "docs", "examples", "export", "mam", "scripts", "tests", "training", "web")
    for name in (*folders, "requirements.txt", "pyproject.toml", "LICENSE"):
        if (ROOT / name).exists():
            (tmp_path / name).symlink_to(ROOT / name)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, arguments in {"python": "", "mam": " -m mam"}.items():
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}"{arguments} "$@"\n')
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextlib.contextmanager
def running(command: str, address: str) -> Iterator[None]:
    """Surround what needs a server, started by a command."""
    server = subprocess.Popen(["bash", "-c", f"exec {command}"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(address, timeout=2)
                break
            if server.poll() is not None:
                message = server.stderr.read().decode()
                if "in use" in message:
                    pytest.skip(f"{address} is taken by another program")
                pytest.fail(message)
            time.sleep(0.2)
        yield
    finally:
        server.terminate()
        server.wait(20)


@pytest.mark.slow
@pytest.mark.parametrize("document", [name for name in DOCUMENTS if any(map(is_run, read_commands(name)))])
def test_commands_run(document: str, clone: Path) -> None:
    for command in filter(is_run, read_commands(document)):
        if command.partition(" #")[0].strip() in SERVERS:
            with running(command, SERVERS[command.partition(" #")[0].strip()]):
                continue
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], capture_output=True, text=True)
        if "is needed once" in done.stderr:
            pytest.skip(f"no npm registry: {done.stderr}")
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


@pytest.mark.slow
@pytest.mark.parametrize("document", [name for name in DOCUMENTS if read_blocks(name, "python")])
def test_python_blocks_run(document: str, clone: Path) -> None:
    namespace: dict[str, object] = {"image": np.zeros((1, 3, 1024, 1024), np.float32)}
    for block in read_blocks(document, "python"):
        if block.startswith(tuple(NOT_RUN_PYTHON)) or block.startswith("# needs the page"):
            continue
        if block.startswith("# needs openvino"):
            pytest.importorskip("openvino", reason="needs openvino: pip install openvino")
            (edge,) = [command for command in read_commands(document) if command.startswith("python -m export edge")]
            subprocess.run(["bash", "-c", edge], check=True)
        exec(block, namespace)


@pytest.mark.slow
def test_calls_of_the_page_run(clone: Path) -> None:
    (python,) = [block for block in read_blocks("docs/usage.md", "python") if block.startswith("# needs the page")]
    (curl,) = [block for block in read_blocks("docs/usage.md", "bash") if "7860" in block]
    with running("python demo/app.py --variant tiny --port 7860", PAGE):
        namespace: dict[str, object] = {}
        exec(python, namespace)
        assert str(namespace["cutout_file"]).endswith("flower_cutout.png")
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", curl], capture_output=True, text=True, timeout=120)
        assert "event: complete" in done.stdout and "flower_alpha.png" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_are_understood(document: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The command line of each program accepts it, also of those that are not executed here."""
    from mam.cli import parse as parse_mam

    for command in read_commands(document):
        words = [part for part in shlex.split(command, comments=True) if part != "\n"]
        if "mam" in words and words[0] in ("mam", "torchrun", "cat"):
            arguments = words[words.index("mam") + 1 :]
            parse_mam(arguments[: arguments.index(">")] if ">" in arguments else arguments)
        elif words[:3] == ["python", "-m", "export"]:
            pytest.importorskip("torch", reason="needs torch: pip install -r export/requirements.txt")
            from export.__main__ import parse as parse_export

            parse_export([part for word in words[3:] for part in expand(word)])


def expand(word: str) -> list[str]:
    return sorted(str(path) for path in ROOT.glob(word)) if re.search(r"[*?\[]", word) else [word]


def test_reasons_are_of_commands_that_exist() -> None:
    commands = [command for document in DOCUMENTS for command in read_commands(document)]
    blocks = [block for document in DOCUMENTS for block in read_blocks(document, "python")]
    assert [start for start in NOT_RUN if not any(one.startswith(start) for one in commands)] == []
    assert [start for start in NOT_RUN_PYTHON if not any(one.startswith(start) for one in blocks)] == []
