"""A feature that needs a missing package gives the line that installs it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import EXAMPLES

FLOWER = str(EXAMPLES / "flower.jpg")
_RUN = "import sys; sys.modules[{package!r}] = None; from {program} import main; sys.exit(main({arguments!r}))"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "arguments", "advice"),
    [
        ("onnxruntime", ["doctor"], "pip install onnxruntime"),
        ("scipy", ["evaluate", "."], "pip install scipy"),
        ("torch", ["train", "tiny-segment", "--data", ".", "--out", "."], "pip install -r export/requirements.txt"),
        (
            "segment_anything",
            ["train", "vit_b-matte", "--data", ".", "--out", "{out}", "--sam", "sam.pth"],
            "training needs segment_anything: pip install -r export/requirements.txt",
        ),
        ("httpx", ["weights", "get", "sam_vit_b_01ec64.pth"], "pip install httpx filelock huggingface_hub"),
        ("httpx", ["matte", "https://example.org/a.jpg", "-o", "{out}"], "pip install httpx"),
        ("psd_tools", ["matte", FLOWER, "--format", "psd", "-o", "{out}/"], "pip install psd-tools"),
        ("uvicorn", ["serve"], "pip install starlette uvicorn python-multipart"),
        ("ray", ["matte", FLOWER, "--engine", "ray", "-o", "{out}"], 'pip install "ray[data]"'),
    ],
)
def test_the_message_has_the_line_that_installs_it(
    package: str, arguments: list[str], advice: str, tmp_path: Path
) -> None:
    arguments = [argument.format(out=tmp_path / "out.png") for argument in arguments]
    program = "training.__main__" if arguments[0] in ("train", "evaluate") else "mam.cli"
    script = _RUN.format(package=package, program=program, arguments=arguments)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1
    assert advice in done.stderr and "Traceback" not in done.stderr
