"""The library runs without torch, and importing it does nothing."""

import ast
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

import mam

ROOT = Path(mam.__file__).parents[1]
FOLDERS = {"mam", "training", "export", "demo", "tests", "tools", "docs", "scripts"}

# What the code of each folder may import. `tests` may import everything.
MAY_USE: dict[str, set[str]] = {
    "mam": set(),
    "training": {"mam"},
    "export": {"mam", "training"},
    "demo": {"mam"},
    "tools": {"mam", "export", "tests"},
}

# Where code starts another folder's program, or opens its files. Everything else is a hidden dependency.
REFERENCES = {
    ("export/web/build.py", "demo"): "the canvas, the texts and the examples, which the site shares",
    ("tools/compare_outputs.py", "demo"): "its example photographs",
    ("tools/figures.py", "demo"): "its example photographs and backgrounds",
    ("tools/figures.py", "docs"): "writes the figures",
    ("tools/parity.py", "demo"): "its example photographs",
    ("tools/ray_speed.py", "mam"): "the command that it compares with",
    ("tools/record.py", "demo"): "its example photographs",
    ("tools/record.py", "docs"): "writes the recordings",
    ("tools/site_speed.py", "demo"): "its example photographs",
    ("tools/speed.py", "demo"): "its example photographs",
    ("tools/stages.py", "demo"): "its example photographs",
}

# Functions that start processes or import modules by name.
STARTERS = {"run", "Popen", "call", "check_call", "check_output", "system", "run_module", "import_module"}

WITHOUT_TORCH = """
import sys
for name in ("torch", "torchvision", "onnx", "segment_anything", "gradio", "transformers", "tokenizers"):
    sys.modules[name] = None  # importing it raises
import mam, mam.cli
from demo import session, store
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


def test_imports_flow_one_way() -> None:
    for folder, allowed in MAY_USE.items():
        for file in sorted((ROOT / folder).rglob("*.py")):
            name, found = file.relative_to(ROOT).as_posix(), imports(parse(file))
            used = {folder_of(module) for module in found} & MAY_USE.keys() - {folder}
            assert used <= allowed, f"{name} imports {used - allowed}"
            if folder == "demo":
                assert not [m for m in found if m.startswith(("torch", "mam.nets"))], name


def test_only_networks_training_and_evaluation_load_torch() -> None:
    for file in sorted((ROOT / "mam").rglob("*.py")):
        if file.relative_to(ROOT / "mam").parts[0] not in ("nets", "training", "evaluation"):
            loaded = imports(parse(file), when_loaded=True)
            assert not [m for m in loaded if m.startswith(("torch", "mam.nets"))], file


def test_processes_and_paths_reach_no_other_folder_but_those_listed() -> None:
    found = {
        (file.relative_to(ROOT).as_posix(), other)
        for folder in MAY_USE
        for file in (ROOT / folder).rglob("*.py")
        for other in references(parse(file)) - {folder}
    }
    assert found == REFERENCES.keys()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('run([python, "-m", "export", "prepare"])', {"export"}),
        ('COMMAND = (python, "-m", "export.bench")', {"export"}),
        ('os.system("python -m export prepare")', {"export"}),
        ('importlib.import_module("demo.app")', {"demo"}),
        ('ROOT / "demo" / "examples"', {"demo"}),
        ('Path("../demo/examples/cat.png")', {"demo"}),
        ('ROOT / "docs" / "strip.jpg"', {"docs"}),
        ('"""Run `python -m export`."""', set()),
        ('raise MamError("run: pip install -r export/requirements.txt")', set()),
        ('Choice("demo")', set()),
    ],
)
def test_references_are_found(code, expected) -> None:
    assert references(ast.parse(code)) == expected


def parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"))


def folder_of(module: str) -> str:
    return module.partition(".")[0]


def imports(tree: ast.Module, when_loaded: bool = False) -> set[str]:
    """Names of the imported modules: of all imports, or of those that run when the module is loaded."""
    names, nodes = set(), list(tree.body)
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif when_loaded and (isinstance(node, ast.FunctionDef) or ast.unparse(node).startswith("if TYPE_CHECKING")):
            continue
        nodes += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt | ast.ExceptHandler)]
    return names


def references(tree: ast.Module) -> set[str]:
    """Folders that code reaches by another process, by the name of a module, or by a path."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.List | ast.Tuple):
            texts = [item.value if isinstance(item, ast.Constant) else None for item in node.elts]
            found |= {folder_of(str(b)) for a, b in pairwise(texts) if a == "-m"}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in STARTERS:
            texts = [item.value for item in node.args if isinstance(item, ast.Constant) and isinstance(item.value, str)]
            found |= {folder_of(word) for text in texts for word in text.split()}
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and isinstance(node.right, ast.Constant):
            found.add(str(node.right.value).removeprefix("../").partition("/")[0])
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            path = re.fullmatch(r"(?:\.\.?/)*(\w+)/[\w./*-]+", node.value)
            found |= {path[1]} if path else set()
    return found & FOLDERS
