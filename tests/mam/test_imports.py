"""The library runs without torch, and importing it does nothing. pyproject.toml has the rules of imports."""

import subprocess
import sys

from tests.conftest import ROOT

WITHOUT_TORCH = """
import sys
for name in ("torch", "torchvision", "onnx", "segment_anything", "gradio", "transformers", "tokenizers"):
    sys.modules[name] = None  # importing it raises
import mam, mam.cli
from demo import session
from demo.canvas import images, protocol
matte = mam.Matting.load(device="cpu").open({photo!r}).matte(box=(178, 82, 450, 360))
assert matte and matte.cutout().shape[2] == 4
"""


def test_the_chain_runs_where_torch_cannot_be_imported() -> None:
    code = WITHOUT_TORCH.format(photo=str(ROOT / "demo" / "examples" / "flower.jpg"))
    # The page's data and images need neither torch nor gradio.
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_importing_loads_no_model_and_prints_nothing() -> None:
    code = (
        "import onnxruntime, sys; onnxruntime.InferenceSession = None; import mam, mam.cli\n"
        "assert not {'tqdm', 'gradio', 'tokenizers'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=ROOT)
    assert done.stdout == done.stderr == b""
