"""A feature that needs a missing package gives the line that installs it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import EXAMPLES

PROGRAMS = {"training.__main__": ("train", "evaluate"), "export.__main__": ("graphs", "flavour", "grounding")}
MODEL = ("--variant", "tiny", "--seed", "0")
EXPORT = "pip install -r export/requirements.txt"
FLOWER = str(EXAMPLES / "flower.jpg")
_RUN = "import sys; sys.modules[{package!r}] = None; from {program} import main; sys.exit(main({arguments!r}))"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "arguments", "advice"),
    [
        ("onnxruntime", ["doctor"], "pip install onnxruntime"),
        ("scipy", ["evaluate", "."], "pip install scipy"),
        ("torch", ["train", "tiny-segment", "--data", ".", "--out", "."], EXPORT),
        (
            "segment_anything",
            ["train", "vit_b-matte", "--data", ".", "--out", "{out}", "--sam", "sam.pth"],
            f"training needs segment_anything: {EXPORT}",
        ),
        ("httpx", ["weights", "get", "sam_vit_b_01ec64.pth"], "pip install httpx filelock huggingface_hub"),
        ("httpx", ["matte", "https://example.org/a.jpg", "-o", "{out}"], "pip install httpx"),
        ("psd_tools", ["matte", FLOWER, "--format", "psd", "-o", "{out}/"], "pip install psd-tools"),
        ("uvicorn", ["serve"], "pip install starlette uvicorn python-multipart"),
        ("torch", ["graphs", *MODEL, "--out", "{out}"], EXPORT),
        ("onnx", ["flavour", "x", "--precision", "fp16", "--out", "{out}"], EXPORT),
        ("segment_anything", ["graphs", "--variant", "vit_b", "--seed", "0", "--out", "{out}"], EXPORT),
        ("transformers", ["grounding"], EXPORT),
        ("ray", ["matte", FLOWER, "--engine", "ray", "-o", "{out}"], 'pip install "ray[data]"'),
    ],
)
def test_the_message_has_the_line_that_installs_it(
    package: str, arguments: list[str], advice: str, tmp_path: Path
) -> None:
    arguments = [argument.format(out=tmp_path / "out.png") for argument in arguments]
    program = next((name for name, commands in PROGRAMS.items() if arguments[0] in commands), "mam.cli")
    script = _RUN.format(package=package, program=program, arguments=arguments)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1
    assert advice in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out.png").exists()
