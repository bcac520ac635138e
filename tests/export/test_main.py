"""The command line: refused arguments, and the message for a missing package or file."""

import subprocess
import sys
from pathlib import Path

import pytest

from export.__main__ import main

ROOT = Path(__file__).parents[2]


def test_graphs_need_weights_or_a_seed(capsys) -> None:
    for wrong in ([], ["--seed", "1", "--checkpoint", "a"]):
        with pytest.raises(SystemExit) as stop:
            main(["graphs", "--variant", "tiny", "--out", "x", *wrong])
        assert stop.value.code == 2
    assert "either --checkpoint, or --seed" in capsys.readouterr().err


def test_a_missing_checkpoint_is_one_line(tmp_path, capsys) -> None:
    arguments = ["graphs", "--variant", "tiny", "--out", str(tmp_path), "--checkpoint", "no.pt"]
    assert main(arguments) == 1
    assert capsys.readouterr().err.startswith("export: no checkpoint at no.pt")


WITHOUT = """
import sys
sys.modules[{package!r}] = None  # importing it raises
from export.__main__ import main
sys.exit(main({arguments!r}))
"""
MODEL = ["--variant", "tiny", "--seed", "0"]
COMMANDS = {
    "torch": ["graphs", *MODEL, "--out", "x"],
    "onnx": ["flavour", "x", "--precision", "fp16", "--out", "y"],
    "segment_anything": ["graphs", "--variant", "vit_b", "--seed", "0", "--out", "x"],
    "transformers": ["grounding"],
}


@pytest.mark.parametrize("package", COMMANDS)
def test_a_missing_package_is_one_line_that_names_the_requirements(package, tmp_path) -> None:
    code = WITHOUT.format(package=package, arguments=COMMANDS[package])
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.startswith("export: ") and "pip install -r export/requirements.txt" in done.stderr
    assert not (tmp_path / "x").exists()
